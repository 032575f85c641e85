package code

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ReadInitialised reads the backend that `init` wrote down in the data
// directory (.terraform, or where TF_DATA_DIR says): with -backend-config it
// may hold settings that no file of the code shows, and at run time it is the
// one that counts. It says false where there is none, or one that isn't S3.
func ReadInitialised(dataDir string) (Client, bool, error) {
	path := filepath.Join(dataDir, "terraform.tfstate")
	src, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Client{}, false, nil
	}
	if err != nil {
		return Client{}, false, err
	}
	return ParseInitialised(path, src)
}

// ParseInitialised is ReadInitialised for bytes that are already there.
func ParseInitialised(path string, src []byte) (Client, bool, error) {
	var file struct {
		Backend *struct {
			Type   string         `json:"type"`
			Config map[string]any `json:"config"`
		} `json:"backend"`
	}
	if err := json.Unmarshal(src, &file); err != nil {
		// The decoder's own words may quote a value, which may be a secret.
		return Client{}, false, fmt.Errorf("%s: not the JSON that init writes", path)
	}
	if file.Backend == nil || file.Backend.Type != "s3" {
		return Client{}, false, nil
	}
	client := Client{Kind: Initialised, Range: Range{File: path}}
	for name, value := range file.Backend.Config {
		switch {
		case wanted(name):
			client.Settings = append(client.Settings, initialised(path, name, value))
		case wantedBlock(name):
			client.Settings = append(client.Settings, initialisedBlock(path, name, value)...)
		}
	}
	slices.SortFunc(client.Settings, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return client, true, nil
}

func initialisedBlock(path, block string, value any) []Setting {
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	fields, _ := value.(map[string]any)
	var out []Setting
	for name, v := range fields {
		if wantedInBlock(name) {
			out = append(out, initialised(path, block+"."+name, v))
		}
	}
	return out
}

func initialised(path, name string, value any) Setting {
	s := Setting{Name: name, Range: Range{File: path}, Known: true, Secret: secret(name)}
	var values []string
	switch v := value.(type) {
	case string:
		values = []string{v}
	case []any:
		for _, item := range v {
			if text, ok := item.(string); ok {
				values = append(values, text)
			}
		}
	}
	s.Blank = strings.Join(values, "") == ""
	if !s.Secret {
		s.Values = values
	}
	return s
}

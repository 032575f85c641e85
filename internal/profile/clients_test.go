//go:build clients

package profile

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/precedence"
)

// TestProblemsAreBotocores asks the real botocore which files it refuses. The
// precedence package's test of the same tag installs it where it's missing.
func TestProblemsAreBotocores(t *testing.T) {
	dir := t.TempDir()
	var envs []precedence.Env
	var files []precedence.File
	var sources []string
	for seed := range 400 {
		src := rapid.Custom(text).Example(seed)
		path := filepath.Join(dir, fmt.Sprint(seed))
		if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, src)
		files = append(files, Parse(path, precedence.Config, []byte(src)))
		envs = append(envs, precedence.Env{"HOME": dir, "AWS_CONFIG_FILE": path, "AWS_EC2_METADATA_DISABLED": "true"})
	}
	input, err := json.Marshal(envs)
	if err != nil {
		t.Fatal(err)
	}
	python := "python3"
	if exec.Command(python, "-c", "import botocore").Run() != nil {
		python = "/usr/bin/python3" // Debian's, which has its packages
	}
	cmd := exec.Command(python, "../../clients/python/winners.py")
	cmd.Stdin, cmd.Env = strings.NewReader(string(input)), append(os.Environ(), "RELATIVE_TO=")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("NOT LOOKED AT: %v: %v", cmd.Args, err)
	}
	var got struct{ Winners []struct{ Error string } }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i, w := range got.Winners {
		if (w.Error == "ConfigParseError") != (len(files[i].Problems) > 0) {
			t.Errorf("%q\n botocore: %q, Problems: %v", sources[i], w.Error, files[i].Problems)
		}
		if w.Error == "ConfigParseError" {
			refused++
		}
	}
	t.Logf("%d of %d files refused", refused, len(files))
	if refused == 0 || refused == len(files) {
		t.Error("the files test one side only")
	}
}

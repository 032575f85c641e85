// Package tfexec (adapter) runs Terraform's own commands and reads their
// answers.
//
// It promises that only StatePush writes, and never by force, and that a
// command which doesn't answer is ended.
package tfexec

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// answerIn is how long a command that only reads may take.
const answerIn = 20 * time.Second

// Version is a version of Terraform or OpenTofu; what stands behind the third
// number is left out.
type Version struct{ Major, Minor, Patch int }

// AtLeast compares the first two numbers.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// AskVersion runs `version -json` of the program at path with the given
// environment.
func AskVersion(ctx context.Context, path string, environ []string) (Version, error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version", "-json")
	cmd.Env = environ
	out, err := cmd.Output()
	if err != nil {
		return Version{}, fmt.Errorf("%s version -json: %w", path, err)
	}
	return parseVersion(out)
}

// parseVersion reads the answer. OpenTofu prints a warning before it when
// TF_CLI_CONFIG_FILE names a file that isn't there, so it starts at the first
// brace.
func parseVersion(out []byte) (Version, error) {
	text := string(out)
	start := strings.IndexByte(text, '{')
	if start < 0 {
		return Version{}, fmt.Errorf("version -json printed no JSON")
	}
	var answer struct {
		Version string `json:"terraform_version"`
	}
	if err := json.Unmarshal([]byte(text[start:]), &answer); err != nil {
		return Version{}, fmt.Errorf("version -json: %w", err)
	}
	numbers, _, _ := strings.Cut(answer.Version, "-")
	parts := strings.Split(numbers, ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("version -json says %q", answer.Version)
	}
	var v Version
	for i, to := range []*int{&v.Major, &v.Minor, &v.Patch} {
		n, err := strconv.Atoi(parts[i])
		if err != nil {
			return Version{}, fmt.Errorf("version -json says %q", answer.Version)
		}
		*to = n
	}
	return v, nil
}

// String is MAJOR.MINOR.PATCH.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

package tfexec

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

// RenderedRole runs `terragrunt render --format json` in a unit's directory and
// returns its iam_role, path included; empty if the unit names none.
func RenderedRole(ctx context.Context, path, dir string, environ []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "render", "--format", "json")
	cmd.Dir, cmd.Env = dir, environ
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("terragrunt render in %s: %w", dir, err)
	}
	return parseRendered(out)
}

func parseRendered(out []byte) (string, error) {
	text := string(out)
	start := strings.IndexByte(text, '{')
	if start < 0 {
		return "", fmt.Errorf("terragrunt render printed no JSON")
	}
	var unit struct {
		Role string `json:"iam_role"`
	}
	if err := json.Unmarshal([]byte(text[start:]), &unit); err != nil {
		return "", fmt.Errorf("terragrunt render: %w", err)
	}
	return unit.Role, nil
}

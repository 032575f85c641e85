package tfexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Directory is an initialised working directory with the program that works in
// it.
type Directory struct {
	Path    string // of the program
	Dir     string // absolute
	Environ []string
}

// StatePull returns the state that the backend holds; nothing if there is none.
// It takes no lock and writes nothing.
func (d Directory) StatePull(ctx context.Context) ([]byte, error) {
	return d.run(ctx, "state", "pull")
}

// StatePush pushes a state file: the one command here that writes. It never
// forces. With held the caller holds the lock, and Terraform doesn't ask for
// it. The command gets a session of its own, so that a Ctrl-C at a terminal
// doesn't end it half way.
func (d Directory) StatePush(ctx context.Context, file string, held bool) error {
	args := []string{"state", "push", "-lock-timeout=10s"}
	if held {
		args = []string{"state", "push", "-lock=false"}
	}
	_, err := d.run(ctx, append(args, file)...)
	return err
}

func (d Directory) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, d.Path, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = d.Dir, d.Environ, ownSession()
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	if err == nil {
		return out.Bytes(), nil
	}
	words := fmt.Sprintf("%s %s", filepath.Base(d.Path), strings.Join(args[:2], " "))
	if said := plain(problem.Bytes()); said != "" {
		return nil, fmt.Errorf("%s: %s", words, said)
	}
	return nil, errors.Join(fmt.Errorf("%s: %w", words, err), ctx.Err())
}

var decoration = regexp.MustCompile(`\x1b\[[0-9;]*m|[│╷╵]`)

// plain is what Terraform said, as one line without its frame.
func plain(said []byte) string {
	return strings.Join(strings.Fields(decoration.ReplaceAllString(string(said), " ")), " ")
}

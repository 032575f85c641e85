// Package credcmd (adapter) runs a command that prints a web identity token or
// a credential, and hands back what it printed.
//
// It promises that the command is ended when its time is over, that it reads no
// terminal, that no more is read than a token can be long, and that nothing of
// its standard output stands in an error.
//
// It takes an exit code for a refusal, which isn't asked again at once: a person
// who isn't logged in should read that now.
//
// It doesn't read what was printed (package source does), and passes the
// command nothing but the environment that it is given.
package credcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/source"
)

const (
	// answerIn is what the AWS SDKs give a credential_process
	// (aws-sdk-go-v2 credentials/processcreds, DefaultTimeout).
	answerIn = time.Minute
	// longest is more than any token or credential_process JSON has.
	longest = 64 << 10
)

// Command is a program with its arguments; no shell reads them.
type Command struct {
	Args []string
	Env  []string
	Dir  string
}

// Run implements source.Runner.
func (c Command) Run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	var out, errs capped
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.Env, c.Dir, &out, &errs
	cmd.WaitDelay = time.Second // what it started may hold its output open for ever
	err := cmd.Run()
	if err == nil && out.Len() >= longest {
		err = fmt.Errorf("it printed more than %d bytes", longest)
	}
	if err == nil {
		return out.Bytes(), nil
	}
	bad := &source.TokenError{From: "command " + filepath.Base(c.Args[0]), Err: err,
		Cure: "try it by hand (it is started without a shell and without a terminal)"}
	switch {
	case ctx.Err() != nil:
		bad.Passing, bad.Err = true, fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case cmd.ProcessState == nil:
		var lookup *exec.Error
		if errors.As(err, &lookup) {
			bad.Err = lookup.Err
		}
	default:
		if said := last(errs.String()); said != "" {
			bad.Err = fmt.Errorf("%w: %s", err, said)
		}
	}
	return nil, bad
}

// last is the last line that a command wrote to standard error, without words
// that look like a JWT.
func last(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	words := strings.Fields(lines[len(lines)-1])
	for i, word := range words {
		if strings.Contains(word, "eyJ") {
			words[i] = "(a token)"
		}
	}
	said := []rune(strings.Join(words, " "))
	return string(said[:min(len(said), 200)])
}

// capped keeps the beginning of what is written to it.
type capped struct{ bytes.Buffer }

// Write takes all and keeps what fits.
func (c *capped) Write(p []byte) (int, error) {
	if room := longest - c.Len(); room > 0 {
		c.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

package credcmd_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/credcmd"
	"github.com/holdfast/holdfast/internal/source"
)

func shell(script string) credcmd.Command {
	return credcmd.Command{Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin", "SECRET=hunter2"}}
}

func TestWhatACommandPrints(t *testing.T) {
	out, err := shell(`printf %s "$SECRET"; echo noise >&2`).Run(t.Context())
	if err != nil || string(out) != "hunter2" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestCommandThatFails(t *testing.T) {
	for _, row := range []struct {
		name, script, want string
		passing            bool
	}{
		{"exit", `echo hunter2; echo "not logged in: eyJhbGciOi.x.y" >&2; exit 7`, "command sh: exit status 7: not logged in: (a token)", false},
		{"silent", `exit 1`, "command sh: exit status 1", false},
		{"too much", `head -c 100000 /dev/zero`, "more than 65536 bytes", false},
	} {
		_, err := shell(row.script).Run(t.Context())
		var bad *source.TokenError
		if !errors.As(err, &bad) || bad.Passing != row.passing || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	_, err := credcmd.Command{Args: []string{"./none"}}.Run(t.Context())
	var bad *source.TokenError
	if !errors.As(err, &bad) || bad.Passing {
		t.Errorf("no such program: %v", err)
	}
}

// TestCommandThatHangs: so does a grandchild that keeps the output open.
func TestCommandThatHangs(t *testing.T) {
	for _, script := range []string{"sleep 60", "sleep 60 & sleep 60"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		_, err := shell(script).Run(ctx)
		cancel()
		var bad *source.TokenError
		if !errors.As(err, &bad) || !bad.Passing || !strings.Contains(err.Error(), "no answer in time") || time.Since(began) > 10*time.Second {
			t.Errorf("%q: %v after %v", script, err, time.Since(began))
		}
	}
}

package alert

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/holdfast/holdfast/internal/event"
)

// GitHub writes an annotation of the job, and a part of its summary
// (https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions).
type GitHub struct {
	Commands io.Writer // where the runner reads workflow commands
	Summary  string    // the file that GITHUB_STEP_SUMMARY names; empty for none
}

// Send implements Sink.
func (g GitHub) Send(_ context.Context, e event.Event) error {
	command := map[event.Severity]string{event.Info: "notice", event.Notice: "notice", event.Warning: "warning", event.Loss: "error"}[e.Severity]
	if _, err := fmt.Fprintf(g.Commands, "::%s title=%s::%s\n", command, property("holdfast: "+e.Subject), data(e.Message)); err != nil {
		return permanent{err}
	}
	if g.Summary == "" {
		return nil
	}
	f, err := os.OpenFile(g.Summary, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return permanent{err}
	}
	_, err = fmt.Fprintf(f, "**%s** %s\n\n```\n%s\n```\n\n", e.Severity, strings.ReplaceAll(e.Subject, "\n", " "), strings.ReplaceAll(e.Message, "```", "'''"))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// data escapes what a workflow command says, property one of its properties.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}

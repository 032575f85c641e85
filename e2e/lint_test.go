//go:build unix

package e2e

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

const literal = `resource "aws_iam_role" "app" {
  name = "app"
}
resource "aws_eks_access_entry" "app" {
  cluster_name  = "prod"
  principal_arn = "arn:aws:iam::111111111111:role/app"
}
`

// On a terminal a fix is shown first, and done only after a yes.
func TestLintAsksOnATerminal(t *testing.T) {
	t.Parallel()
	for answer, written := range map[string]bool{"n\n": false, "\n": false, "y\n": true} {
		w := newWorld(t, time.Hour)
		w.write("main.tf", literal)
		cmd := w.command(w.env, "holdfast", "lint", "--fix")
		master, err := pty.Start(cmd)
		w.must(err)
		_, err = io.WriteString(master, answer)
		w.must(err)
		said, _ := io.ReadAll(master) // a terminal whose process is gone ends in an error
		_ = cmd.Wait()                // the exit code says it
		master.Close()
		if !strings.Contains(string(said), "+  principal_arn = aws_iam_role.app.arn") || !strings.Contains(string(said), "Write this? [y/N]") {
			t.Errorf("%q: said\n%s", answer, said)
		}
		now, err := os.ReadFile(filepath.Join(w.dir, "main.tf"))
		w.must(err)
		if got := string(now) != literal; got != written {
			t.Errorf("%q: written: %v\n%s", answer, got, now)
		}
		if code := cmd.ProcessState.ExitCode(); (code == 0) != written {
			t.Errorf("%q: exit %d", answer, code)
		}
	}
}

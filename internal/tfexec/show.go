package tfexec

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// showIn is how long showing a plan may take; a large one takes minutes.
const showIn = 15 * time.Minute

// ShowPlan runs `show -json PLAN` of the program at path in dir and hands its
// output to read as it comes. A read that fails ends the program.
func ShowPlan(ctx context.Context, path, dir, plan string, environ []string, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, showIn)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "show", "-json", "-no-color", plan)
	cmd.Dir, cmd.Env = dir, environ
	cmd.WaitDelay = 5 * time.Second
	said := &head{most: 4 << 10}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	unread := read(out)
	if unread != nil {
		cancel()
	}
	if err := cmd.Wait(); err != nil && said.Len() > 0 {
		return fmt.Errorf("%s show -json: %w: %s", path, err, strings.Join(strings.Fields(said.String()), " "))
	} else if err != nil && unread == nil {
		return fmt.Errorf("%s show -json: %w", path, err)
	}
	return unread
}

// head keeps the beginning of what is written to it.
type head struct {
	bytes.Buffer
	most int
}

func (h *head) Write(b []byte) (int, error) {
	_, _ = h.Buffer.Write(b[:min(len(b), max(h.most-h.Len(), 0))])
	return len(b), nil
}

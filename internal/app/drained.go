package app

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/report"
)

// tellDrained says what a process that was stopped left half made: the
// resources that its state calls tainted, and those that no state knows. The
// list is kept, because the next plan would destroy them.
func (g *guard) tellDrained(ctx context.Context, w *guarded, e *link.End) {
	d := report.Drained{Dir: w.place.dir, Why: w.stopped(), At: time.Now().UTC().Round(time.Second)}
	store, err := w.place.store(ctx)
	known := map[string]bool{}
	if err == nil {
		r, problem := store.Look(ctx)
		err = problem
		d.Where = r.Where
		for _, i := range r.State.Instances {
			known[i.Address] = true
		}
		for _, i := range r.State.Tainted() {
			d.Tainted = append(d.Tainted, report.Instance{Address: i.Address, Type: i.Type, ID: i.ID})
			d.Next = append(d.Next, cure.Command(w.place.engine, "-chdir="+w.place.dir, "untaint", i.Address))
		}
	}
	if err != nil {
		d.Problem = "its state couldn't be read: " + err.Error()
	}
	if e != nil {
		for _, r := range e.Resources {
			if r.Failed && r.Action == "create" && !known[r.Address] {
				d.Missing = append(d.Missing, r.Address)
				d.Next = append(d.Next, cure.Command(w.place.engine, "-chdir="+w.place.dir, "import", r.Address, "ID"))
			}
		}
	}
	if d.Problem == "" && len(d.Tainted) == 0 && len(d.Missing) == 0 {
		d.Clean = true
	}
	if err := g.keepDrained(d); err != nil {
		g.k.note(event.Warning, Noted, "the list of what was left half made isn't kept: "+err.Error())
	}
	g.mu.Lock()
	g.drained = append(g.drained, d)
	g.mu.Unlock()
	severity := event.Loss
	if d.Clean {
		severity = event.Notice
	}
	g.k.event(event.Event{Time: d.At, Kind: Drained, Severity: severity, Subject: d.Dir, Message: strings.Join(d.Sentences(), "\n")})
}

// drainedName is the file of a directory's list, among those of all.
func drainedName(home, dir string) string {
	return filepath.Join(home, "drained", strings.Trim(strings.ReplaceAll(dir, string(filepath.Separator), "-"), "-")+".json")
}

// keepDrained keeps the list of a directory's last drain, or takes it away if
// nothing was left half made.
func (g *guard) keepDrained(d report.Drained) error {
	path := drainedName(stateHome(g.k.env, g.k.proc.Home), d.Dir)
	if d.Clean {
		if err := os.Remove(path); !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.Mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	return durable.Write(path, append(b, '\n'), 0o600)
}

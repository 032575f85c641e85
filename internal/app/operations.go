package app

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tf/log"
	"github.com/holdfast/holdfast/internal/tfexec"
)

// operations learns how long each resource took, in one of two ways: from the
// output where it passes through our hands, else from a JSON log that OpenTofu
// writes beside what it shows on the terminal.
type operations struct {
	jsonFile   string
	progressed func(link.Progress) // told at most once a second; may be nil

	mu    sync.Mutex
	human *log.Reader
	due   *time.Timer // of what isn't told yet
	told  time.Time   // when it was told last
	as    time.Time   // how far it had come then
}

// tellEvery is how often a keeper is told how far a process has come.
const tellEvery = time.Second

// watch settles the way and adds the argument that the second one needs.
func (j *job) watch(c *supervise.Command, dir *private.Dir) *operations {
	if c.OwnSession && !term.IsTerminal(int(j.proc.Stdout.Fd())) {
		return &operations{human: log.Human(time.Now)}
	}
	verb := slices.Index(c.Args, subcommand(c.Args))
	if verb < 0 || !slices.Contains([]string{"apply", "destroy"}, c.Args[verb]) || j.ownJSON(c.Args) || !j.writesJSONInto(c) {
		return &operations{}
	}
	file := dir.Path("log.json")
	c.Args = slices.Insert(slices.Clone(c.Args), verb+1, "-json-into="+file)
	return &operations{jsonFile: file}
}

// ownJSON reports whether the user has JSON output already, with which another
// one is refused.
func (j *job) ownJSON(args []string) bool {
	verb := subcommand(args)
	given := append(strings.Fields(j.env["TF_CLI_ARGS"]+" "+j.env["TF_CLI_ARGS_"+verb]), args...)
	return slices.ContainsFunc(given, func(arg string) bool {
		return strings.HasPrefix(strings.TrimPrefix(arg, "-"), "-json") || strings.HasPrefix(arg, "-json")
	})
}

// writesJSONInto reports whether the program knows -json-into: OpenTofu 1.12
// and later.
func (j *job) writesJSONInto(c *supervise.Command) bool {
	if j.engine != "tofu" {
		return false
	}
	v, err := tfexec.AskVersion(context.Background(), c.Path, c.Env)
	return err == nil && v.AtLeast(1, 12)
}

func (o *operations) take(part []byte) {
	if o.human == nil {
		return
	}
	o.mu.Lock()
	_, _ = o.human.Write(part) // never fails
	now := time.Now()
	changed := o.progressed != nil && !o.human.Last().Equal(o.as)
	wait := tellEvery - now.Sub(o.told)
	if changed && wait > 0 && o.due == nil {
		o.due = time.AfterFunc(wait, o.progress)
	}
	o.mu.Unlock()
	if changed && wait <= 0 {
		o.progress()
	}
}

// progress tells the keeper how far the process has come.
func (o *operations) progress() {
	o.mu.Lock()
	o.due, o.told, o.as = nil, time.Now(), o.human.Last()
	p := link.Progress{Worked: o.as, InFlight: o.human.InFlight()}
	for _, op := range o.human.Operations() {
		if op.Action == "create" && !op.Failed {
			p.Made = append(p.Made, op.Address)
		}
	}
	o.mu.Unlock()
	o.progressed(p)
}

// tell adds what was learnt to the end of a process.
func (o *operations) tell(end *link.End) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due != nil {
		o.due.Stop()
	}
	reader := o.human
	if o.jsonFile != "" {
		reader = log.JSON(time.Now)
		if b, err := os.ReadFile(o.jsonFile); err == nil {
			_, _ = reader.Write(b)
		}
	}
	if reader == nil {
		return
	}
	end.Worked, end.InFlight = reader.Last(), reader.InFlight()
	for _, op := range reader.Operations() {
		end.Resources = append(end.Resources, link.Resource{Address: op.Address, Action: op.Action, Seconds: op.Took.Seconds(), Failed: op.Failed})
	}
}

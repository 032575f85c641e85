package app

import (
	"context"
	"os"
	"slices"
	"strings"
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
	human    *log.Reader
	jsonFile string

	progressed func(link.Progress) // told at most once a second; may be nil
	told       time.Time
}

// watch settles the way and adds the argument that the second one needs.
func (j *job) watch(c *supervise.Command, dir *private.Dir) operations {
	if c.OwnSession && !term.IsTerminal(int(j.proc.Stdout.Fd())) {
		return operations{human: log.Human(time.Now)}
	}
	verb := slices.Index(c.Args, subcommand(c.Args))
	if verb < 0 || !slices.Contains([]string{"apply", "destroy"}, c.Args[verb]) || j.ownJSON(c.Args) || !j.writesJSONInto(c) {
		return operations{}
	}
	file := dir.Path("log.json")
	c.Args = slices.Insert(slices.Clone(c.Args), verb+1, "-json-into="+file)
	return operations{jsonFile: file}
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
	before := o.human.Last()
	_, _ = o.human.Write(part) // never fails
	now := time.Now()
	if o.progressed == nil || o.human.Last().Equal(before) || now.Sub(o.told) < time.Second {
		return
	}
	o.told = now
	p := link.Progress{Worked: o.human.Last(), InFlight: o.human.InFlight()}
	for _, op := range o.human.Operations() {
		if op.Action == "create" && !op.Failed {
			p.Made = append(p.Made, op.Address)
		}
	}
	o.progressed(p)
}

// tell adds what was learnt to the end of a process.
func (o *operations) tell(end *link.End) {
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

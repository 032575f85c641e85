package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// repetitions is how often a start is measured: enough for a median that
// doesn't move by more than a tenth between two benches on a quiet machine.
const repetitions = 60

// times are durations of the same thing, sorted.
type times []time.Duration

func (t times) at(share float64) time.Duration { return t[int(share*float64(len(t)-1))] }

func (t times) median() time.Duration { return t.at(0.5) }

func (t times) String() string {
	return fmt.Sprintf("%d runs, the middle half %s to %s", len(t), ms(t.at(0.25)), ms(t.at(0.75)))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }

// alternate runs each command in turn, so that whatever else the machine does
// hits all of them alike.
func alternate(ctx context.Context, commands ...func(context.Context) *exec.Cmd) ([]times, error) {
	all := make([]times, len(commands))
	for range repetitions + 3 {
		for i, command := range commands {
			cmd := command(ctx)
			var said bytes.Buffer
			cmd.Stderr = &said
			began := time.Now()
			if err := cmd.Run(); err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", cmd, err, said.String())
			}
			all[i] = append(all[i], time.Since(began))
		}
	}
	for i := range all {
		all[i] = all[i][3:] // the first few fill the page cache
		slices.Sort(all[i])
	}
	return all, nil
}

func plain(env []string, name string, args ...string) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = env
		return cmd
	}
}

// starts measures `holdfast version` against a Go program that does nothing.
func (p *programs) starts(ctx context.Context) []row {
	all, err := alternate(ctx, plain(p.bare(), p.holdfast, "version"), plain(p.bare(), p.empty))
	if err != nil {
		return unmeasured(err, "holdfast version", "an empty Go program", "version / empty")
	}
	version, empty := all[0], all[1]
	const goal = 8 * time.Millisecond
	return []row{
		{what: "holdfast version", measured: ms(version.median()), detail: version.String(), goal: "< 8 ms", met: version.median() < goal, peer: "8 ms"},
		{what: "an empty Go program", measured: ms(empty.median()), detail: empty.String()},
		{what: "version / empty", measured: fmt.Sprintf("%.1f", float64(version.median())/float64(empty.median()))},
	}
}

// runs measures what `holdfast run` adds to the command that it runs, one
// exchange with STS included.
func (p *programs) runs(ctx context.Context) []row {
	const what = "holdfast run -- true, beyond true"
	pod, err := p.pod(time.Hour)
	if err != nil {
		return unmeasured(err, what)
	}
	defer pod.close()
	all, err := alternate(ctx, plain(pod.env, p.holdfast, "run", "--quiet", "--", p.nothing), plain(pod.env, p.nothing))
	if err != nil {
		return unmeasured(err, what)
	}
	more := all[0].median() - all[1].median()
	const goal = 25 * time.Millisecond
	return []row{{
		what: what, measured: ms(more), goal: "< 25 ms", met: more < goal, peer: "20-30 ms, no exchange",
		detail: "one exchange included; " + all[0].String(),
	}}
}

// clients measures the commands that only ask a keeper, as Terragrunt and SDKs
// start them by the hundred.
func (p *programs) clients(ctx context.Context) []row {
	names := []string{"holdfast credentials, under a keeper", "holdfast terragrunt-auth, under a keeper"}
	pod, err := p.pod(time.Hour)
	if err != nil {
		return unmeasured(err, names...)
	}
	defer pod.close()
	s, err := p.under(ctx, pod, "clients", "0s", p.holdfast)
	if err != nil {
		return unmeasured(err, names...)
	}
	const goal = 15 * time.Millisecond
	var rows []row
	for n, took := range s.Clients {
		rows = append(rows, row{what: names[n], measured: ms(took), goal: "< 15 ms", met: took < goal, detail: "median from start to end"})
	}
	return rows
}

// binary measures the file itself.
func (p *programs) binary() []row {
	const size, modules = "size of the binary", "linked modules"
	info, err := os.Stat(p.holdfast)
	if err != nil {
		return unmeasured(err, size, modules)
	}
	built, err := buildinfo.ReadFile(p.holdfast)
	if err != nil {
		return unmeasured(err, size, modules)
	}
	const goal = 20e6
	return []row{
		{what: size, measured: mb(info.Size()), goal: "< 20 MB", met: info.Size() < goal, peer: "29.8 MB", detail: "as make install builds it"},
		{what: modules, measured: fmt.Sprint(len(built.Deps)), detail: "each with its reason in internal/archtest/testdata/modules.txt"},
	}
}

func mb(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

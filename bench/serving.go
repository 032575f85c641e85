package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
)

// A session is renewed at about half of its life. The load begins shortly
// before and ends before the session does, so that a renewal falls into it.
const (
	session = 10 * time.Second
	pause   = 3500 * time.Millisecond
	loaded  = 5 * time.Second
)

// under runs this program as the child of `holdfast run` and returns what it
// saw there.
func (p *programs) under(ctx context.Context, pod *pod, args ...string) (seen, error) {
	// An identity that is asked for is served to any command.
	args = append([]string{"run", "--quiet", "--role-arn", pod.role, "--", p.self, childArgument}, args...)
	cmd := exec.CommandContext(ctx, p.holdfast, args...)
	var out, said bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = pod.env, &out, &said
	if err := cmd.Run(); err != nil {
		return seen{}, fmt.Errorf("%w: %s", err, said.String())
	}
	var s seen
	return s, json.Unmarshal(out.Bytes(), &s)
}

// serving measures the endpoint, with the load on the same cores.
func (p *programs) serving(ctx context.Context, hangs bool) []row {
	sts := "STS healthy"
	if hangs {
		sts = "STS hangs"
	}
	names := []string{"requests/s, " + sts, "p50, " + sts, "p99, " + sts, "slowest, " + sts, "peak memory, " + sts}
	s, err := p.load(ctx, hangs)
	if err != nil {
		return unmeasured(err, names...)
	}
	const p99, slowest, memory = 8 * time.Millisecond, 100 * time.Millisecond, 25e6
	all := fmt.Sprintf("%d requests, %d without a credential", s.Requests, s.Failed)
	rows := []row{
		{what: names[0], measured: fmt.Sprintf("%.0f", float64(s.Requests)/s.Took.Seconds()), peer: "43000", detail: all},
		{what: names[1], measured: ms(s.P50), peer: "1.4 ms"},
		{what: names[2], measured: ms(s.P99), goal: "< 8 ms", met: s.P99 < p99 && s.Failed == 0, peer: "13 ms"},
		{what: names[3], measured: ms(s.Slowest)},
		{what: names[4], measured: mb(s.Peak), goal: "< 25 MB", met: s.Peak < memory, peer: "17.5 MB for exec", detail: "holdfast itself, not the child"},
	}
	if hangs {
		rows[3].goal, rows[3].met = "< 100 ms", s.Slowest < slowest && s.Failed == 0
	}
	return rows
}

func (p *programs) load(ctx context.Context, hangs bool) (seen, error) {
	pod, err := p.pod(session)
	if err != nil {
		return seen{}, err
	}
	defer pod.close()
	if hangs {
		// The whole life of a session: every exchange but the first.
		pod.lab.Fault(lab.Fault{Service: "sts", Kind: lab.FaultHang, DuringLifetime: 1})
	}
	s, err := p.under(ctx, pod, "load", pause.String(), loaded.String())
	switch {
	case err != nil:
		return seen{}, err
	case hangs && pod.lab.Hits() == 0:
		return seen{}, errors.New("STS never hung: no renewal fell into the load")
	case !hangs && len(pod.lab.Calls()) < 2:
		return seen{}, errors.New("no renewal fell into the load")
	}
	return s, nil
}

// idle measures a run that nobody asks anything.
func (p *programs) idle(ctx context.Context) []row {
	const what = "peak memory, idle"
	pod, err := p.pod(session)
	if err != nil {
		return unmeasured(err, what)
	}
	defer pod.close()
	s, err := p.under(ctx, pod, "idle", loaded.String())
	if err != nil {
		return unmeasured(err, what)
	}
	const memory = 25e6
	return []row{{what: what, measured: mb(s.Peak), goal: "< 25 MB", met: s.Peak < memory, peer: "17.5 MB for exec", detail: "holdfast itself, over " + loaded.String()}}
}

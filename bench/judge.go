package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// judging is how often a large input is read.
const judging = 7

// gate measures `holdfast gate` on a plan of 100 MB in which 28,000 roles are
// made again.
func (p *programs) gate(ctx context.Context) []row {
	const speed, memory = "holdfast gate, a plan of 28,000 roles", "holdfast gate, memory for it"
	path := filepath.Join(p.dir, "plan.json")
	size, err := p.generate(path)
	if err != nil {
		return unmeasured(err, speed, memory)
	}
	defer os.Remove(path)
	took, most, err := p.judge(ctx, 0, "gate", path)
	if err != nil {
		return unmeasured(err, speed, memory)
	}
	return []row{
		{what: speed, measured: ms(took.median()), goal: "< 600 ms", met: took.median().Milliseconds() < 600, detail: fmt.Sprintf("%s of JSON; %s; elsewhere jq 1.06 s, conftest 1.23 s", mb(size), took)},
		{what: memory, measured: mb(most), goal: "< 50 MB", met: most > 0 && most < 50_000_000, detail: "the largest of the runs; elsewhere jq 233 MB, conftest 560 MB"},
	}
}

func (p *programs) generate(path string) (int64, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	if err := writePlan(file, 28000); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), file.Close()
}

// lint measures `holdfast lint` on 10,000 files.
func (p *programs) lint(ctx context.Context) []row {
	const what = "holdfast lint, 10,000 files in 500 modules"
	dir := filepath.Join(p.dir, "code")
	if err := writeCode(dir, 500); err != nil {
		return unmeasured(err, what)
	}
	defer os.RemoveAll(dir)
	took, most, err := p.judge(ctx, 2, "lint", dir)
	if err != nil {
		return unmeasured(err, what)
	}
	return []row{{what: what, measured: ms(took.median()), goal: "< 1.5 s", met: took.median().Milliseconds() < 1500, detail: fmt.Sprintf("%s; %s; elsewhere tflint 26 s", took, mb(most))}}
}

// judge runs a command again and again, wants its exit code, and gives the times
// and the most memory, in bytes.
func (p *programs) judge(ctx context.Context, code int, args ...string) (times, int64, error) {
	var all times
	var most int64
	for range judging {
		cmd := exec.CommandContext(ctx, p.holdfast, args...)
		cmd.Env = p.bare()
		var said bytes.Buffer
		cmd.Stderr = &said
		began := time.Now()
		_ = cmd.Run() // its exit code says it, below
		all = append(all, time.Since(began))
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != code {
			return nil, 0, fmt.Errorf("%s: %v\n%s", cmd, cmd.ProcessState, said.String())
		}
		most = max(most, largest(cmd.ProcessState))
	}
	slices.Sort(all)
	return all, most, nil
}

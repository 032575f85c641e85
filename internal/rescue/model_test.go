package rescue_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// host is one working directory on one machine, with its own record of rescues;
// all of them share the bucket.
type host struct {
	home    string
	errored []byte
	written time.Time   // of errored; zero for the end of run
	run     *rescue.Run // what its keeper recorded of the run that left errored, and its lock
	who     string
	word    rescue.Word
}

// model is random writers, expiries, kills and rescues over one state.
type model struct {
	t      *rapid.T
	w      *world
	hosts  []*host
	now    time.Time
	locks  int
	takers map[string]*host    // by the IDs of locks
	left   map[string]leftover // by the IDs of locks

	committed map[string]bool // resources that a state in the bucket has had, by their names
	serial    uint64
	lineage   string
}

// leftover is what a run left behind under its lock.
type leftover struct {
	state  []byte // that wasn't uploaded
	killed bool   // it made something that no state knows
}

func (m *model) tick() time.Time {
	m.now = m.now.Add(time.Minute)
	m.w.clock = m.now
	return m.now
}

// apply is a Terraform on a host: it takes the lock, reads, writes and releases,
// and may lose its credentials at each step.
func (m *model) apply(h *host) {
	began := m.tick()
	run := &rescue.Run{Began: began, Who: h.who, Before: rescue.Before{}}
	if m.w.file != nil {
		run.Before.LockID = m.w.file.ID
	}
	if m.w.object != nil {
		run.Before.MD5 = state.Digest(m.w.object)
	}
	if m.w.file != nil {
		run.Ended = m.tick()
		m.again(h, run)
		return
	}
	if h.errored != nil {
		return // a person looks at what lies there first
	}
	m.locks++
	lock := &state.Lock{ID: fmt.Sprintf("L%d", m.locks), Who: h.who, Created: m.tick()}
	m.w.file, m.w.item, m.takers[lock.ID] = lock, lock, h
	run.Seen = lock.ID
	if m.w.object != nil && m.w.digest != state.Digest(m.w.object) {
		m.release()
		return // Terraform refuses to read it
	}
	serial, line := uint64(1), fmt.Sprintf("lineage-%d", m.locks)
	if m.w.object != nil {
		now := parsed(m.w.object)
		serial, line = now.Serial+1, now.Lineage
	}
	next := content(line, serial, fmt.Sprintf("r%d", m.locks))
	run.Worked = m.tick()
	switch rapid.SampledFrom([]string{"well", "lost", "lost", "lost before the digest", "lost before the unlock", "killed"}).Draw(m.t, "apply") {
	case "well":
		m.w.write(next)
		m.release()
	case "lost":
		h.errored, h.written, h.run = next, run.Worked, run
		m.left[lock.ID] = leftover{state: next}
	case "lost before the digest":
		m.w.object, m.w.changed = next, m.tick()
		h.run = run
	case "lost before the unlock":
		m.w.write(next)
		h.run = run
	case "killed":
		h.run = run
		run.Made = []string{fmt.Sprintf("a.r%d", m.locks)}
		m.left[lock.ID] = leftover{killed: true}
	}
	run.Ended = m.tick()
}

func (m *model) release() { m.w.file, m.w.item = nil, nil }

// again is what a keeper does when its Terraform didn't get the lock: it knows of
// that process only, and of what earlier rescues recorded.
func (m *model) again(h *host, run *rescue.Run) {
	before := h.run
	h.run = run
	m.rescue(h)
	h.run = before
	if h.errored == nil && m.w.file == nil {
		h.run = nil
	}
}

// rescue runs one on a host, and kills it at a random point.
func (m *model) rescue(h *host) {
	at, passed := rapid.IntRange(1, 25).Draw(m.t, "killed at"), 0
	m.w.errored = h.errored
	m.tick()
	result, died := rescueAs(m.t, m.w, h, func(journal.Point) {
		if passed++; passed == at {
			panic(killed{})
		}
	})
	h.errored = m.w.errored
	m.w.errored = nil
	if !died && result.Settled() && h.errored == nil {
		h.run = nil
	}
}

// released checks that a lock wasn't taken away over what isn't settled.
func (m *model) released(lock *state.Lock) {
	left := m.left[lock.ID]
	switch {
	case left.killed:
		m.t.Fatalf("%s was released, and nobody looked for what was made under it", lock)
	case left.state != nil && !m.committed[string(left.state)] && string(m.w.object) != string(left.state):
		m.t.Fatalf("%s was released, and the state that was lost under it isn't in the bucket", lock)
	}
}

// check compares what may never happen.
func (m *model) check() {
	if m.w.object == nil {
		if m.serial > 0 {
			m.t.Fatal("the state is gone")
		}
		return
	}
	now := parsed(m.w.object)
	if now.Serial < m.serial {
		m.t.Fatalf("serial %d after %d", now.Serial, m.serial)
	}
	if m.lineage != "" && now.Lineage != m.lineage {
		m.t.Fatalf("lineage %s after %s", now.Lineage, m.lineage)
	}
	if now.Serial == m.serial && !m.committed[string(m.w.object)] {
		m.t.Fatalf("serial %d has two contents", now.Serial)
	}
	m.serial, m.lineage = now.Serial, now.Lineage
	m.committed[string(m.w.object)] = true
}

// No serial goes down, no lineage changes, no content that was in the bucket is
// replaced under its own serial, nobody's lock is released by another, and none
// over what isn't settled, whoever tries again meanwhile.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "model")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &model{t: rt, w: &world{}, now: noon(), committed: map[string]bool{}, takers: map[string]*host{}, left: map[string]leftover{}}
		for i := range 3 {
			m.hosts = append(m.hosts, &host{home: fmt.Sprintf("%s/%d", dir, i), who: fmt.Sprintf("alice@host%d", i%2)}) // two of one user on one host
		}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			h := rapid.SampledFrom(m.hosts).Draw(rt, "host")
			held := m.w.file
			gone := func() bool { return held != nil && (m.w.file == nil || m.w.file.ID != held.ID) }
			if rapid.Bool().Draw(rt, "rescue") {
				m.rescue(h)
				if held == nil && m.w.file != nil {
					m.takers[m.w.file.ID] = h // killed with a lock of its own
				}
			} else {
				m.apply(h)
			}
			if gone() && m.takers[held.ID] != h {
				rt.Fatalf("%s released %s", h.who, held)
			}
			if gone() {
				m.released(held)
			}
			m.check()
		}
	})
}

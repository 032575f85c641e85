package link

import (
	"context"
	"time"
)

// wordIn is how long a supervisor whose process is gone may take to tell its
// end: it passes on the rest of the output first.
const wordIn = 5 * time.Second

// Ticket is a process on the list, for its supervisor: in this process, or at
// the other end of a conversation. Progress and the ending may come from other
// goroutines.
type Ticket struct {
	server  *Server
	entry   *Entry
	watch   Watch
	started bool
	left    chan struct{} // closed when the supervisor is gone without a word
	ending  bool          // under the server's lock
	ended   chan struct{}
}

// Begin puts a process on the list that is about to start, under its
// supervisor's own number. The error says why it may not.
func (s *Server) Begin(ctx context.Context, p Process) (*Ticket, error) {
	watch, err := s.watcher(ctx, p)
	if err != nil {
		return nil, err
	}
	t := &Ticket{server: s, entry: &Entry{Process: p}, watch: watch, left: make(chan struct{}), ended: make(chan struct{})}
	s.mu.Lock()
	s.entries = append(s.entries, t.entry)
	s.mu.Unlock()
	t.follow(p)
	return t, nil
}

// Started gives the entry the process that was started.
func (t *Ticket) Started(p Process) {
	t.started = true
	t.server.mu.Lock()
	t.entry.Process = p
	t.server.mu.Unlock()
	if t.watch != nil {
		t.watch.Started(p)
	}
	t.follow(p)
}

// Interrupted says that the process got its one interrupt.
func (t *Ticket) Interrupted() {
	if t.watch != nil {
		t.watch.Interrupted()
	}
}

// Progressed tells how far the process has come.
func (t *Ticket) Progressed(p Progress) {
	if t.watch != nil {
		t.watch.Progressed(p)
	}
}

// End tells the end. It returns when the watch is done with it.
func (t *Ticket) End(e End) {
	t.server.mu.Lock()
	t.entry.End = &e
	t.server.mu.Unlock()
	t.finish(&e)
}

// leave is the end of a conversation without a word: from now on the process's
// own end counts.
func (t *Ticket) leave() { close(t.left) }

// follow ends the entry with its process, unless it has become another one, or
// the supervisor lives to tell more of it.
func (t *Ticket) follow(p Process) {
	s := t.server
	s.work.Go(func() {
		if s.gone(s.ctx, p.PID, p.Born) != nil || t.number() != p.PID {
			return
		}
		patience := time.NewTimer(wordIn)
		defer patience.Stop()
		select {
		case <-t.ended:
			return
		case <-s.ctx.Done():
			return
		case <-t.left:
		case <-patience.C:
		}
		if t.number() == p.PID { // else it had just become another
			t.finish(nil)
		}
	})
}

func (t *Ticket) number() int {
	t.server.mu.Lock()
	defer t.server.mu.Unlock()
	return t.entry.Process.PID
}

// finish tells the watch once, and takes the entry off the list of what runs.
func (t *Ticket) finish(e *End) {
	s := t.server
	s.mu.Lock()
	again := t.ending
	t.ending = true
	s.mu.Unlock()
	if again {
		<-t.ended
		return
	}
	if t.watch != nil {
		t.watch.Ended(s.ctx, e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.entry.Gone = true
	close(t.ended)
	close(s.changed)
	s.changed = make(chan struct{})
}

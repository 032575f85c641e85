package link

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// longest is the length of a line in bytes above which a conversation ends:
// room for the resources of a very large apply.
const longest = 32 << 20

// Entry is a process on the keeper's list. End is nil while it runs, and stays
// nil if nobody told how it ended.
type Entry struct {
	Process Process `json:"process"`
	End     *End    `json:"end,omitempty"`
	Gone    bool    `json:"-"`
}

// Gone returns when the process that was born then has ended, or ctx has.
type Gone func(ctx context.Context, pid int, born string) error

// Welcomer answers a supervisor's first question. It may take as long as an
// exchange with AWS.
type Welcomer func(context.Context, Ask) (Welcome, error)

// Watcher is asked before a process starts; an error keeps it from starting.
// The watch, which may be nil, is told what becomes of it. Both may take their
// time: a supervisor waits for them.
type Watcher func(context.Context, Process) (Watch, error)

// Watch is told of one process.
type Watch interface {
	// Started is told the process that the supervisor has started.
	Started(Process)
	// Interrupted is told when the process gets its one interrupt.
	Interrupted()
	// Progressed is told now and then how far it has come.
	Progressed(Progress)
	// Ended is told the end, nil if nobody saw it. The process counts as running
	// until it returns.
	Ended(context.Context, *End)
}

// Server is the keeper's side.
type Server struct {
	welcome  Welcomer
	watcher  Watcher
	gone     Gone
	listener *net.UnixListener
	ctx      context.Context
	cancel   context.CancelFunc
	work     sync.WaitGroup

	mu      sync.Mutex
	entries []*Entry
	changed chan struct{} // closed and replaced when an entry ends
}

// Listen opens the socket at path and serves until Close.
func Listen(path string, welcome Welcomer, watcher Watcher, gone Gone) (*Server, error) {
	listener, err := Open(path)
	if err != nil {
		return nil, err
	}
	return Serve(listener, welcome, watcher, gone), nil
}

// Open opens the socket at path with mode 0600.
func Open(path string) (*net.UnixListener, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// Serve is Listen on what Open has opened, by this process or another.
func Serve(listener *net.UnixListener, welcome Welcomer, watcher Watcher, gone Gone) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	if watcher == nil {
		watcher = func(context.Context, Process) (Watch, error) { return nil, nil }
	}
	s := &Server{welcome: welcome, watcher: watcher, gone: gone, listener: listener, ctx: ctx, cancel: cancel, changed: make(chan struct{})}
	s.work.Go(s.accept)
	return s
}

// Close ends every conversation and waits for them.
func (s *Server) Close() error {
	s.cancel()
	err := s.listener.Close()
	s.work.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			return // closed
		}
		if !ours(conn) {
			conn.Close()
			continue
		}
		s.work.Go(func() {
			stop := context.AfterFunc(s.ctx, func() { conn.Close() })
			defer stop()
			defer conn.Close()
			s.converse(conn)
		})
	}
}

func (s *Server) converse(conn io.ReadWriter) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 4096), longest)
	say := json.NewEncoder(conn)
	var ticket *Ticket
	defer func() {
		if ticket != nil {
			ticket.leave()
		}
	}()
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.Version != Version {
			_ = say.Encode(message{Version: Version, Problem: fmt.Sprintf("this keeper speaks version %d of the conversation", Version)})
			return
		}
		answer, err := s.answer(m, &ticket)
		if err != nil {
			answer = message{Problem: err.Error()}
		}
		answer.Version, answer.OK = Version, err == nil
		if say.Encode(answer) != nil {
			return
		}
	}
}

func (s *Server) answer(m message, ticket **Ticket) (answer message, err error) {
	t := *ticket
	switch {
	case m.Ask != nil:
		welcome, err := s.welcome(s.ctx, *m.Ask)
		return message{Welcome: &welcome}, err
	case m.Process != nil && t == nil:
		*ticket, err = s.Begin(s.ctx, *m.Process)
	case m.Process != nil && !t.started:
		t.Started(*m.Process)
	case m.Interrupted && t != nil:
		t.Interrupted()
	case m.Progress != nil && t != nil:
		t.Progressed(*m.Progress)
	case m.End != nil && t != nil:
		t.End(*m.End)
	default:
		err = errors.New("out of turn")
	}
	return message{}, err
}

// Entries is the list so far, in order of registration.
func (s *Server) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Entry, len(s.entries))
	for i, e := range s.entries {
		list[i] = *e
	}
	return list
}

// Running is what is on the list and hasn't ended.
func (s *Server) Running() []Process {
	var running []Process
	for _, e := range s.Entries() {
		if !e.Gone {
			running = append(running, e.Process)
		}
	}
	return running
}

// Idle returns when nothing on the list runs, or ctx has ended.
func (s *Server) Idle(ctx context.Context) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if len(s.Running()) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/endpoint"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/profile"
	"github.com/holdfast/holdfast/internal/supervise"
)

// An agent is a keeper without a command: a parent that holds the listening
// sockets, and a worker that does everything else. When the worker dies, the
// next one has the same port and the same token.

const (
	tokenName   = "token"
	logName     = "agent.log"
	recordName  = "agent.json"
	inheritTCP  = 3 // descriptors that a worker is given
	inheritUnix = 4
)

// agentRecord is what `agent stop` and `agent status` read.
type agentRecord struct {
	PID  int    `json:"pid"`
	Born string `json:"born"`
}

// StartAgent starts an agent that outlives us and returns the variables that
// lead to it, once its identity has a credential. Args are the flags that name
// the identity, for the agent's own command line.
func StartAgent(ctx context.Context, args []string, proc Process) (precedence.Env, []string, error) {
	env := precedence.NewEnv(proc.Environ)
	dir, err := private.NewDir(env["XDG_RUNTIME_DIR"])
	if err != nil {
		return nil, nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	output, err := dir.Create(logName)
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	defer output.Close()
	said, err := os.Open(output.Name()) // the agent takes its directory with it when it ends
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	defer said.Close()
	pid, gone, err := supervise.Detach(self, append([]string{"agent", "serve", "--dir", dir.Path()}, args...), proc.Environ, proc.Dir, output)
	if err != nil {
		return nil, nil, errors.Join(err, dir.Close())
	}
	welcome, err := agentReady(ctx, dir, gone, said)
	if err != nil {
		if process, found := os.FindProcess(pid); found == nil {
			_ = process.Signal(os.Interrupt) // it may be gone already
		}
		return nil, nil, err
	}
	files, unread := profile.Read(env, proc.Home, nil)
	over, winner := precedence.Overlay(precedence.Facts{Env: env, Home: proc.Home, Files: files}, precedence.Delivery{
		FullURI: welcome.URL, Token: welcome.Token, TokenFile: welcome.TokenFile, Region: welcome.Region,
	})
	over[link.Env] = dir.Path(socketName)
	var notes []string
	if unread != nil {
		notes = append(notes, "couldn't be looked at: "+unread.Error())
	}
	if !winner.Endpoint() {
		notes = append(notes, winner.Where.String()+" wins over the endpoint, and can't be taken out from here; unset it")
	}
	return over, notes, nil
}

// agentReady waits for the agent's first answer; the agent's own words are the
// error if it ends before.
func agentReady(ctx context.Context, dir *private.Dir, gone <-chan struct{}, said io.Reader) (link.Welcome, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if client, err := link.Dial(dir.Path(socketName)); err == nil {
			welcome, err := client.Ask(link.Ask{})
			client.Close()
			if err == nil {
				return welcome, nil
			}
		}
		select {
		case <-gone:
			words, _ := io.ReadAll(said) // without any the headline must do
			return link.Welcome{}, errors.Join(&cure.Error{What: "the agent didn't start", Why: strings.Split(strings.TrimSpace(string(words)), "\n")}, dir.Close())
		case <-ctx.Done():
			return link.Welcome{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// ServeAgent is the agent's parent: it opens the sockets and keeps a worker.
// Args are what the worker's command line has behind `agent worker`.
func ServeAgent(req Request, args []string, dirPath string, proc Process) error {
	dir := private.UseDir(dirPath)
	defer dir.Close()
	tcp, err := endpoint.Open(req.Listen)
	if err != nil {
		return err
	}
	defer tcp.Close()
	unix, err := link.Open(dir.Path(socketName))
	if err != nil {
		return err
	}
	defer unix.Close()
	inherit, err := fileOf(tcp, unix)
	if err != nil {
		return err
	}
	if _, err := dir.Write(tokenName, []byte(endpoint.NewToken())); err != nil {
		return err
	}
	record, err := json.Marshal(agentRecord{os.Getpid(), supervise.Born(os.Getpid())})
	if err != nil {
		return err
	}
	if _, err := dir.Write(recordName, record); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	worker := supervise.Worker{
		Path: self, Args: append([]string{"agent", "worker", "--dir", dirPath}, args...), Env: proc.Environ, Dir: proc.Dir, Stderr: proc.Stderr, Inherit: inherit,
	}
	return worker.Keep(func(err error) {
		fmt.Fprintf(proc.Stderr, "holdfast: the agent's worker died (%v); starting another one\n", err)
	})
}

func fileOf(tcp *net.TCPListener, unix *net.UnixListener) ([]*os.File, error) {
	a, err := tcp.File()
	if err != nil {
		return nil, err
	}
	b, err := unix.File()
	return []*os.File{a, b}, err
}

// WorkAgent is the agent's worker: it serves on the descriptors that its parent
// opened, until a signal asks it to end and no Terraform is left.
func WorkAgent(ctx context.Context, req Request, dirPath string, proc Process, voice Voice) error {
	j := &job{req: req, proc: proc, env: precedence.NewEnv(proc.Environ), voice: voice}
	all, err := declaredBy(req, proc, j.env)
	if err != nil {
		return err
	}
	who, _, err := all.ofRun(false)
	if err != nil {
		return err
	}
	k := &keeping{job: j, all: all, run: who, service: newService(ctx, proc, j.event), dir: private.UseDir(dirPath), stop: make(chan struct{})}
	k.guard = newGuard(k)
	k.alerting()
	defer k.alerted()
	defer k.service.close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)
	if err := k.inherit(); err != nil {
		return err
	}
	held, err := k.held(ctx, who)
	if err != nil {
		return err
	}
	voice.Started(held.report())
	k.service.work.Go(func() { k.guard.run(k.service.life) })
	<-stop
	if running := k.link.Running(); len(running) > 0 {
		j.note(event.Notice, Surviving, fmt.Sprintf("asked to end; still serving %d Terraform processes", len(running)))
		_ = k.link.Idle(context.Background()) // nothing else ends it
	}
	return errors.Join(k.link.Close(), k.endpoint.Close())
}

// inherit serves on what the parent opened.
func (k *keeping) inherit() error {
	token, err := os.ReadFile(k.dir.Path(tokenName))
	if os.IsNotExist(err) { // a service manager opened the sockets, and nobody made one yet
		token = []byte(endpoint.NewToken())
		_, err = k.dir.Write(tokenName, token)
	}
	if err != nil {
		return err
	}
	k.token, k.file = string(token), k.dir.Path(tokenName)
	if err := shareToken(k.req.TokenCopy, token); err != nil {
		return err
	}
	tcp, err := net.FileListener(os.NewFile(inheritTCP, "endpoint"))
	if err != nil {
		return fmt.Errorf("the endpoint's socket from the agent's parent: %w", err)
	}
	control, err := net.FileListener(os.NewFile(inheritUnix, "control"))
	if err != nil {
		return fmt.Errorf("the control socket from the agent's parent: %w", err)
	}
	unix, ok := control.(*net.UnixListener)
	if !ok {
		return errors.New("the control socket from the agent's parent is none")
	}
	unix.SetUnlinkOnClose(false) // the next worker needs it
	k.endpoint = endpoint.Serve(tcp, k.token, k.service.lookup, endpoint.Options{AllowUIDs: k.req.AllowUIDs})
	k.link = link.Serve(unix, k.welcome, k.guard.begin, supervise.Gone)
	return nil
}

// shareToken writes a copy of the token that the group of its directory may
// read: a sidecar's other user, who shares a volume with us and not our own
// directory.
func shareToken(path string, token []byte) error {
	if path == "" {
		return nil
	}
	if err := durable.Swap(path, token, 0o640); err != nil {
		return fmt.Errorf("--token-copy: %w", err)
	}
	return nil
}

// AgentStatus is what `agent status` tells.
type AgentStatus struct {
	SchemaVersion int     `json:"schema_version"`
	PID           int     `json:"pid"`
	Identity      string  `json:"identity"`
	URL           string  `json:"url"`
	LeftSeconds   float64 `json:"left_seconds"` // of what it serves now
}

// StatusOfAgent asks the agent that the environment leads to.
func StatusOfAgent(ctx context.Context, proc Process) (AgentStatus, error) {
	dir, record, err := findAgent(proc)
	if err != nil {
		return AgentStatus{}, err
	}
	client, err := link.Dial(dir.Path(socketName))
	if err != nil {
		return AgentStatus{}, err
	}
	defer client.Close()
	welcome, err := client.Ask(link.Ask{})
	if err != nil {
		return AgentStatus{}, err
	}
	set, err := endpoint.Ask(ctx, welcome.URL, welcome.Token)
	if err != nil {
		return AgentStatus{}, err
	}
	return AgentStatus{1, record.PID, welcome.Identity, welcome.URL, time.Until(set.Expires).Seconds()}, nil
}

// StopAgent ends the agent that the environment leads to, and waits for its end.
func StopAgent(ctx context.Context, proc Process) error {
	_, record, err := findAgent(proc)
	if err != nil {
		return err
	}
	process, err := os.FindProcess(record.PID)
	if err != nil {
		return err
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return supervise.Gone(ctx, record.PID, record.Born)
}

func findAgent(proc Process) (*private.Dir, agentRecord, error) {
	none := &cure.Error{What: "no agent is above", Cure: "start one:  holdfast agent start", Class: cure.Failed}
	socket := precedence.NewEnv(proc.Environ)[link.Env]
	if socket == "" {
		return nil, agentRecord{}, none
	}
	dir := private.UseDir(strings.TrimSuffix(socket, "/"+socketName))
	b, err := os.ReadFile(dir.Path(recordName))
	var record agentRecord
	if err != nil || json.Unmarshal(b, &record) != nil || supervise.Born(record.PID) != record.Born {
		none.Why = []string{link.Env + " leads to " + socket + ", which is no agent's, or of one that has ended"}
		return nil, agentRecord{}, none
	}
	return dir, record, nil
}

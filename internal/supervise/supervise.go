// Package supervise (adapter) starts one child process and stays with it until
// its end: what it prints, which signals reach it, and how it ended.
//
// A Terraform gets a session of its own and exactly one interrupt, whatever
// signals arrive here: the first SIGINT, SIGTERM or SIGHUP becomes one SIGINT to
// it, because a second one makes it leave without writing its state
// (facts/credentials 2.4, ground: "Ctrl-C on a terminal"). Where output isn't a
// terminal, it writes to a file that is passed on from here, so that nobody's
// death breaks its pipe. Any other command runs in the ordinary foreground.
//
// It doesn't know about credentials, and never kills: a child ends by itself.
package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"golang.org/x/term"
)

// Command is what to start.
type Command struct {
	Path   string // of the program, as Find gives it
	Args   []string
	Env    []string
	Dir    string // the current one if empty
	Stdin  *os.File
	Stdout *os.File
	Stderr *os.File

	// OwnSession is for Terraform; see the package comment.
	OwnSession bool

	// Interrupt asks for the one interrupt, as a signal to us would; it may be nil.
	Interrupt <-chan struct{}

	// Spool opens the private file that takes the output of a child in a
	// session of its own; name is "stdout" or "stderr".
	Spool func(name string) (*os.File, error)
}

// Hooks are told what happens; each may be nil.
type Hooks struct {
	Started func(pid int)
	Notice  func(message string)
	// Interrupted is told when a child in a session of its own gets its one
	// interrupt.
	Interrupted func()
	Signalled   func(os.Signal)   // told of each signal that reached us
	Output      func(part []byte) // what the child wrote to standard output, if it went through a file
}

// Ended is how a child ended.
type Ended struct {
	Code       int            // the exit code as a shell would give it: 128+n for a signal
	Signal     syscall.Signal // 0 unless a signal ended it
	Began      time.Time
	Took       time.Duration
	Interrupts int // signals that were turned into the one SIGINT or kept from it
}

// StartError is a child that couldn't be started. Code is 127 if there is no
// such program and 126 if it can't be run, as shells have it.
type StartError struct {
	Name string
	Code int
	Err  error
}

func (e *StartError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Find looks a program up as a shell would, in the given PATH for a name
// without a slash. The error is a *StartError.
func Find(name, path string) (string, error) {
	if filepath.Base(name) != name {
		return name, runnable(name, name)
	}
	var blocked error
	for _, dir := range filepath.SplitList(path) {
		if dir == "" {
			continue // the current directory, unasked: exec.ErrDot's reason
		}
		candidate := filepath.Join(dir, name)
		err := runnable(name, candidate)
		if err == nil {
			return candidate, nil
		}
		if code(err) == codeNotRunnable {
			blocked = err
		}
	}
	if blocked != nil {
		return "", blocked
	}
	return "", &StartError{name, codeNotFound, errors.New("no such command in PATH")}
}

const (
	codeNotRunnable = 126
	codeNotFound    = 127
)

func runnable(name, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return &StartError{name, codeNotFound, errors.New("no such file")}
	case err != nil:
		return &StartError{name, codeNotRunnable, err}
	case info.IsDir():
		return &StartError{name, codeNotRunnable, errors.New("it is a directory")}
	case !executable(info):
		return &StartError{name, codeNotRunnable, errors.New("it isn't executable (chmod +x)")}
	}
	return nil
}

func code(err error) int {
	var s *StartError
	if errors.As(err, &s) {
		return s.Code
	}
	return 0
}

var engineName = regexp.MustCompile(`^(tofu|terraform)([-_]?v?[0-9]+(\.[0-9]+)*|-bin)?(\.exe)?$`)

// Engine says whether a program is a Terraform by its name, versioned names
// (terraform1.5, tofu-1.12, terraform-bin) included: "tofu", "terraform" or "".
func Engine(path string) string {
	m := engineName.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		return ""
	}
	return m[1]
}

// Run starts the child and returns when it has ended. An error means that it
// was never started.
func Run(c Command, h Hooks) (Ended, error) {
	if h.Notice == nil {
		h.Notice = func(string) {}
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, caught(c.OwnSession)...)
	defer signal.Stop(signals)

	cmd := &exec.Cmd{Path: c.Path, Args: append([]string{c.Path}, c.Args...), Env: c.Env, Dir: c.Dir, Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr}
	cmd.Err = nil
	var spools spools
	if c.OwnSession {
		cmd.SysProcAttr = ownSession()
		var err error
		if spools, err = divert(cmd, c, h); err != nil {
			return Ended{}, err
		}
	}
	defer spools.close()

	ended := Ended{Began: time.Now()}
	if err := cmd.Start(); err != nil {
		return Ended{}, &StartError{filepath.Base(c.Path), codeNotRunnable, reason(err)}
	}
	if h.Started != nil {
		h.Started(cmd.Process.Pid)
	}
	spools.start()
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its state is read below; there is nothing to copy, so nothing else can fail
		close(gone)
	}()
	forward := forwarder{process: cmd.Process, command: c, hooks: h, now: time.Now, abandon: make(chan bool, 1)}
	for alive := true; alive; {
		select {
		case s := <-signals:
			forward.take(s)
		case <-c.Interrupt:
			c.Interrupt = nil
			forward.interrupt()
		case word := <-forward.abandon:
			forward.answered(word)
		case <-gone:
			alive = false
		}
	}
	spools.finish()
	ended.Took, ended.Interrupts = time.Since(ended.Began), forward.taken
	ended.Code, ended.Signal = outcome(cmd.ProcessState)
	return ended, nil
}

// reason takes the path, which the message has already, off an exec error.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// divert sends what would go to something else than a terminal to files of our
// own. Standard output and error that are the same thing share one file, so
// that their order stays.
func divert(cmd *exec.Cmd, c Command, h Hooks) (spools, error) {
	var all spools
	divertOne := func(name string, to *os.File, output func([]byte)) (*os.File, error) {
		if to == nil || term.IsTerminal(int(to.Fd())) {
			return to, nil
		}
		s, err := newSpool(c.Spool, name, to, output, h.Notice)
		if err != nil {
			all.close()
			return nil, fmt.Errorf("a file for the %s of %s: %w", name, filepath.Base(c.Path), err)
		}
		all = append(all, s)
		return s.file, nil
	}
	out, err := divertOne("stdout", c.Stdout, h.Output)
	if err != nil {
		return nil, err
	}
	cmd.Stdout = orNil(out)
	if same(c.Stdout, c.Stderr) {
		cmd.Stderr = orNil(out)
		return all, nil
	}
	errs, err := divertOne("stderr", c.Stderr, nil)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = orNil(errs)
	return all, nil
}

package supervise

import (
	"errors"
	"os"
	"os/exec"
	"time"
)

// Worker is a child that does the work of its parent, and is started again when
// it dies. The parent's open files go with it as descriptors 3 and on, so that
// an address that they listen on is never free for somebody else.
type Worker struct {
	Path    string
	Args    []string
	Env     []string
	Dir     string
	Stderr  *os.File
	Inherit []*os.File
}

// again is the pause before a worker that died is started again; one that dies
// at once would otherwise keep a core busy.
const again = 100 * time.Millisecond

// Keep starts the worker and starts it again until it ends by itself with exit
// code 0, or a signal asks us to end: then it gets a SIGTERM and is waited for.
// Died is told of each death.
func (w Worker) Keep(died func(error)) error {
	signals := make(chan os.Signal, 4)
	release := Hold(func(s os.Signal) {
		select {
		case signals <- s:
		default:
		}
	})
	defer release()
	for {
		cmd := &exec.Cmd{Path: w.Path, Args: append([]string{w.Path}, w.Args...), Env: w.Env, Dir: w.Dir, Stderr: w.Stderr, Stdout: w.Stderr, ExtraFiles: w.Inherit}
		if err := cmd.Start(); err != nil {
			return err
		}
		gone := make(chan error, 1)
		go func() { gone <- cmd.Wait() }()
		var err error
		select {
		case err = <-gone:
		case <-signals:
			terminate(cmd.Process)
			<-gone
			return nil
		}
		if err == nil {
			return nil
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() > 0 {
			return err // it said why it can't; the same would happen again
		}
		died(err)
		select {
		case <-time.After(again):
		case <-signals:
			return nil
		}
	}
}

// Detach starts a program in a session of its own that outlives us, with nothing
// to read and its output in a file. It returns the process's number and a
// channel that tells when it has ended.
func Detach(path string, args, environ []string, dir string, output *os.File) (pid int, ended <-chan struct{}, err error) {
	cmd := &exec.Cmd{Path: path, Args: append([]string{path}, args...), Env: environ, Dir: dir, Stdout: output, Stderr: output, SysProcAttr: ownSession()}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = cmd.Wait() // how it ended is in its output
	}()
	return cmd.Process.Pid, gone, nil
}

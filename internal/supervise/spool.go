package supervise

import (
	"errors"
	"io"
	"os"
	"time"
)

// glance is how often a file is looked at for what the child wrote meanwhile.
const glance = 20 * time.Millisecond

// spool is a file that the child writes and that is passed on byte for byte.
type spool struct {
	file   *os.File // the child's end
	from   *os.File // ours
	to     *os.File
	output func([]byte)
	notice func(string)
	broken bool
	stop   chan struct{}
	done   chan struct{}
}

type spools []*spool

func newSpool(open func(string) (*os.File, error), name string, to *os.File, output func([]byte), notice func(string)) (*spool, error) {
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	from, err := os.Open(file.Name())
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &spool{file: file, from: from, to: to, output: output, notice: notice, stop: make(chan struct{}), done: make(chan struct{})}, nil
}

// start begins to pass on. The child has its own descriptor by now.
func (all spools) start() {
	for _, s := range all {
		go s.run()
	}
}

// finish passes on the rest; the child has ended.
func (all spools) finish() {
	for _, s := range all {
		close(s.stop)
		<-s.done
	}
}

func (all spools) close() {
	for _, s := range all {
		s.file.Close()
		s.from.Close()
	}
}

func (s *spool) run() {
	defer close(s.done)
	tick := time.NewTicker(glance)
	defer tick.Stop()
	buffer := make([]byte, 64<<10)
	for {
		select {
		case <-s.stop:
			s.pass(buffer)
			return
		case <-tick.C:
			s.pass(buffer)
		}
	}
}

// pass passes on what is there. Once the reader at the other end is gone, the
// child's output goes on into the file alone.
func (s *spool) pass(buffer []byte) {
	for {
		n, err := s.from.Read(buffer)
		if n > 0 && s.output != nil {
			s.output(buffer[:n])
		}
		if n > 0 && !s.broken {
			if _, failed := s.to.Write(buffer[:n]); failed != nil {
				s.broken = true
				s.notice("nobody reads our output any more (" + reason(failed).Error() + "); the child goes on, its output is kept in " + s.file.Name() + " until its end")
			}
		}
		if err != nil || n == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				s.notice("reading the child's output: " + err.Error())
			}
			return
		}
	}
}

// same reports whether two descriptors are the same pipe or file.
func same(a, b *os.File) bool {
	if a == nil || b == nil {
		return false
	}
	x, err1 := a.Stat()
	y, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// orNil keeps a nil *os.File from becoming an io.Writer that isn't nil.
func orNil(f *os.File) io.Writer {
	if f == nil {
		return nil
	}
	return f
}

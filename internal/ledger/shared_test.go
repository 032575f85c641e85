package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/ledger"
)

// memory is an object in memory, that is slow so that writers meet.
type memory struct {
	mu      sync.Mutex
	content []byte
	version int // 0: there is none
	puts    int // that were tried
	takes   time.Duration
	// open replaces what is read, and put is asked before anything is put.
	open func([]byte) io.Reader
	put  func(m *memory) (ok, decided bool, err error)
}

func (m *memory) Open(context.Context) (io.ReadCloser, int64, string, error) {
	time.Sleep(m.takes)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.version == 0 {
		return nil, 0, "", nil
	}
	var from io.Reader = bytes.NewReader(m.content)
	if m.open != nil {
		from = m.open(m.content)
	}
	return io.NopCloser(from), int64(len(m.content)), fmt.Sprint(m.version), nil
}

func (m *memory) Replace(_ context.Context, version string, content io.ReadSeeker) (bool, error) {
	time.Sleep(m.takes)
	all, err := io.ReadAll(content)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	if is := strings.TrimPrefix(fmt.Sprint(m.version), "0"); version != is {
		return false, nil
	}
	if m.put != nil {
		if ok, decided, err := m.put(m); decided {
			return ok, err
		}
	}
	m.content, m.version = all, m.version+1
	return true, nil
}

func shared(m *memory) ledger.Shared { return ledger.Shared{Object: m, Where: "s3://b/k"} }

// holds says whether a ledger has these lines, each once, and no others.
func holds(t *testing.T, m *memory, lines ...int) {
	t.Helper()
	all, err := shared(m).Load(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, n := range lines {
		if got := all[access.Key{Cluster: "c", Principal: fmt.Sprint("p", n)}]; len(got) != 1 || got[0] != seen(n) {
			t.Errorf("line %d: %+v", n, got)
		}
	}
	if len(all) != len(lines) {
		t.Errorf("%d lines, want %d", len(all), len(lines))
	}
}

func TestSharedKeepsEveryLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{takes: 30 * time.Millisecond}
		if all, err := shared(m).Load(t.Context()); err != nil || len(all) != 0 {
			t.Fatal(all, err)
		}
		var work sync.WaitGroup
		var lines []int
		for n := range 8 {
			lines = append(lines, n, n+100)
			work.Go(func() {
				if err := shared(m).Append(t.Context(), []access.Observation{seen(n), seen(n + 100)}); err != nil {
					t.Error(err)
				}
			})
		}
		work.Wait()
		if m.puts < 9 {
			t.Errorf("%d puts by 8 writers: they didn't meet", m.puts)
		}
		holds(t, m, lines...)
	})
}

// A storm ends: with a few others in the way the lines get through, and where
// somebody is always faster it is an error, after a bounded time.
func TestSharedInAStorm(t *testing.T) {
	for _, test := range []struct {
		times int
		well  bool
	}{{3, true}, {19, true}, {20, false}, {1000, false}} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{}
			m.put = func(m *memory) (bool, bool, error) { return false, m.puts <= test.times, nil }
			began := time.Now()
			err := shared(m).Append(t.Context(), []access.Observation{seen(1)})
			if (err == nil) != test.well || m.puts > 20 || time.Since(began) > time.Minute {
				t.Errorf("%+v: %v after %d puts and %s", test, err, m.puts, time.Since(began))
			}
			if test.well {
				holds(t, m, 1)
			} else if !strings.Contains(err.Error(), "s3://b/k") || m.content != nil {
				t.Errorf("%v; %q", err, m.content)
			}
		})
	}
}

func TestSharedEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{put: func(*memory) (bool, bool, error) { return false, true, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := shared(m).Append(ctx, []access.Observation{seen(1)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// Whatever becomes of a put, the lines of before are there, and appending again
// makes no line twice.
func TestSharedAfterAPutThatFailed(t *testing.T) {
	lost := errors.New("connection reset")
	for name, put := range map[string]func(m *memory) (bool, bool, error){
		"before it was done": func(*memory) (bool, bool, error) { return false, true, lost },
		"killed before it was done": func(*memory) (bool, bool, error) {
			panic("killed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			l := shared(m)
			if err := l.Append(t.Context(), []access.Observation{seen(1)}); err != nil {
				t.Fatal(err)
			}
			m.put = put
			func() {
				defer func() { _ = recover() }()
				if err := l.Append(t.Context(), []access.Observation{seen(2)}); !errors.Is(err, lost) {
					t.Errorf("%v", err)
				}
			}()
			m.put = nil
			holds(t, m, 1)
			if err := l.Append(t.Context(), []access.Observation{seen(2)}); err != nil {
				t.Fatal(err)
			}
			holds(t, m, 1, 2)
		})
	}
}

// after is an object whose Replace does what it should, and then says something
// else: what becomes of an answer that is lost, and asked for again.
type after struct{ *memory }

func (a after) Replace(ctx context.Context, version string, content io.ReadSeeker) (bool, error) {
	_, err := a.memory.Replace(ctx, version, content)
	return false, err
}

func TestSharedAfterALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		for n := range 2 {
			if err := (ledger.Shared{Object: after{m}}).Append(t.Context(), []access.Observation{seen(n), seen(n + 10)}); err != nil {
				t.Fatal(err)
			}
		}
		holds(t, m, 0, 10, 1, 11)
		if m.puts != 2 {
			t.Errorf("%d puts", m.puts)
		}
	})
}

// What isn't a whole ledger is never written over, nor taken for a shorter one;
// only a line without an end, as from a file that a kill cut off, is dropped.
func TestSharedReadsAllOrNothing(t *testing.T) {
	const ledgerHead = "{\"ledger\":1}\n"
	for name, test := range map[string]struct {
		content string
		open    func([]byte) io.Reader
		fails   bool
	}{
		"empty":           {},
		"a head":          {content: ledgerHead},
		"cut off":         {content: ledgerHead + `{"cluster":"c","prin`},
		"another version": {content: "{\"ledger\":2}\n", fails: true},
		"no ledger":       {content: "hello\n", fails: true},
		"no line":         {content: "hello", fails: true},
		"the stream is torn": {content: ledgerHead, fails: true, open: func(b []byte) io.Reader {
			return io.MultiReader(bytes.NewReader(b), iotest.ErrReader(io.ErrUnexpectedEOF))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{content: []byte(test.content), version: 1, open: test.open}
			_, loads := shared(m).Load(t.Context())
			appends := shared(m).Append(t.Context(), []access.Observation{seen(1)})
			if (loads != nil) != test.fails || (appends != nil) != test.fails {
				t.Errorf("load: %v; append: %v", loads, appends)
			}
			if test.fails && string(m.content) != test.content {
				t.Errorf("it is %q now", m.content)
			}
			if !test.fails {
				holds(t, m, 1)
			}
		})
	}
}

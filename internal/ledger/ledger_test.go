package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/ledger"
)

func seen(n int) access.Observation {
	return access.Observation{Cluster: "c", Principal: fmt.Sprint("p", n), Entry: "e", ID: "AROA", At: time.Unix(int64(n), 0).UTC(), Bound: true}
}

func file(t *testing.T) ledger.File {
	return ledger.File{Path: filepath.Join(t.TempDir(), "state", "holdfast", ledger.FileName)}
}

func TestWhatIsAppendedIsThere(t *testing.T) {
	l := file(t)
	if all, err := l.Load(t.Context()); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
	var work sync.WaitGroup
	for n := range 20 {
		work.Go(func() {
			if err := l.Append(t.Context(), []access.Observation{seen(n), seen(n + 100)}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	all, err := l.Load(t.Context())
	if err != nil || len(all) != 40 || all[access.Key{Cluster: "c", Principal: "p7"}][0] != seen(7) {
		t.Errorf("%d, %v, %+v", len(all), err, all[access.Key{Cluster: "c", Principal: "p7"}])
	}
	if info, err := os.Stat(l.Path); err != nil || info.Mode() != 0o600 {
		t.Error(info, err)
	}
}

// Cut off anywhere, a ledger has the lines that were whole, and the next one
// that is appended.
func TestCutOffAnywhere(t *testing.T) {
	l := file(t)
	if err := l.Append(t.Context(), []access.Observation{seen(1), seen(2)}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(l.Path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := os.WriteFile(l.Path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := l.Load(t.Context())
		if err != nil {
			t.Fatal(n, err)
		}
		if err := l.Append(t.Context(), []access.Observation{seen(3)}); err != nil {
			t.Fatal(n, err)
		}
		after, err := l.Load(t.Context())
		if err != nil || len(after) != len(before)+1 || len(after[access.Key{Cluster: "c", Principal: "p3"}]) != 1 {
			t.Errorf("cut at %d: %d, then %d lines, %v", n, len(before), len(after), err)
		}
	}
}

func TestWhatIsNoLedgerIsAnError(t *testing.T) {
	l := file(t)
	if err := os.MkdirAll(filepath.Dir(l.Path), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"{}\n", "{\"ledger\":2}\n", "hello\n", "{\"ledger\":1}\nx\n"} {
		if err := os.WriteFile(l.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := l.Load(t.Context()); err == nil {
			t.Errorf("%q became %v", text, all)
		}
	}
}

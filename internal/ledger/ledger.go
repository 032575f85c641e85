// Package ledger (adapter) keeps which entry was seen with which unique ID, in a
// plain file that only grows.
//
// It promises that what Append was given is on the disk when it returns, that
// processes which append at once don't mix their lines, and that a line which a
// kill cut off is as if it had never been written. A file that it can't read is
// an error, never an empty ledger.
package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/durable"
)

// FileName is what a ledger is called in its directory.
const FileName = "bindings.jsonl"

const version = 1

type head struct {
	Version int `json:"ledger"`
}

// File is a ledger in a file. Its lock lies beside it.
type File struct{ Path string }

// Load returns all that is known of each entry, oldest first. A ledger that
// isn't there knows nothing.
func (l File) Load() (map[access.Key][]access.Observation, error) {
	f, err := os.Open(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[access.Key][]access.Observation{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, _, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Path, err)
	}
	return all, nil
}

// read also returns how many bytes are whole lines.
func read(r io.Reader) (all map[access.Key][]access.Observation, size int64, err error) {
	all = map[access.Key][]access.Observation{}
	seen := map[string]string{}
	once := func(s string) string { // one string for all that are equal
		if kept, ok := seen[s]; ok {
			return kept
		}
		seen[s] = s
		return s
	}
	lines := bufio.NewReaderSize(r, 1<<16)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return all, size, nil // what is left has no end: a kill cut it off
		}
		if err != nil {
			return nil, 0, err
		}
		size += int64(len(line))
		if number == 1 {
			var h head
			if err := json.Unmarshal(line, &h); err != nil || h.Version != version {
				return nil, 0, fmt.Errorf("line 1: not a ledger of version %d", version)
			}
			continue
		}
		var o access.Observation
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", number, err)
		}
		o.Cluster, o.Type, o.ID = once(o.Cluster), once(o.Type), once(o.ID)
		key := access.Key{Cluster: o.Cluster, Principal: o.Principal}
		all[key] = append(all[key], o)
	}
}

// Append adds to the ledger, and makes it where there is none.
func (l File) Append(ctx context.Context, observed []access.Observation) (err error) {
	if len(observed) == 0 {
		return nil
	}
	if err := durable.Mkdir(filepath.Dir(l.Path)); err != nil {
		return fmt.Errorf("a directory for the ledger: %w", err)
	}
	unlock, err := durable.Lock(ctx, l.Path+".lock")
	if err != nil {
		return fmt.Errorf("%s: waiting for another holdfast: %w", l.Path, err)
	}
	defer unlock()
	f, err := os.OpenFile(l.Path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := whole(f)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Path, err)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	text := bufio.NewWriterSize(io.NewOffsetWriter(f, size), 1<<16)
	lines := json.NewEncoder(text)
	if size == 0 {
		err = lines.Encode(head{version})
	}
	for _, o := range observed {
		err = errors.Join(err, lines.Encode(o))
	}
	if err = errors.Join(err, text.Flush()); err != nil {
		return err
	}
	return errors.Join(f.Sync(), durable.SyncDir(filepath.Dir(l.Path)))
}

// whole is how many bytes of a file are whole lines, by its end alone.
func whole(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	const most = 1 << 16 // longer than any line
	size := info.Size()
	from := max(size-most, 0)
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil {
		return 0, err
	}
	end := int64(bytes.LastIndexByte(tail, '\n')) + 1
	if end == 0 && size > most {
		return 0, errors.New("it isn't a ledger: no line ends where one should")
	}
	return from + end, nil
}

package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/durable"
)

// File is a ledger in a file. Its lock lies beside it.
type File struct{ Path string }

// Load returns all that is known of each entry, oldest first. A ledger that
// isn't there knows nothing.
func (l File) Load(context.Context) (map[access.Key][]access.Observation, error) {
	f, err := os.Open(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[access.Key][]access.Observation{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := read(f, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Path, err)
	}
	return all, nil
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
	if err = errors.Join(write(text, size == 0, observed), text.Flush()); err != nil {
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

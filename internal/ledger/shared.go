package ledger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/holdfast/holdfast/internal/access"
)

// Object is one object of a store, which is read and replaced as a whole.
type Object interface {
	// Open reads it as a stream of so many bytes. Version names what is read;
	// body is nil and version empty where there is no object. An end before the
	// last byte is an error that isn't io.EOF.
	Open(ctx context.Context) (body io.ReadCloser, size int64, version string, err error)
	// Replace puts content in the place of a version, of none where it is empty.
	// Ok is false if that version isn't the one that is there. What it has put
	// there is durable.
	Replace(ctx context.Context, version string, content io.ReadSeeker) (ok bool, err error)
}

// Shared is a ledger in an object.
type Shared struct {
	Object Object
	Where  string // for errors
}

// tries is how often lines are added to a ledger that others write meanwhile.
// Of those that write at once one always gets through.
const tries = 20

// Load returns all that is known of each entry, oldest first. A ledger that
// isn't there knows nothing.
func (s Shared) Load(ctx context.Context) (map[access.Key][]access.Observation, error) {
	body, _, _, err := s.Object.Open(ctx)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return map[access.Key][]access.Observation{}, nil
	}
	defer body.Close()
	all, err := read(body, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Where, err)
	}
	return all, nil
}

// Append adds to the ledger, and makes it where there is none. Where somebody
// else was faster, theirs is read, and the lines are added to it.
func (s Shared) Append(ctx context.Context, observed []access.Observation) error {
	if len(observed) == 0 {
		return nil
	}
	for try := range tries {
		ok, err := s.add(ctx, observed)
		if ok || err != nil {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return fmt.Errorf("%s: others write it: %w", s.Where, err)
		}
	}
	return fmt.Errorf("%s: somebody else was faster, %d times", s.Where, tries)
}

// pause is full jitter under 50 ms, twice as much after each try, up to 3 s.
func pause(ctx context.Context, try int) error {
	most := min(50*time.Millisecond<<min(try, 6), 3*time.Second)
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add adds once; ok is false if somebody else wrote the ledger meanwhile.
func (s Shared) add(ctx context.Context, observed []access.Observation) (ok bool, err error) {
	content, version, err := s.whole(ctx)
	if err != nil {
		return false, err
	}
	was := content.Len()
	if err := write(content, was == 0, observed); err != nil {
		return false, err
	}
	// A Replace whose answer was lost on the way may have done it already.
	if all := content.Bytes(); was > 0 && bytes.Contains(all[:was], all[was:]) {
		return true, nil
	}
	return s.Object.Replace(ctx, version, bytes.NewReader(content.Bytes()))
}

// whole is the whole lines that are there, none where there is no object. An
// object that isn't a ledger is an error, so that none is ever written over.
func (s Shared) whole(ctx context.Context) (content *bytes.Buffer, version string, err error) {
	content = &bytes.Buffer{}
	body, size, version, err := s.Object.Open(ctx)
	if err != nil || body == nil {
		return content, "", err
	}
	defer body.Close()
	content.Grow(int(max(size, 0)) + bytes.MinRead)
	if _, err := content.ReadFrom(body); err != nil {
		return nil, "", fmt.Errorf("%s: %w", s.Where, err)
	}
	if content.Len() == 0 {
		return content, version, nil
	}
	first, _, _ := bytes.Cut(content.Bytes(), []byte{'\n'})
	if err := parseHead(first); err != nil {
		return nil, "", fmt.Errorf("%s: %w", s.Where, err)
	}
	content.Truncate(bytes.LastIndexByte(content.Bytes(), '\n') + 1)
	return content, version, nil
}

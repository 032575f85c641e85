// Package ledger (adapter) keeps which entry was seen with which unique ID, as
// lines that are only ever added: in a file, or in an object that several
// machines share.
//
// It promises that what Append was given is durable when it returns, that
// writers that append at once lose and mix no lines, and that a line which a
// kill cut off is as if it had never been written. A ledger that it can't read
// is an error, never an empty one.
//
// It speaks to no store itself: whoever has one gives it as an Object.
package ledger

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast/holdfast/internal/access"
)

// FileName is what a ledger is called in its directory.
const FileName = "bindings.jsonl"

const version = 1

// head is the first line. Each line behind it is an access.Observation.
type head struct {
	Version int `json:"ledger"`
}

func parseHead(line []byte) error {
	var h head
	if err := json.Unmarshal(line, &h); err != nil || h.Version != version {
		return fmt.Errorf("line 1: not a ledger of version %d", version)
	}
	return nil
}

// read returns all that is known of each entry, oldest first. What is left behind
// the last end of a line is dropped; that it is the very first line is fine where
// the ledger may have been cut off while it began.
func read(r io.Reader, cutOff bool) (map[access.Key][]access.Observation, error) {
	all := map[access.Key][]access.Observation{}
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
			if number == 1 && len(line) > 0 && !cutOff {
				return all, parseHead(line)
			}
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if number == 1 {
			if err := parseHead(line); err != nil {
				return nil, err
			}
			continue
		}
		var o access.Observation
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		o.Cluster, o.Type, o.ID = once(o.Cluster), once(o.Type), once(o.ID)
		key := access.Key{Cluster: o.Cluster, Principal: o.Principal}
		all[key] = append(all[key], o)
	}
}

// write writes lines, the first line of a ledger before them where it begins.
func write(w io.Writer, begins bool, observed []access.Observation) error {
	lines := json.NewEncoder(w)
	var err error
	if begins {
		err = lines.Encode(head{version})
	}
	for _, o := range observed {
		err = errors.Join(err, lines.Encode(o))
	}
	return err
}

// Package credcache (adapter) keeps a credential in a file between processes
// that have no keeper: any number of them that ask at once cause one exchange.
//
// It promises that a file is whole, mode 0600 in a directory of mode 0700, and
// locked while somebody fetches; that one which can't be read or understood is
// fetched anew, never an error; and that nothing is given out that has less
// left than the caller needs.
//
// It encrypts nothing: the file is as good a secret as the keys in it.
package credcache

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/durable"
)

// record is the file. Issued isn't kept: another process has another monotonic
// clock.
type record struct {
	Version         int       `json:"version"`
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token"`
	Issued          time.Time `json:"issued"`
	Expires         time.Time `json:"expires"`
}

const version = 1

// Get returns what the file name in dir holds, if enough says that it is good
// enough, or else what fetch gives, which it then keeps there. One process at a
// time fetches; the others wait for it, until ctx ends.
func Get(ctx context.Context, dir, name string, enough func(cred.Set) bool, fetch func(context.Context) (cred.Set, error)) (cred.Set, error) {
	path := filepath.Join(dir, name+".json")
	if set, ok := read(path); ok && enough(set) {
		return set, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cred.Set{}, fmt.Errorf("a directory for cached credentials: %w", err)
	}
	unlock, err := durable.Lock(ctx, path+".lock")
	if err != nil {
		return cred.Set{}, fmt.Errorf("waiting for another holdfast to fetch: %w", err)
	}
	defer unlock()
	if set, ok := read(path); ok && enough(set) {
		return set, nil // somebody else fetched it while we waited
	}
	set, err := fetch(ctx)
	if err != nil {
		return cred.Set{}, err
	}
	return set, write(path, set)
}

func read(path string) (cred.Set, bool) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		return cred.Set{}, false // what others may write isn't ours
	}
	b, err := os.ReadFile(path)
	var r record
	if err != nil || json.Unmarshal(b, &r) != nil || r.Version != version || r.AccessKeyID == "" {
		return cred.Set{}, false
	}
	set := cred.New(r.AccessKeyID, r.SecretAccessKey, r.SessionToken)
	set.Issued, set.Expires = r.Issued, r.Expires
	return set, true
}

func write(path string, set cred.Set) error {
	b, err := json.Marshal(record{version, set.AccessKeyID(), set.Secret(), set.Token(), set.Issued.Round(0), set.Expires})
	if err != nil {
		return err
	}
	return durable.Swap(path, b, 0o600)
}

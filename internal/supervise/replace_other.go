//go:build !unix

package supervise

import (
	"errors"
)

// Replace isn't possible here.
func Replace(path string, _, _ []string) error {
	return &StartError{path, codeNotRunnable, errors.New("this system can't replace a process by another")}
}

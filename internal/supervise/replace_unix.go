//go:build unix

package supervise

import "syscall"

// Replace makes this process the other program; it returns only if that can't
// be.
func Replace(path string, args, environ []string) error {
	return &StartError{path, codeNotRunnable, syscall.Exec(path, args, environ)}
}

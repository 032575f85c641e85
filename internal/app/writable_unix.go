//go:build unix

package app

import "golang.org/x/sys/unix"

// writable reports whether we may make files in dir; nothing is made.
func writable(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }

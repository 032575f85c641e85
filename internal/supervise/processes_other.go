//go:build !linux

package supervise

import "errors"

// Process is one that runs now.
type Process struct {
	PID  int
	Name string // of its program
}

// In isn't known on this system.
func In(string) ([]Process, error) { return nil, errors.New("this system doesn't show it") }

// Parent isn't known on this system.
func Parent() string { return "" }

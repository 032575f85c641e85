// Package cure (words) is the error that a person can act on: what went wrong
// with which thing, what the other side said, what to do next, and the class
// that becomes the exit code.
//
// Errors travel as ordinary Go errors; whoever knows the cure wraps them here
// once. Only package cli turns a class into a number and an error into lines.
package cure

import (
	"errors"
	"strings"
)

// Class says what kind of end an error is. The numbers are the documented exit
// codes of every command but `run`.
type Class int

// The classes, as docs/EXIT-CODES.md explains them.
const (
	Failed     Class = 1 // something that should have worked didn't
	Findings   Class = 2 // the command worked and found something
	Usage      Class = 3 // the command line or a configuration file is wrong
	Incomplete Class = 4 // something couldn't be looked at
	Refused    Class = 5 // a safety rule said no
)

// Error is an error with its explanation and its cure.
type Error struct {
	What  string   // one line: the thing and the value; no full stop
	Why   []string // further lines: what AWS said, what was compared
	Cure  string   // what to do next, with a command that can be pasted where there is one
	Class Class    // zero counts as Failed
	Err   error    // the cause, for errors.Is and errors.As; not printed
}

// Error is everything in one string, lines joined by newlines.
func (e *Error) Error() string {
	lines := append([]string{e.What}, e.Why...)
	if e.Cure != "" {
		lines = append(lines, e.Cure)
	}
	return strings.Join(lines, "\n  ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf is the class of the first *Error in err's chain, Failed for any other
// error, and 0 for nil.
func ClassOf(err error) Class {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) && e.Class != 0 {
		return e.Class
	}
	return Failed
}

// Package event (words) is the envelope in which packages tell what happened.
// A kind is declared by the package where it happens; this one knows none of
// them. An event never carries a secret: attributes are words for a person and
// values for a filter.
package event

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity orders events by who should see them.
type Severity int

// Info is for the report, Notice for the terminal, Warning for a person who
// isn't looking, Loss for what can't be undone.
const (
	Info Severity = iota
	Notice
	Warning
	Loss
)

// String is the word used in JSON and on the terminal.
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Notice:
		return "notice"
	case Warning:
		return "warning"
	default:
		return "loss"
	}
}

// MarshalText writes the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Event is one thing that happened.
type Event struct {
	Time       time.Time         `json:"time"`
	Kind       string            `json:"kind"`
	Severity   Severity          `json:"severity"`
	Subject    string            `json:"subject"`
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Sink takes events. It must not block for long and must be safe for use by
// several goroutines.
type Sink func(Event)

// Discard is the Sink that forgets.
func Discard(Event) {}

// String is the event on one line, attributes in order of their names.
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s: %s", e.Severity, e.Kind, e.Subject, e.Message)
	names := make([]string, 0, len(e.Attributes))
	for name := range e.Attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, " %s=%q", name, e.Attributes[name])
	}
	return b.String()
}

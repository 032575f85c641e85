// Package log (logic) reads what Terraform and OpenTofu print while they
// apply, and makes of it which operation on which resource took how long: from
// the lines for people, and from the JSON that `-json` and OpenTofu's
// `-json-into` write (OpenTofu: "Dual command output streams").
//
// It promises to take any bytes, in any pieces, without an error: what it
// doesn't understand it leaves out. An operation that began and never ended
// counts as failed, with the time from its beginning to the end of the log.
//
// Elapsed times are Terraform's own, in whole seconds.
package log

import (
	"bytes"
	"encoding/json"
	"regexp"
	"time"
)

// Operation is one operation on one resource.
type Operation struct {
	Address string
	Action  string // create, read, update, delete
	Took    time.Duration
	Failed  bool
}

// longestLine is where a line that doesn't end is given up.
const longestLine = 1 << 20

// Reader collects operations from a stream. It is an io.Writer and not safe
// for use by several goroutines.
type Reader struct {
	now     func() time.Time
	parse   func(*Reader, []byte)
	partial []byte
	skip    bool // until the end of a line that is too long
	done    []Operation
	open    []started
	last    time.Time // that an operation began or ended
}

type started struct {
	address, action string
	at              time.Time
}

// Human reads the lines for people; now is asked when an operation begins and
// at the end.
func Human(now func() time.Time) *Reader { return &Reader{now: now, parse: (*Reader).human} }

// JSON reads the machine-readable log, one object a line.
func JSON(now func() time.Time) *Reader { return &Reader{now: now, parse: (*Reader).object} }

// Write takes the next piece of the stream. It never fails.
func (r *Reader) Write(piece []byte) (int, error) {
	n := len(piece)
	for {
		i := bytes.IndexByte(piece, '\n')
		if i < 0 {
			if !r.skip {
				r.partial = append(r.partial, piece...)
			}
			if len(r.partial) > longestLine {
				r.partial, r.skip = nil, true
			}
			return n, nil
		}
		if !r.skip {
			r.parse(r, append(r.partial, piece[:i]...))
		}
		r.partial, r.skip = r.partial[:0], false
		piece = piece[i+1:]
	}
}

// Operations is what was read, in order of their ends; those that never ended
// are last.
func (r *Reader) Operations() []Operation {
	all := append([]Operation(nil), r.done...)
	for _, s := range r.open {
		all = append(all, Operation{s.address, s.action, r.now().Sub(s.at).Round(time.Second), true})
	}
	return all
}

// Last is when an operation began or ended last, by the log's own time where it
// has one; zero if none did.
func (r *Reader) Last() time.Time { return r.last }

// InFlight are the addresses of what was being created and hasn't ended.
func (r *Reader) InFlight() []string {
	var all []string
	for _, s := range r.open {
		if s.action == "create" {
			all = append(all, s.address)
		}
	}
	return all
}

func (r *Reader) begin(address, action string, at time.Time) {
	r.last = at
	r.open = append(r.open, started{address, action, at})
}

func (r *Reader) end(address, action string, took time.Duration, failed bool, at time.Time) {
	r.last = at
	for i, s := range r.open {
		if s.address == address && s.action == action {
			r.open = append(r.open[:i], r.open[i+1:]...)
			break
		}
	}
	r.done = append(r.done, Operation{address, action, took, failed})
}

// The words of internal/command/views/hook_ui.go in both projects. A colour
// code stands before the address and behind the line.
var (
	colour    = regexp.MustCompile(`\x1b\[[0-9;]*m`)
	beginning = regexp.MustCompile(`^(\S.*?): (Creating|Modifying|Destroying|Reading)\.\.\.`)
	ending    = regexp.MustCompile(`^(\S.*?): (Creation|Modifications|Destruction|Read) complete after (\S+)`)
)

func action(word string) string {
	switch word {
	case "Creating", "Creation":
		return "create"
	case "Modifying", "Modifications":
		return "update"
	case "Destroying", "Destruction":
		return "delete"
	default:
		return "read"
	}
}

func (r *Reader) human(line []byte) {
	if !bytes.Contains(line, []byte("...")) && !bytes.Contains(line, []byte(" complete after ")) {
		return
	}
	line = bytes.TrimRight(colour.ReplaceAll(line, nil), "\r")
	if m := ending.FindSubmatch(line); m != nil {
		if took, err := time.ParseDuration(string(m[3])); err == nil {
			r.end(string(m[1]), action(string(m[2])), took, false, r.now())
		}
		return
	}
	if m := beginning.FindSubmatch(line); m != nil {
		r.begin(string(m[1]), action(string(m[2])), r.now())
	}
}

type object struct {
	Type string    `json:"type"`
	Time time.Time `json:"@timestamp"`
	Hook struct {
		Resource struct {
			Addr string `json:"addr"`
		} `json:"resource"`
		Action  string  `json:"action"`
		Elapsed float64 `json:"elapsed_seconds"`
	} `json:"hook"`
}

func (r *Reader) object(line []byte) {
	var o object
	if json.Unmarshal(line, &o) != nil || o.Hook.Resource.Addr == "" {
		return
	}
	took := time.Duration(o.Hook.Elapsed * float64(time.Second))
	at := o.Time
	if at.IsZero() {
		at = r.now()
	}
	switch o.Type {
	case "apply_start":
		r.begin(o.Hook.Resource.Addr, o.Hook.Action, at)
	case "apply_complete", "apply_errored":
		r.end(o.Hook.Resource.Addr, o.Hook.Action, took, o.Type == "apply_errored", at)
	}
}

package profile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/precedence"
)

// A profile of ours stands between two comments, by which it is found again.
// The first also says what is to be undone beside the lines themselves.
const (
	ours       = "# holdfast setup profile "
	beginning  = ": begin"
	ending     = ": end"
	unfinished = ", after a line without an end"
	alone      = ", in a file of its own"
)

// Errors of Add and Remove.
var (
	ErrForeign = errors.New("there is a profile of that name that holdfast didn't write")
	ErrChanged = errors.New("the lines that holdfast wrote were changed by hand")
	ErrNone    = errors.New("there is no profile of that name")
)

// Add puts a profile with a credential_process at the end of a config file, and
// changes no other byte. Existed says whether there was a file at all. A
// profile of ours that is there already gets the new command.
func Add(src []byte, existed bool, name, command string) ([]byte, error) {
	end := lineEnd(src)
	if at, found, err := find(src, name); err != nil {
		return nil, err
	} else if found {
		return replace(src, at, block(at.note, name, command, lineEnd(src[at.from:at.to]))), nil
	}
	if has(src, name) {
		return nil, ErrForeign
	}
	note, before := "", ""
	switch {
	case !existed:
		note = alone
	case len(src) > 0 && src[len(src)-1] != '\n':
		note, before = unfinished, end
	}
	out := append(bytes.Clone(src), before...)
	return append(out, block(note, name, command, end)...), nil
}

// Remove takes a profile of ours out, and whatever Add had to add around it.
// Gone says that the file was made for it and can go too.
func Remove(src []byte, name string) (out []byte, gone bool, err error) {
	at, found, err := find(src, name)
	switch {
	case err != nil:
		return nil, false, err
	case !found && has(src, name):
		return nil, false, ErrForeign
	case !found:
		return nil, false, ErrNone
	}
	if at.note == unfinished && at.to == len(src) {
		// Nothing was written behind it since: the line above gets its old
		// form, without an end.
		at.from -= len(lineEnd(src[at.from:at.to]))
	}
	out = replace(src, at, nil)
	return out, at.note == alone && len(out) == 0, nil
}

func section(name string) string {
	if name == "default" {
		return "[default]"
	}
	return "[profile " + name + "]"
}

func block(note, name, command, end string) []byte {
	lines := []string{ours + name + beginning + note, section(name), "credential_process = " + command, ours + name + ending, ""}
	return []byte(strings.Join(lines, end))
}

// span is where our lines stand in a file.
type span struct {
	from, to int
	note     string
}

// find looks for our lines. Anything but exactly what block writes, with
// whatever command, was changed by somebody.
func find(src []byte, name string) (span, bool, error) {
	var at span
	var kept []string
	offset, open := 0, false
	for _, raw := range bytes.SplitAfter(src, []byte("\n")) {
		text := strings.TrimRight(string(raw), "\r\n")
		rest, begins := strings.CutPrefix(text, ours+name+beginning)
		begins = begins && (rest == "" || rest == unfinished || rest == alone)
		switch {
		case begins && (open || at.to > 0):
			return span{}, false, ErrChanged
		case begins:
			at, kept, open = span{from: offset, note: rest}, nil, true
		}
		if open {
			kept = append(kept, string(raw))
		}
		offset += len(raw)
		if open && text == ours+name+ending {
			at.to, open = offset, false
		}
	}
	if at.note == "" && at.to == 0 && !open {
		return span{}, false, nil
	}
	if open || len(kept) != 4 {
		return span{}, false, ErrChanged
	}
	end := lineEnd([]byte(kept[0]))
	command, ok := strings.CutPrefix(strings.TrimSuffix(kept[2], end), "credential_process = ")
	if !ok || !bytes.Equal(src[at.from:at.to], block(at.note, name, command, end)) {
		return span{}, false, ErrChanged
	}
	if at.note == unfinished && !bytes.HasSuffix(src[:at.from], []byte(end)) {
		return span{}, false, ErrChanged
	}
	return at, true, nil
}

// has reports whether a config file has a section for the profile.
func has(src []byte, name string) bool {
	for _, s := range Parse("", precedence.Config, src).Sections {
		if s.Name == "profile "+name || name == "default" && s.Name == name {
			return true
		}
	}
	return false
}

// lineEnd is how the first line of a text ends, which is how all should.
func lineEnd(src []byte) string {
	if i := bytes.IndexByte(src, '\n'); i > 0 && src[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

func replace(src []byte, at span, with []byte) []byte {
	return append(append(bytes.Clone(src[:at.from]), with...), src[at.to:]...)
}

// CheckName refuses a name that an SDK or a shell would read as something else.
func CheckName(name string) error {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@+", r)
	}
	if name == "" || len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return fmt.Errorf("%q isn't a name for a profile: letters, digits and - _ . @ +", name)
	}
	return nil
}

package profile

import (
	"strings"

	"github.com/holdfast/holdfast/internal/precedence"
)

// The dialect is that of aws-sdk-go-v2 config/internal/ini (tokenize.go,
// parse.go). Where botocore and JavaScript read the same line differently,
// refused.go says so or the package comment does.

type sort int

const (
	other        sort = iota // blank, comment, or nothing that counts
	header                   // [name]
	property                 // key = value, at the left margin or promoted
	subproperty              // key = value, indented below a key without a value
	continuation             // more of the value above
)

// line is one line with its role. Text is without its end of line.
type line struct {
	sort   sort
	text   string
	number int
	column int    // of the key or of the header
	name   string // section or key
	value  string
	blank  bool
}

// read gives every line its role, in order.
func read(src []byte) []line {
	var out []line
	section, key, keyBlank := false, "", false
	for i, text := range strings.Split(string(src), "\n") {
		l := line{text: text, number: i + 1, column: 1 + len(text) - len(strings.TrimLeft(text, " \t"))}
		l.classify(section, key, keyBlank)
		switch l.sort {
		case header:
			section, key = true, ""
		case property:
			key, keyBlank = l.name, l.blank
		}
		out = append(out, l)
	}
	return out
}

func (l *line) classify(section bool, key string, keyBlank bool) {
	trimmed := strings.TrimSpace(l.text)
	if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
		return
	}
	if name, ok := headerName(l.text); ok {
		l.sort, l.name = header, name
		return
	}
	if !section {
		return
	}
	if l.column == 1 {
		l.property(cutComment(l.text))
		return
	}
	// Indented: part of the setting above if that has no value yet, a setting
	// of its own if it has, and else more of the value.
	_, _, pair := split(l.text)
	switch {
	case pair && (key == "" || !keyBlank):
		l.property(cutComment(l.text))
	case pair:
		l.sort = subproperty
		l.name, l.value, _ = split(l.text)
	case key != "":
		l.sort, l.value = continuation, strings.TrimLeft(l.text, " \t")
	}
}

func (l *line) property(text string) {
	name, value, ok := split(text)
	if !ok {
		return
	}
	l.sort, l.name, l.value = property, strings.ToLower(name), unquote(value)
	l.blank = l.value == ""
}

func headerName(text string) (string, bool) {
	text, _, _ = strings.Cut(text, "#")
	text, _, _ = strings.Cut(text, ";")
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return "", false
	}
	kind, name, ok := cutSpace(strings.TrimSpace(text[1 : len(text)-1]))
	if !ok {
		return kind, true
	}
	return kind + " " + name, true
}

func cutSpace(s string) (before, after string, found bool) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, "", false
	}
	return s[:i], strings.TrimLeft(s[i:], " \t"), true
}

// cutComment ends a value at a comment sign that has a space before it.
func cutComment(s string) string {
	for _, sign := range []string{" #", " ;", "\t#", "\t;"} {
		s, _, _ = strings.Cut(s, sign)
	}
	return strings.TrimRight(s, " \t")
}

func split(s string) (key, value string, ok bool) {
	i := strings.IndexAny(s, "=:")
	if i < 0 {
		return "", "", false
	}
	return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:]), true
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// Parse reads one file's bytes. It never fails: what a dialect doesn't know
// is passed over, as the Go SDK does, and what makes botocore refuse the file
// is in Problems.
func Parse(path string, kind precedence.Kind, src []byte) precedence.File {
	file := precedence.File{Path: path, Kind: kind, Problems: refused(path, src)}
	for _, l := range read(src) {
		switch l.sort {
		case header:
			file.Sections = append(file.Sections, precedence.Section{Name: l.name, Line: l.number, Column: l.column})
		case property:
			s := &file.Sections[len(file.Sections)-1]
			key := precedence.Key{Name: l.name, Value: l.value, Blank: l.blank, Line: l.number, Column: l.column}
			if !precedence.KeepsValue(l.name) {
				key.Value = ""
			}
			s.Keys = append(s.Keys, key)
		case continuation:
			extend(file.Sections, l.value)
		}
	}
	return file
}

func extend(sections []precedence.Section, more string) {
	keys := sections[len(sections)-1].Keys
	key := &keys[len(keys)-1]
	if !key.Blank && precedence.KeepsValue(key.Name) {
		key.Value += "\n" + more
	}
}

package profile

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/precedence"
)

// refused finds what makes botocore refuse a whole file, following Python's
// configparser.RawConfigParser and botocore/configloader.py. The other SDKs
// pass over the same lines.
func refused(path string, src []byte) []precedence.Problem {
	p := strict{path: path, indent: -1, sections: map[string]bool{}}
	if !utf8.Valid(src) {
		p.report(1, 1, "", "not UTF-8")
	}
	for i, text := range strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n") {
		p.line(i+1, text)
	}
	return p.problems
}

type strict struct {
	path     string
	problems []precedence.Problem
	sections map[string]bool
	options  map[string]bool // of the current section; nil before the first
	option   string
	blank    bool // the option has no value on its own line
	indent   int
}

func (p *strict) report(line, column int, text, message string) {
	p.problems = append(p.problems, precedence.Problem{
		Path: p.path, Line: line, Column: column, Excerpt: excerpt(text), Message: message,
	})
}

// excerpt is the first word: what follows may be a secret.
func excerpt(text string) string {
	text = strings.TrimSpace(text)
	if i := strings.IndexAny(text, " \t=:"); i >= 0 {
		return text[:i] + " …"
	}
	if strings.HasPrefix(text, "[") {
		return text
	}
	// One word alone may be the second half of a key that was broken in two.
	return text[:min(len(text), 4)] + "…"
}

func (p *strict) line(number int, text string) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
		return
	}
	column := 1 + len(text) - len(strings.TrimLeft(text, " \t"))
	if p.options != nil && p.option != "" && column > p.indent {
		if p.blank && !strings.Contains(trimmed, "=") {
			p.report(number, column, trimmed, "a nested line without an equals sign")
		}
		return
	}
	p.indent = column
	if end := strings.LastIndexByte(trimmed, ']'); trimmed[0] == '[' && end > 1 {
		p.header(number, column, trimmed[1:end])
		return
	}
	if p.options == nil {
		p.report(number, column, trimmed, "a setting before the first [section]")
		p.indent = math.MaxInt
		return
	}
	key, value, ok := split(trimmed)
	key = strings.ToLower(key)
	switch {
	case !ok || key == "":
		p.report(number, column, trimmed, "neither a [section] nor a setting")
		return
	case p.options[key]:
		p.report(number, column, trimmed, "the same setting a second time")
	}
	p.options[key], p.option, p.blank = true, key, value == ""
}

func (p *strict) header(number, column int, name string) {
	if p.sections[name] && name != "DEFAULT" {
		p.report(number, column, "["+name+"]", "the same section a second time")
	}
	p.sections[name] = true
	p.options, p.option = map[string]bool{}, ""
}

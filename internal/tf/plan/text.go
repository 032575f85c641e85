package plan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string. The result is valid until the next call. It is UTF-8.
func (l *lexer) text(limit int) []byte {
	if !l.expect('"') {
		return nil
	}
	if i := bytes.IndexByte(l.buf[l.pos:l.end], '"'); i >= 0 && i <= limit && plain(l.buf[l.pos:l.pos+i]) {
		l.pos += i + 1
		return l.buf[l.pos-1-i : l.pos-1]
	}
	return l.longText(limit)
}

// plain reports whether a string's bytes are its text.
func plain(b []byte) bool {
	for _, c := range b {
		if c == '\\' || c < ' ' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func (l *lexer) longText(limit int) []byte {
	l.scratch = l.scratch[:0]
	for l.err == nil {
		start := l.pos
		for l.pos < l.end && l.buf[l.pos] != '"' && l.buf[l.pos] != '\\' && l.buf[l.pos] >= ' ' {
			l.pos++
		}
		if len(l.scratch)+l.pos-start > limit {
			l.fail("a string of more than %d bytes", limit)
			return nil
		}
		l.scratch = append(l.scratch, l.buf[start:l.pos]...)
		c, ok := l.raw()
		switch {
		case !ok:
		case c == '"':
			if !utf8.Valid(l.scratch) {
				l.fail("a string that isn't UTF-8")
			}
			return l.scratch
		case c == '\\':
			l.escape()
		case c < ' ':
			l.fail("a control character in a string")
		default: // the buffer was empty
			l.pos--
		}
	}
	return nil
}

// escape appends what stands behind a backslash.
func (l *lexer) escape() {
	c, ok := l.raw()
	switch c {
	case 0:
		if ok {
			l.fail("an escape that JSON doesn't have")
		}
		return
	case '"', '\\', '/':
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'u':
		l.unicode()
		return
	default:
		l.fail("an escape that JSON doesn't have: \\%c", c)
		return
	}
	l.scratch = append(l.scratch, c)
}

// unicode reads the digits behind \u. Half of a pair that stands alone is U+FFFD,
// as encoding/json has it.
func (l *lexer) unicode() {
	r := l.hex()
	for utf16.IsSurrogate(r) && l.err == nil {
		a, _ := l.raw()
		if l.err == nil && a != '\\' {
			l.pos--
		}
		if a != '\\' {
			break
		}
		b, _ := l.raw()
		if l.err == nil && b != 'u' {
			l.scratch = utf8.AppendRune(l.scratch, utf8.RuneError)
			l.pos--
			l.escape()
			return
		}
		second := l.hex()
		if pair := utf16.DecodeRune(r, second); pair != utf8.RuneError {
			l.scratch = utf8.AppendRune(l.scratch, pair)
			return
		}
		l.scratch = utf8.AppendRune(l.scratch, utf8.RuneError)
		r = second
	}
	l.scratch = utf8.AppendRune(l.scratch, r) // half a pair becomes U+FFFD
}

func (l *lexer) hex() rune {
	var r rune
	for range 4 {
		c, _ := l.raw()
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			l.fail("\\u without four hexadecimal digits")
			return utf8.RuneError
		}
	}
	return r
}

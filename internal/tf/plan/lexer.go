package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of what is read. What is skipped may be of any length.
const (
	maxDepth  = 512     // of objects and arrays; Terraform's own plans have two for each level of modules
	maxString = 1 << 20 // bytes of a string that is kept; AWS's longest policy has 20 KB
)

// lexer walks through JSON without keeping it. encoding/json's decoder takes
// 1.3 s for a plan of 100 MB, because it makes a value of everything.
//
// Errors are sticky: after the first, every method does nothing.
type lexer struct {
	r       io.Reader
	buf     []byte
	pos     int
	end     int
	off     int64 // of buf[0] in the input
	depth   int
	scratch []byte
	err     error
}

func newLexer(r io.Reader) *lexer { return &lexer{r: r, buf: make([]byte, 256<<10)} }

// overBytes is a lexer of text that is in memory.
func overBytes(b []byte) *lexer { return &lexer{buf: b, end: len(b)} }

// Error is JSON that can't be read, and where.
type Error struct {
	Offset int64 // bytes from the beginning
	What   string
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.What) }

func (l *lexer) fail(format string, args ...any) {
	if l.err == nil {
		l.err = &Error{l.off + int64(l.pos), fmt.Sprintf(format, args...)}
	}
}

// fill reads more and reports whether there is any.
func (l *lexer) fill() bool {
	if l.err != nil || l.r == nil {
		return false
	}
	l.off += int64(l.end)
	l.pos, l.end = 0, 0
	for {
		n, err := l.r.Read(l.buf)
		l.end = n
		if n > 0 {
			if err != nil {
				l.r = nil
				l.later(err)
			}
			return true
		}
		if err != nil {
			l.r = nil
			l.later(err)
			return false
		}
	}
}

// later keeps an error of the reader that isn't its end.
func (l *lexer) later(err error) {
	if !errors.Is(err, io.EOF) && l.err == nil {
		l.err = err
	}
}

// peek is the next byte that isn't white space, 0 at the end.
func (l *lexer) peek() byte {
	for {
		for ; l.pos < l.end; l.pos++ {
			switch l.buf[l.pos] {
			case ' ', '\n', '\r', '\t':
			default:
				return l.buf[l.pos]
			}
		}
		if !l.fill() {
			return 0
		}
	}
}

// raw is the next byte, whatever it is.
func (l *lexer) raw() (byte, bool) {
	if l.pos >= l.end && !l.fill() {
		l.fail("the input ends in the middle")
		return 0, false
	}
	l.pos++
	return l.buf[l.pos-1], true
}

func (l *lexer) expect(c byte) bool {
	if l.err != nil {
		return false
	}
	switch got := l.peek(); {
	case l.err != nil:
		return false
	case got == c:
		l.pos++
		return true
	case got == 0 && l.pos >= l.end:
		l.fail("the input ends where %q was due", c)
	default:
		l.fail("%q where %q was due", got, c)
	}
	return false
}

// object calls each for every key. The key is valid until each reads on; each
// must read or skip the value. Anything but an object is skipped, and reported
// by false.
func (l *lexer) object(each func(key []byte)) bool {
	if l.peek() != '{' {
		l.skip()
		return false
	}
	if !l.enter() {
		return false
	}
	for first := true; l.more('}', first); first = false {
		key := l.text(maxString)
		if l.pos >= l.end || l.buf[l.pos] != ':' {
			key = bytes.Clone(key) // what follows may be in the next buffer
		}
		if !l.expect(':') {
			return false
		}
		each(key)
	}
	l.depth--
	return l.err == nil
}

// array calls each for every element, which must read or skip it. Anything but
// an array is skipped.
func (l *lexer) array(each func()) bool {
	if l.peek() != '[' {
		l.skip()
		return false
	}
	if !l.enter() {
		return false
	}
	for first := true; l.more(']', first); first = false {
		each()
	}
	l.depth--
	return l.err == nil
}

func (l *lexer) enter() bool {
	if l.err != nil {
		return false
	}
	l.pos++
	if l.depth++; l.depth > maxDepth {
		l.fail("nested deeper than %d", maxDepth)
		return false
	}
	return true
}

// more steps over a comma or the end.
func (l *lexer) more(end byte, first bool) bool {
	if l.err != nil {
		return false
	}
	if l.peek() == end {
		l.pos++
		return false
	}
	return first && l.err == nil || l.expect(',')
}

// truth reads true or false; anything else is false.
func (l *lexer) truth() bool {
	yes := l.peek() == 't'
	l.skip()
	return yes && l.err == nil
}

// skip steps over a value of any kind and length.
func (l *lexer) skip() {
	switch c := l.peek(); {
	case l.err != nil:
	case c == '"':
		l.pos++
		l.skipString()
	case c == '{' || c == '[':
		l.skipNested()
	case c == '-' || c >= '0' && c <= '9' || c == 't' || c == 'f' || c == 'n':
		l.skipWord()
	case c == 0 && l.pos >= l.end:
		l.fail("the input ends where a value was due")
	default:
		l.fail("%q where a value was due", c)
	}
}

func (l *lexer) skipString() {
	for l.err == nil {
		for i := l.pos; i < l.end; i++ {
			switch c := l.buf[i]; {
			case c == '"':
				l.pos = i + 1
				return
			case c == '\\':
				i++
				if i == l.end { // what it escapes is in the next buffer
					l.pos = l.end
					if _, ok := l.raw(); !ok {
						return
					}
					i = l.pos - 1
				}
			}
		}
		l.pos = l.end
		if !l.fill() {
			l.fail("the input ends in the middle of a string")
		}
	}
}

// skipWord steps over a number, true, false or null.
func (l *lexer) skipWord() {
	var word [8]byte
	n := 0
	for {
		for ; l.pos < l.end; l.pos++ {
			switch c := l.buf[l.pos]; c {
			case ',', '}', ']', ' ', '\n', '\r', '\t', ':':
				l.checkWord(string(word[:min(n, len(word))]))
				return
			default:
				if n < len(word) {
					word[n] = c
				}
				n++
			}
		}
		if !l.fill() {
			l.checkWord(string(word[:min(n, len(word))]))
			return
		}
	}
}

func (l *lexer) checkWord(word string) {
	switch {
	case word == "true", word == "false", word == "null":
	case word != "" && (word[0] == '-' || word[0] >= '0' && word[0] <= '9'):
	default:
		l.fail("%q where a value was due", word)
	}
}

// skipNested steps over an object or array. It counts brackets, each kind with
// its own closing one, and checks no more: what is skipped decides nothing.
func (l *lexer) skipNested() {
	var kinds [maxDepth/64 + 1]uint64 // bit n: the n-th open one is an object
	n := 0
	for l.err == nil {
		for l.pos < l.end {
			c := l.buf[l.pos]
			l.pos++
			switch c {
			case '"':
				l.skipString()
				if l.err != nil {
					return
				}
			case '{', '[':
				if n++; l.depth+n > maxDepth {
					l.fail("nested deeper than %d", maxDepth)
					return
				}
				kinds[n/64] &^= 1 << (n % 64)
				if c == '{' {
					kinds[n/64] |= 1 << (n % 64)
				}
			case '}', ']':
				if (kinds[n/64]>>(n%64)&1 == 1) != (c == '}') {
					l.fail("%q closes what something else opened", c)
					return
				}
				if n--; n == 0 {
					return
				}
			}
		}
		if !l.fill() {
			l.fail("the input ends in the middle")
		}
	}
}

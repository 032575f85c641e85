package profile

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/precedence"
)

func FuzzStrip(f *testing.F) {
	f.Add([]byte(strings.Join(pieces(), "\n")), true)
	f.Add([]byte("[x]\ns3 =\nrole_arn = y\n  foo = bar\n"), false)
	f.Add([]byte("[x]\n  region = a\n  role_arn =\n  aws_access_key_id = b\n"), false)
	f.Fuzz(func(t *testing.T, src []byte, config bool) {
		kind := precedence.Credentials
		if config {
			kind = precedence.Config
		}
		holds(t, src, kind)
	})
}

func TestStripHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { holds(rt, []byte(text(rt)), precedence.Config) })
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// holds checks what Strip promises, for the profile x.
func holds(t failer, src []byte, kind precedence.Kind) {
	t.Helper()
	out := Strip(src, kind, []string{"x"})
	before, after := Parse("f", kind, src), Parse("f", kind, out)
	gone := cut(src, kind, []string{"x"})

	lines := bytes.SplitAfter(src, []byte("\n"))
	for number := range gone {
		lines[number-1] = nil
	}
	if !bytes.Equal(bytes.Join(lines, nil), out) {
		t.Fatalf("%q: bytes of other lines changed: %q", src, out)
	}
	if again := Strip(out, kind, []string{"x"}); !bytes.Equal(again, out) {
		t.Fatalf("%q: a second time takes more: %q, %q", src, out, again)
	}
	for i := range before.Sections {
		s := &before.Sections[i]
		s.Keys = slices.DeleteFunc(s.Keys, func(k precedence.Key) bool { return gone[k.Line] })
	}
	if !sameContent(before.Sections, after.Sections) {
		t.Fatalf("%q: content changed\n before %+v\n after  %+v", src, before.Sections, after.Sections)
	}
	for _, s := range after.Sections {
		for _, k := range s.Keys {
			if precedence.SelectsSection(kind, s.Name, []string{"x"}) && precedence.GivesCredentials(k.Name) {
				t.Fatalf("%q: %s is still there", src, k.Name)
			}
		}
	}
}

func sameContent(a, b []precedence.Section) bool {
	return slices.EqualFunc(a, b, func(a, b precedence.Section) bool {
		return a.Name == b.Name && slices.EqualFunc(a.Keys, b.Keys, func(a, b precedence.Key) bool {
			return a.Name == b.Name && a.Value == b.Value && a.Blank == b.Blank
		})
	})
}

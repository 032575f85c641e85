package finding

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

func (f Finding) visible() Finding {
	f.Subject, f.Message, f.Cure = visible(f.Subject), visible(f.Message), visible(f.Cure)
	f.Range.File = visible(f.Range.File)
	f.Excerpt = strings.ReplaceAll(visible(strings.ReplaceAll(f.Excerpt, "\t", tab)), tab, "\t")
	f.Evidence = slices.Clone(f.Evidence)
	for i, e := range f.Evidence {
		f.Evidence[i] = visible(e)
	}
	return f
}

// tab stands for one while the others are made visible: a private character.
const tab = "\ue000"

// visible writes control characters, and those that turn the direction of text,
// as Go escapes them.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}

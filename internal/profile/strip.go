package profile

import (
	"strings"

	"github.com/holdfast/holdfast/internal/precedence"
)

// Strip takes the settings that give credentials out of the profiles'
// sections and leaves every other line as it is.
func Strip(src []byte, kind precedence.Kind, profiles []string) []byte {
	gone := cut(src, kind, profiles)
	var out strings.Builder
	for i, text := range strings.SplitAfter(string(src), "\n") {
		if !gone[i+1] {
			out.WriteString(text)
		}
	}
	return []byte(out.String())
}

// cut numbers the lines that go. A setting takes with it what one SDK or
// another reads as a part of it: what the Go SDK nests or continues below it,
// and, for botocore, whatever is indented deeper. Otherwise such a line would
// become a part of the setting before, or a setting of its own.
func cut(src []byte, kind precedence.Kind, profiles []string) map[int]bool {
	gone := map[int]bool{}
	inside, cutting, column := false, false, 0
	for _, l := range read(src) {
		switch l.sort {
		case other: // comments stay, wherever they are
			continue
		case header:
			inside, cutting = precedence.SelectsSection(kind, l.name, profiles), false
		case property:
			if cutting && l.column > column {
				break
			}
			cutting, column = inside && precedence.GivesCredentials(l.name), l.column
		}
		if cutting {
			gone[l.number] = true
		}
	}
	return gone
}

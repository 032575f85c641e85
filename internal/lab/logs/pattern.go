package logs

import (
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// pattern is a filter of unstructured lines:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
type pattern struct{ all, any, none []string }

// parsePattern reads terms, "phrases in quotes", ?alternatives and -exclusions.
func parsePattern(text string) (pattern, error) {
	var p pattern
	rest := strings.TrimSpace(text)
	if strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, "[") || strings.HasPrefix(rest, "%") {
		return p, wire.Unsupported("the filter pattern " + text)
	}
	for rest != "" {
		into := &p.all
		switch rest[0] {
		case '?':
			into, rest = &p.any, rest[1:]
		case '-':
			into, rest = &p.none, rest[1:]
		}
		var term string
		if strings.HasPrefix(rest, `"`) {
			end := strings.Index(rest[1:], `"`)
			if end < 0 {
				return p, invalid("Invalid filter pattern")
			}
			term, rest = rest[1:1+end], rest[end+2:]
		} else {
			term, rest, _ = strings.Cut(rest, " ")
			if strings.ContainsAny(term, `"{}[]()%&|`) {
				return p, invalid("Invalid filter pattern")
			}
		}
		*into = append(*into, term)
		rest = strings.TrimSpace(rest)
	}
	return p, nil
}

func (p pattern) fits(line string) bool {
	for _, term := range p.all {
		if !strings.Contains(line, term) {
			return false
		}
	}
	for _, term := range p.none {
		if strings.Contains(line, term) {
			return false
		}
	}
	for _, term := range p.any {
		if strings.Contains(line, term) {
			return true
		}
	}
	return len(p.any) == 0
}

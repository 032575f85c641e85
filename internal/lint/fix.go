package lint

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast/holdfast/internal/tf/code"
)

// Change is a file before and after its fixes.
type Change struct {
	Path   string
	Before []byte
	After  []byte
	Rules  []string // what is fixed, in the order of the findings
}

// Fix gives the files that the findings' edits change. A waived finding isn't
// fixed.
func Fix(t *code.Tree, found []Found) ([]Change, error) {
	edits := map[string][]code.Edit{}
	rules := map[string][]string{}
	for _, f := range found {
		if f.Waiver != nil {
			continue
		}
		for path, e := range f.Edits {
			edits[path] = append(edits[path], e...)
			rules[path] = append(rules[path], f.Rule)
		}
	}
	var out []Change
	for _, path := range slices.Sorted(maps.Keys(edits)) {
		src, ok := t.Source(path)
		if !ok {
			return nil, fmt.Errorf("%s is gone", path)
		}
		after, err := code.Apply(path, src, merged(edits[path]))
		if err != nil {
			return nil, err
		}
		if string(after) != string(src) {
			out = append(out, Change{path, src, after, rules[path]})
		}
	}
	return out, nil
}

// merged leaves one edit of several for the same argument: the first.
func merged(edits []code.Edit) []code.Edit {
	var out []code.Edit
	for _, e := range edits {
		if e.Append != "" || !slices.ContainsFunc(out, func(o code.Edit) bool {
			return o.Append == "" && slices.Equal(o.Block, e.Block) && o.Nth == e.Nth && o.Inner == e.Inner && o.Name == e.Name
		}) {
			out = append(out, e)
		}
	}
	return out
}

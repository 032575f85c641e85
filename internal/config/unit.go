package config

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Unit is a `unit` block: which identity the Terragrunt units of a path have.
type Unit struct {
	Path     string // relative to the file, with * for one name and ** for any number
	Identity string
	Range    hcl.Range
}

func decodeUnit(block *hcl.Block) (Unit, hcl.Diagnostics) {
	schema := &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "identity", Required: true}}}
	content, diags := block.Body.Content(schema)
	d := decoder{content.Attributes, diags}
	u := Unit{Path: path.Clean(block.Labels[0]), Identity: d.text("identity"), Range: block.DefRange}
	if path.IsAbs(u.Path) || strings.HasPrefix(u.Path, "..") {
		d.wrong(block.LabelRanges[0], "not a path below this file", fmt.Sprintf("%q", block.Labels[0]))
	}
	if _, err := path.Match(u.Path, ""); err != nil {
		d.wrong(block.LabelRanges[0], "not a pattern", fmt.Sprintf("%q: * stands for one name, ** for any number of them", block.Labels[0]))
	}
	return u, d.diags
}

// UnitOf is the identity of the first unit block whose path fits a unit's
// directory; empty if none does. Here is the directory that the file's own path
// is relative to.
func (f File) UnitOf(here, dir string) string {
	names, ok := f.below(here, dir)
	if !ok {
		return ""
	}
	for _, u := range f.Units {
		if fits(strings.Split(u.Path, "/"), names) {
			return u.Identity
		}
	}
	return ""
}

// below is a directory as names from the file's own directory on.
func (f File) below(here, dir string) ([]string, bool) {
	if f.Path == "" {
		return nil, false
	}
	root := filepath.Dir(f.Path)
	if !filepath.IsAbs(root) {
		root = filepath.Join(here, root)
	}
	rel, err := filepath.Rel(root, dir)
	return strings.Split(filepath.ToSlash(rel), "/"), err == nil
}

// fits matches names against a pattern, name by name.
func fits(pattern, names []string) bool {
	if len(pattern) == 0 {
		return len(names) == 0
	}
	if pattern[0] == "**" {
		for n := 0; n <= len(names); n++ {
			if fits(pattern[1:], names[n:]) {
				return true
			}
		}
		return false
	}
	if len(names) == 0 {
		return false
	}
	ok, _ := path.Match(pattern[0], names[0]) // a bad pattern was refused when it was read
	return ok && fits(pattern[1:], names[1:])
}

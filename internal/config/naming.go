package config

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Naming is an `environment` block: how roles are named in some
// directories.
type Naming struct {
	Name      string
	Paths     []string // patterns, seen from the file's directory; ** is any number of names
	Permanent bool     // roles = "permanent"; else "suffix"
	Range     hcl.Range
}

func decodeNaming(block *hcl.Block) (Naming, hcl.Diagnostics) {
	content, diags := block.Body.Content(attributes("paths", "roles"))
	d := decoder{content.Attributes, diags}
	e := Naming{Name: block.Labels[0], Paths: d.list("paths"), Range: block.DefRange}
	switch roles := d.text("roles"); roles {
	case "permanent":
		e.Permanent = true
	case "suffix":
	default:
		at := block.DefRange
		if a, ok := d.attributes["roles"]; ok {
			at = a.Expr.Range()
		}
		d.wrong(at, "no such convention", fmt.Sprintf(`%q: roles is "permanent" (a fixed name that stays) or "suffix" (a name that never comes again)`, roles))
	}
	if len(e.Paths) == 0 {
		d.wrong(block.DefRange, "an environment without paths", `say which directories it means: paths = ["live/prod/**"]`)
	}
	return e, d.diags
}

// Holds reports whether an environment block means a directory. Here is the
// directory that the file's own path is relative to.
func (f File) Holds(e Naming, here, dir string) bool {
	names, ok := f.below(here, dir)
	return ok && slices.ContainsFunc(e.Paths, func(p string) bool { return fits(strings.Split(path.Clean(p), "/"), names) })
}

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// belonging is an attribute that belongs to one source.
type belonging struct {
	from     From
	name     string
	required bool
	example  string
}

func belongings() []belonging {
	return []belonging{
		{TokenFile, "token_file", true, `token_file = "PATH"`},
		{Profile, "profile", true, `profile = "NAME"`},
		{Command, "command", true, `command = ["PROGRAM", "ARGUMENT"]`},
		{GitLab, "token_variable", true, `token_variable = "NAME"`},
		{GitHub, "audience", false, `audience = "sts.amazonaws.com"`},
	}
}

// source checks `from` against the attributes that belong to it, and finds it
// where it is left out.
func (d *decoder) source(i Identity, whole hcl.Range) From {
	from, at := i.From, whole
	if a, ok := d.attributes["from"]; ok {
		at = a.Expr.Range()
	}
	for _, b := range belongings() {
		if _, given := d.attributes[b.name]; given && from == "" {
			from = b.from
		}
	}
	if from == "" {
		from = Auto
	}
	all := []From{Auto, IRSA, PodIdentity, GitHub, GitLab, Profile, Environment, Command, TokenFile}
	if !slices.Contains(all, from) {
		d.wrong(at, "no such source", fmt.Sprintf("from is one of %s", list(all)))
		return from
	}
	for _, b := range belongings() {
		a, given := d.attributes[b.name]
		switch {
		case given && from != b.from:
			d.wrong(a.NameRange, b.name+" doesn't belong here", fmt.Sprintf("it goes with from = %q, and this is %s", b.from, from))
		case !given && from == b.from && b.required:
			d.wrong(at, "no "+b.name, fmt.Sprintf("from = %q needs %s", from, b.example))
		}
	}
	d.filled(i)
	return from
}

// filled refuses attributes that are there and say nothing.
func (d *decoder) filled(i Identity) {
	empty := map[string]bool{
		"token_file": i.TokenFile == "", "profile": i.Profile == "", "audience": i.Audience == "",
		"token_variable": i.TokenVariable == "", "command": len(i.Command) == 0 || i.Command[0] == "",
	}
	for _, b := range belongings() {
		if a, given := d.attributes[b.name]; given && empty[b.name] {
			d.wrong(a.Expr.Range(), "nothing in "+b.name, b.example)
		}
	}
}

func list(all []From) string {
	words := make([]string, len(all))
	for i, f := range all {
		words[i] = string(f)
	}
	return strings.Join(words, ", ")
}

package precedence

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Delivery is what the endpoint gives to a child.
type Delivery struct {
	FullURI   string
	Token     string
	TokenFile string

	// CopyDir is a private directory for the copies of configuration files.
	CopyDir string

	// Region counts only where neither a variable nor the selected profile
	// has one: it is what instance metadata would have said, which the child
	// can no longer ask.
	Region string
}

// Change is one difference between the old environment and the child's. Old
// and New never hold a secret.
type Change struct {
	Name string
	Old  string // "" if it wasn't set
	New  string // "" if it is taken out
	Why  string
}

// String is one line for `holdfast run --explain`.
func (c Change) String() string {
	switch {
	case c.New == "":
		return fmt.Sprintf("- %s (was %s): %s", c.Name, c.Old, c.Why)
	case c.Old == "":
		return fmt.Sprintf("+ %s = %s: %s", c.Name, c.New, c.Why)
	}
	return fmt.Sprintf("~ %s = %s (was %s): %s", c.Name, c.New, c.Old, c.Why)
}

// Plan is what a child needs: its environment, the copies that must be
// written before it starts, and the facts as they are for it.
type Plan struct {
	Env     Env
	Changes []Change
	Copies  []Copy
	After   Facts
}

// Child makes the environment in which the endpoint wins, unless code says
// otherwise, which Shadowed tells. Nothing is set to "": botocore takes a
// blank AWS_PROFILE for a missing profile and a blank relative URI for a set
// one. AWS_ENDPOINT_URL and its relatives aren't touched.
func Child(f Facts, d Delivery) Plan {
	p := planner{before: f.Env, plan: Plan{Env: Env{}}}
	for name, value := range f.Env {
		p.plan.Env[name] = value
	}
	for _, r := range removals() {
		if _, ok := f.Env[r.name]; ok {
			p.remove(r.name, r.why)
		}
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		if path, ok := f.Env[name]; ok && path == "" {
			p.remove(name, "botocore takes blank for no file, the others for the usual one")
		}
	}
	p.profiles(f)
	p.set(fullURI, d.FullURI, "holdfast's endpoint")
	p.deliver(token, d.Token, "the endpoint's token, for SDKs that know no token file")
	p.deliver(tokenFile, d.TokenFile, "the endpoint's token; it wins over the plain one")
	p.set("AWS_EC2_METADATA_DISABLED", "true", "an endpoint that fails must not end in the machine's own role")
	p.copies(f, d.CopyDir)
	p.region(d.Region)
	slices.SortStableFunc(p.plan.Changes, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	return p.plan
}

type removal struct{ name, why string }

// removals are the variables that would win over the endpoint in one SDK or
// another, or that shape credentials which are gone.
func removals() []removal {
	const keys = "static keys win over the endpoint and can't be renewed"
	const web = "web identity in variables wins over the endpoint"
	return []removal{
		{"AWS_ACCESS_KEY_ID", keys},
		{"AWS_ACCESS_KEY", keys},
		{"AWS_SECRET_ACCESS_KEY", keys},
		{"AWS_SECRET_KEY", keys},
		{"AWS_SESSION_TOKEN", keys},
		{"AWS_SECURITY_TOKEN", keys},
		{"AWS_CREDENTIAL_EXPIRATION", keys},
		{"AWS_CREDENTIAL_SCOPE", keys},
		{"AWS_CREDENTIAL_FILE", "botocore reads keys from it before it asks the endpoint"},
		{"AWS_WEB_IDENTITY_TOKEN_FILE", web},
		{"AWS_WEB_IDENTITY_TOKEN", web},
		{"AWS_ROLE_ARN", web},
		{"AWS_ROLE_SESSION_NAME", web},
		{relativeURI, "the relative URI wins over the full one"},
	}
}

type planner struct {
	before Env
	plan   Plan
}

func (p *planner) remove(name, why string) {
	p.change(name, "", why)
	delete(p.plan.Env, name)
}

// deliver leaves no other endpoint's token behind, which would be sent to ours.
func (p *planner) deliver(name, value, why string) {
	if _, inherited := p.plan.Env[name]; inherited && value == "" {
		p.remove(name, "it belongs to another endpoint")
		return
	}
	p.set(name, value, why)
}

func (p *planner) set(name, value, why string) {
	if value == "" || p.plan.Env[name] == value {
		return
	}
	p.change(name, value, why)
	p.plan.Env[name] = value
}

func (p *planner) change(name, to, why string) {
	old := ""
	if value, ok := p.before[name]; ok {
		old = describe(name, value)
	}
	if to != "" {
		to = describe(name, to)
	}
	p.plan.Changes = append(p.plan.Changes, Change{Name: name, Old: old, New: to, Why: why})
}

// describe shows a value only if it's known to be no secret. The endpoint's
// own address may hold a path that only the child should know.
func describe(name, value string) string {
	switch {
	case value == "":
		return "blank"
	case slices.Contains([]string{
		"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_SHARED_CONFIG_FILE", "AWS_CREDENTIAL_FILE",
		"AWS_EC2_METADATA_DISABLED", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
		tokenFile, "AWS_CREDENTIAL_EXPIRATION",
	}, name):
		return value
	}
	return "set, not shown"
}

// profiles takes out the variables that name a profile which botocore or Go
// doesn't find: both refuse to start with one. JavaScript passes over it.
func (p *planner) profiles(f Facts) {
	settled := f
	settled.Env = p.plan.Env
	view, sections := settled.python(), goFiles(settled)
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		profile, set := f.Env[name]
		_, python := view.profiles[profile]
		_, golang := sections[profile]
		switch {
		case !set || python && golang:
		case profile == "":
			p.remove(name, "botocore takes blank for the name of a profile")
		default:
			p.remove(name, "the Go SDK or botocore finds no such profile, and refuses to start")
		}
	}
}

// selected are the profiles that one SDK or another would select. They can
// differ: see pyProfileName and decideJavaScript.
func selected(env Env) []string {
	goName, _ := goProfileName(Facts{Env: env})
	pyName, _, _ := pyProfileName(env)
	jsName := env["AWS_PROFILE"]
	if jsName == "" {
		jsName = "default"
	}
	out := []string{goName, pyName, jsName}
	slices.Sort(out)
	return slices.Compact(out)
}

// copies replaces the files in which a selected profile gives credentials.
// Code may select a file's other profiles; those keep what they have.
func (p *planner) copies(f Facts, dir string) {
	profiles := selected(p.plan.Env)
	after := f
	after.Env, after.Files = p.plan.Env, slices.Clone(f.Files)
	for _, l := range Locations(p.plan.Env, f.Home) {
		file := f.readable(l)
		if file == nil {
			continue
		}
		keys := gives(*file, profiles)
		if len(keys) == 0 {
			continue
		}
		to := filepath.Join(dir, strings.ToLower(l.Variable))
		p.plan.Copies = append(p.plan.Copies, Copy{From: file.Path, To: to, Kind: l.Kind, Profiles: profiles, Keys: keys})
		p.set(l.Variable, to, fmt.Sprintf("a private copy without %s", strings.Join(keys, ", ")))
		after.Files = append(after.Files, strip(*file, to, profiles))
	}
	p.plan.After = after
}

// readable finds a location's file under either spelling of its path.
func (f Facts) readable(l Location) *File {
	if file := f.file(l.Path, l.Kind); file != nil {
		return file
	}
	return f.file(l.Expanded, l.Kind)
}

// region exports a region only where there is no other. The selected profile
// keeps its own in the copy, and exporting that one would win over the region
// of any other profile that code names.
func (p *planner) region(region string) {
	if first(p.plan.Env, "AWS_REGION", "AWS_DEFAULT_REGION") != "" {
		return
	}
	name, _ := goProfileName(Facts{Env: p.plan.Env})
	if v, ok := goFiles(p.plan.After)[name].keys["region"]; ok && !v.blank {
		return
	}
	const why = "instance metadata would have given it, and is off"
	p.set("AWS_REGION", region, why)
	p.set("AWS_DEFAULT_REGION", region, why+"; botocore reads this name only")
}

package app

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/source"
)

// resolved is an identity that was settled on, before anything is asked.
type resolved struct {
	name   string
	plan   source.Plan
	region string
}

// identities are all that a keeper may serve: what flags build, what
// holdfast.hcl declares, and what the environment holds.
type identities struct {
	req  Request
	proc Process
	env  precedence.Env
	file config.File
}

// declaredBy reads holdfast.hcl, if there is one.
func declaredBy(r Request, p Process, env precedence.Env) (identities, error) {
	out := identities{req: r, proc: p, env: env}
	path, err := config.Find(p.Dir, xdg(env, p.Home))
	if err != nil || path == "" {
		return out, err
	}
	out.file, err = config.Read(near(path, p.Dir))
	return out, err
}

// ofRun settles which identity a run has: the one that flags build or name, the
// only one of holdfast.hcl, or what the environment holds. Terragrunt's own role
// is part of the last, unless Terragrunt is there to assume it.
func (i identities) ofRun(terragrunt bool) (who resolved, explicit bool, err error) {
	block, found, err := choose(i.req, i.file)
	if err != nil {
		return resolved{}, false, err
	}
	if found {
		who, err = i.ofBlock(block)
		return who, true, err
	}
	env := func(name string) string {
		if !terragrunt && strings.HasPrefix(name, "TG_IAM_ASSUME_ROLE") {
			return ""
		}
		return i.env[name]
	}
	who, err = i.build("", i.req.Wish, i.req.Region, env)
	return who, i.req.asked(), err
}

// named is the identity of that name in holdfast.hcl.
func (i identities) named(name string) (resolved, error) {
	block, found, err := choose(Request{Identity: name}, i.file)
	if err != nil || !found {
		return resolved{}, err
	}
	return i.ofBlock(block)
}

// ofRole is the identity whose last role that is: one of holdfast.hcl, or the
// run's own with the role behind it.
func (i identities) ofRole(arn string) (resolved, error) {
	for _, block := range i.file.Identities {
		if n := len(block.Roles); n > 0 && block.Roles[n-1].ARN == arn {
			return i.ofBlock(block)
		}
	}
	who, _, err := i.ofRun(false)
	if err != nil {
		return resolved{}, err
	}
	role := source.Role{ARN: arn, SessionName: i.sessionName()}
	if arn == i.terragrunt() {
		if role, err = source.TerragruntRole(func(name string) string { return i.env[name] }, arn, i.sessionName()); err != nil {
			return resolved{}, noIdentity(err)
		}
	}
	if n := len(who.plan.Roles); n == 0 || who.plan.Roles[n-1].ARN != arn {
		who.plan.Roles = append(slices.Clone(who.plan.Roles), role)
	}
	who.name = i.roleName(arn)
	return who, role.Check()
}

// terragrunt is the role that Terragrunt was told to assume, by a variable or a
// flag of the command.
func (i identities) terragrunt() string {
	for n, arg := range i.req.Command {
		for _, flag := range []string{"--iam-assume-role", "--terragrunt-iam-role"} {
			if value, ok := strings.CutPrefix(arg, flag+"="); ok {
				return value
			}
			if arg == flag && n+1 < len(i.req.Command) {
				return i.req.Command[n+1]
			}
		}
	}
	return first(i.env["TG_IAM_ASSUME_ROLE"], i.env["TERRAGRUNT_IAM_ASSUME_ROLE"], i.env["TERRAGRUNT_IAM_ROLE"])
}

// declared are the roles that may be served by their ARN.
func (i identities) declared() []string {
	var all []string
	for _, block := range i.file.Identities {
		if n := len(block.Roles); n > 0 {
			all = append(all, block.Roles[n-1].ARN)
		}
	}
	if role := i.terragrunt(); role != "" {
		all = append(all, role)
	}
	return all
}

func (i identities) ofBlock(block config.Identity) (resolved, error) {
	wish := source.Wish{
		From: string(block.From), Profile: block.Profile, TokenFile: block.TokenFile,
		Audience: block.Audience, Variable: block.TokenVariable, Command: block.Command,
		SessionName: first(i.req.Wish.SessionName, block.SessionName),
	}
	for _, role := range block.Roles {
		wish.Roles = append(wish.Roles, source.Role{
			ARN: role.ARN, SessionName: role.SessionName, ExternalID: role.ExternalID, Duration: role.Duration,
			Tags: role.Tags, TransitiveTags: role.TransitiveTags, SourceIdentity: role.SourceIdentity, Policy: role.Policy,
		})
	}
	return i.build(block.Name, wish, first(i.req.Region, block.Region), func(name string) string { return i.env[name] })
}

func (i identities) build(name string, wish source.Wish, region string, env func(string) string) (resolved, error) {
	wish.ProfileGives = profileGives(i.proc, i.env)
	plan, err := source.Resolve(wish, env, i.sessionName())
	if err != nil {
		return resolved{}, noIdentity(err)
	}
	if name == "" {
		name = "base"
		if n := len(plan.Roles); n > 0 {
			name = i.roleName(plan.Roles[n-1].ARN)
		}
	}
	return resolved{name: name, plan: plan, region: region}, nil
}

// roleName is what an identity without a name of its own is called: its role,
// with the account where holdfast.hcl has another of that name.
func (i identities) roleName(arn string) string {
	name := roleName(arn)
	if _, taken := i.file.Identity(name); taken {
		if p, err := cred.ParseRole(arn); err == nil {
			return p.Account + "-" + name
		}
	}
	return name
}

func (i identities) sessionName() string {
	return source.SessionName("holdfast", i.proc.User, i.proc.Host)
}

// near names a file as a person in dir would, where that is shorter.
func near(path, dir string) string {
	if short, err := filepath.Rel(dir, path); err == nil && len(short) < len(path) {
		return short
	}
	return path
}

func choose(r Request, f config.File) (config.Identity, bool, error) {
	if r.Identity == "" {
		if r.asked() || len(f.Identities) == 0 {
			return config.Identity{}, false, nil
		}
		if len(f.Identities) == 1 {
			return f.Identities[0], true, nil
		}
		return config.Identity{}, false, &cure.Error{
			What: f.Path + " has more than one identity", Cure: "say which:  --identity " + strings.Join(names(f), " | "), Class: cure.Usage,
		}
	}
	if identity, ok := f.Identity(r.Identity); ok {
		return identity, true, nil
	}
	e := &cure.Error{What: fmt.Sprintf("there is no identity %q", r.Identity), Class: cure.Usage}
	switch {
	case f.Path == "":
		e.Cure = "there is no " + config.Name + " from here up to the repository's root, nor in ~/.config/holdfast"
	case len(f.Identities) == 0:
		e.Cure = f.Path + " has none"
	default:
		e.Cure = f.Path + " has " + strings.Join(names(f), ", ")
	}
	return config.Identity{}, false, e
}

func names(f config.File) []string {
	var all []string
	for _, i := range f.Identities {
		all = append(all, i.Name)
	}
	return all
}

func noIdentity(err error) error {
	e := &cure.Error{What: err.Error(), Err: err}
	if no, ok := err.(*source.NoIdentityError); ok {
		e.What, e.Cure = no.What, no.Cure
	}
	return e
}

func xdg(env precedence.Env, home string) string {
	if dir := env["XDG_CONFIG_HOME"]; dir != "" {
		return dir
	}
	if home == "" {
		return ""
	}
	return home + "/.config"
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

package app

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/source"
)

// resolved is an identity that was settled on, before anything is asked.
type resolved struct {
	name   string
	plan   source.Plan
	region string
	file   config.File
}

// resolve settles which identity is meant: the one that flags build or name,
// the only one of holdfast.hcl, or what the environment holds.
func resolve(r Request, p Process, env precedence.Env) (resolved, error) {
	path, err := config.Find(p.Dir, xdg(env, p.Home))
	if err != nil {
		return resolved{}, err
	}
	var out resolved
	if path != "" {
		path = near(path, p.Dir)
		if out.file, err = config.Read(path); err != nil {
			return resolved{}, err
		}
	}
	wish, region := r.Wish, r.Region
	identity, found, err := choose(r, out.file)
	if err != nil {
		return resolved{}, err
	}
	if found {
		wish = source.Wish{
			From: string(identity.From), Profile: identity.Profile, TokenFile: identity.TokenFile,
			Audience: identity.Audience, Variable: identity.TokenVariable, Command: identity.Command,
			SessionName: first(r.Wish.SessionName, identity.SessionName),
		}
		for _, role := range identity.Roles {
			wish.Roles = append(wish.Roles, source.Role{
				ARN: role.ARN, SessionName: role.SessionName, ExternalID: role.ExternalID, Duration: role.Duration,
				Tags: role.Tags, TransitiveTags: role.TransitiveTags, SourceIdentity: role.SourceIdentity, Policy: role.Policy,
			})
		}
		region = first(region, identity.Region)
	}
	out.region = region
	wish.ProfileGives = profileGives(p, env)
	out.plan, err = source.Resolve(wish, func(name string) string { return env[name] }, source.SessionName("holdfast", p.User, p.Host))
	if err != nil {
		return resolved{}, noIdentity(err)
	}
	out.name = nameOf(identity.Name, out.plan)
	return out, nil
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

// nameOf is what the identity is called in messages and in the endpoint's URL.
func nameOf(given string, plan source.Plan) string {
	switch {
	case given != "":
		return given
	case len(plan.Roles) > 0:
		return roleName(plan.Roles[len(plan.Roles)-1].ARN)
	default:
		return "base"
	}
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

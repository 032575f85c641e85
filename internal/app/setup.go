package app

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/profile"
)

// Setup is a profile that is to be written into an AWS config file, or taken
// out again.
type Setup struct {
	Profile  string
	Identity string // of holdfast.hcl; empty for what run would take
	Remove   bool
	File     string // AWS_CONFIG_FILE, or ~/.aws/config, if empty
}

// SetupProfile does it, and returns the file's path.
func SetupProfile(s Setup, p Process) (string, error) {
	env := precedence.NewEnv(p.Environ)
	path := s.File
	if path == "" {
		path = precedence.Locations(env, p.Home)[0].Expanded
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.Dir, path)
	}
	if err := profile.CheckName(s.Profile); err != nil {
		return "", &cure.Error{What: err.Error(), Class: cure.Usage, Err: err}
	}
	if s.Remove {
		err := profile.Edit(path, func(src []byte, _ bool) ([]byte, bool, error) { return profile.Remove(src, s.Profile) })
		return path, setupFailed(s, path, err)
	}
	command := "holdfast credentials"
	if s.Identity != "" {
		all, err := declaredBy(Request{}, p, env)
		if err != nil {
			return "", err
		}
		if _, err := all.named(s.Identity); err != nil {
			return "", err
		}
		command += " --identity " + s.Identity
	}
	if err := otherCredentials(s.Profile, env, p); err != nil {
		return "", err
	}
	err := profile.Edit(path, func(src []byte, existed bool) ([]byte, bool, error) {
		out, err := profile.Add(src, existed, s.Profile, command)
		return out, false, err
	})
	return path, setupFailed(s, path, err)
}

// otherCredentials refuses a name that the credentials file has: its keys would
// win over ours in every SDK.
func otherCredentials(name string, env precedence.Env, p Process) error {
	files, err := profile.Read(env, p.Home, nil)
	if err != nil {
		return err
	}
	for _, f := range files {
		for _, section := range f.Sections {
			if f.Kind == precedence.Credentials && section.Name == name {
				where := precedence.Where{File: f.Path, Line: section.Line, Column: section.Column}
				return &cure.Error{What: fmt.Sprintf("%s has a profile %s, whose keys would win", where, name), Cure: "take another name", Class: cure.Refused}
			}
		}
	}
	return nil
}

func setupFailed(s Setup, path string, err error) error {
	e := &cure.Error{Err: err, Class: cure.Refused}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, profile.ErrForeign):
		e.What, e.Cure = fmt.Sprintf("%s has a profile %s that holdfast didn't write", path, s.Profile), "take another name, or take that one out by hand"
	case errors.Is(err, profile.ErrChanged):
		e.What, e.Cure = fmt.Sprintf("the profile %s in %s was changed by hand", s.Profile, path), `take it out by hand: the lines from "# holdfast setup profile" to ": end"`
	case errors.Is(err, profile.ErrNone):
		e.What, e.Class = fmt.Sprintf("%s has no profile %s", path, s.Profile), cure.Failed
	default:
		e.What, e.Why, e.Class = "can't change "+path, []string{err.Error()}, cure.Failed
	}
	return e
}

// Package shim (adapter) puts links named tofu and terraform in the way of a
// command that will start them: a directory at the front of PATH whose links
// lead back to holdfast, which then starts the real program behind each.
//
// It promises that a link stands only for a name that the user's own PATH has,
// that a link never starts another engine than its own name, and that the real
// program sees PATH and TG_TF_PATH as they were.
package shim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Variables by which a link knows that it is one, and what stood there before.
const (
	EnvDir   = "HOLDFAST_LINKS"         // the directory of the links
	EnvTG    = "HOLDFAST_TG_TF_PATH"    // what TG_TF_PATH was
	EnvOldTG = "HOLDFAST_TERRAGRUNT_TF" // what TERRAGRUNT_TFPATH was
	EnvDepth = "HOLDFAST_LINK_DEPTH"    // how many links are above
)

// tooDeep is the number of links above at which a link gives up: something
// looks PATH up again and finds us each time.
const tooDeep = 4

// Env reads and changes an environment.
type Env map[string]string

// Install makes the links in dir and returns the environment of a command that
// shall find them. Engine says whether a file name is one of ours.
func Install(dir, holdfast string, env Env, engine func(string) string) (Env, []string, error) {
	names := Names(env["PATH"], engine)
	out := clone(env)
	for variable, keep := range map[string]string{"TG_TF_PATH": EnvTG, "TERRAGRUNT_TFPATH": EnvOldTG} {
		value := env[variable]
		if value == "" {
			continue
		}
		base := filepath.Base(value)
		if engine(base) == "" {
			continue // somebody's own wrapper: what it starts by name is linked
		}
		if !slices.Contains(names, base) {
			names = append(names, base)
		}
		out[variable], out[keep] = filepath.Join(dir, base), value
	}
	for _, name := range names {
		if err := os.Symlink(holdfast, filepath.Join(dir, name)); err != nil {
			return nil, nil, fmt.Errorf("a link named %s: %w", name, err)
		}
	}
	out["PATH"] = dir + string(os.PathListSeparator) + env["PATH"]
	out[EnvDir] = dir
	return out, names, nil
}

// Names are the names of engines that a PATH has, each once.
func Names(path string, engine func(string) string) []string {
	var names []string
	for _, dir := range filepath.SplitList(path) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // as a shell does
		}
		for _, e := range entries {
			if engine(e.Name()) == "" || slices.Contains(names, e.Name()) {
				continue // PATH holds thousands of names; only ours are looked at further
			}
			if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

// Real is what a link stands for.
type Real struct {
	Name string // of the link, or the path that TG_TF_PATH had
	Env  Env    // as it would be without links
}

// Resolve says what the link of that name stands for, in an environment that
// Install made.
func Resolve(link string, env Env) (Real, error) {
	dir := env[EnvDir]
	if dir == "" {
		return Real{}, errors.New(link + " is a link to holdfast, but no holdfast run is above it")
	}
	depth, _ := strconv.Atoi(env[EnvDepth])
	if depth >= tooDeep {
		return Real{}, fmt.Errorf("what %s starts leads back to it again and again: something on PATH looks PATH up anew", link)
	}
	r := Real{Name: link, Env: Strip(env)}
	r.Env[EnvDepth] = strconv.Itoa(depth + 1)
	for variable, kept := range map[string]string{"TG_TF_PATH": EnvTG, "TERRAGRUNT_TFPATH": EnvOldTG} {
		if value, ok := env[kept]; ok && filepath.Base(value) == link {
			r.Name = r.Env[variable]
		}
	}
	return r, nil
}

// Strip is an environment as it would be without our links.
func Strip(env Env) Env {
	out := clone(env)
	dir := env[EnvDir]
	if dir == "" {
		return out
	}
	out["PATH"] = without(env["PATH"], dir)
	for variable, kept := range map[string]string{"TG_TF_PATH": EnvTG, "TERRAGRUNT_TFPATH": EnvOldTG} {
		value, ok := env[kept]
		if !ok {
			continue
		}
		out[variable] = value
		delete(out, kept)
	}
	delete(out, EnvDir)
	return out
}

// without takes a directory out of a PATH, wherever it stands in it and however
// often.
func without(path, dir string) string {
	var kept []string
	for _, d := range strings.Split(path, string(os.PathListSeparator)) {
		if filepath.Clean(d) != filepath.Clean(dir) || d == "" {
			kept = append(kept, d)
		}
	}
	return strings.Join(kept, string(os.PathListSeparator))
}

func clone(env Env) Env {
	out := make(Env, len(env)+4)
	for name, value := range env {
		out[name] = value
	}
	return out
}

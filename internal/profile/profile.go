// Package profile (adapter) reads AWS configuration files, writes the private
// copies that a child process gets, in which the selected profile gives no
// credentials, and puts a profile of ours into a user's own file.
//
// It promises that reading never changes a file, that a profile of ours can be
// taken out again without a byte left behind, that a copy differs from its
// original by whole lines only, all of them settings that give credentials in
// the profiles that were asked for, and that copies are readable by their
// owner alone. No value of a secret leaves it.
//
// It reads the Go SDK's dialect, with line and column, and reports what
// botocore would refuse. Three differences aren't modelled: botocore keeps
// inline comments and quotes as parts of a value, takes an indented setting
// for a continuation of the line above, and lets [DEFAULT] fill every section.
package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// Read reads the files that env, and the clients that code configures, lead
// to. A file that isn't there is no error. One that can't be read is empty to
// every SDK; it is in the error, beside all that could be read.
func Read(env precedence.Env, home string, clients []code.Client) ([]precedence.File, error) {
	var files []precedence.File
	var errs []error
	for _, place := range places(env, home, clients) {
		src, err := os.ReadFile(place.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s file: %w", place.kind, err))
			continue
		}
		files = append(files, Parse(place.path, place.kind, src))
	}
	return files, errors.Join(errs...)
}

type place struct {
	path string
	kind precedence.Kind
}

func places(env precedence.Env, home string, clients []code.Client) []place {
	var out []place
	add := func(path string, kind precedence.Kind) {
		p := place{path: path, kind: kind}
		if path != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	for _, l := range precedence.Locations(env, home) {
		add(l.Path, l.Kind)
		add(l.Expanded, l.Kind)
	}
	for _, client := range clients {
		paths := precedence.ClientPaths(client, env)
		for _, kind := range []precedence.Kind{precedence.Config, precedence.Credentials} {
			for _, path := range paths[kind] {
				add(path, kind)
			}
		}
	}
	return out
}

// Write makes the copies that Child asked for. The directory must be private
// already: a copy holds the other profiles' keys.
func Write(copies []precedence.Copy) error {
	for _, c := range copies {
		if err := writeOne(c); err != nil {
			return err
		}
	}
	return nil
}

func writeOne(c precedence.Copy) (err error) {
	dir := filepath.Dir(c.To)
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("directory for private copies: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("directory for private copies: %s has mode %#o, want 0700", dir, info.Mode().Perm())
	}
	src, err := os.ReadFile(c.From)
	if err != nil {
		return fmt.Errorf("copy %s file: %w", c.Kind, err)
	}
	f, err := os.OpenFile(c.To, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy %s file: %w", c.Kind, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(Strip(src, c.Kind, c.Profiles)); err != nil {
		return fmt.Errorf("copy %s file: %w", c.Kind, err)
	}
	return nil
}

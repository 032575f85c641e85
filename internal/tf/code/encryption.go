package code

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// reference is a variable or a local value that is read.
var reference = regexp.MustCompile(`\b(var|local)\.([\pL_][\pL\pN_-]*)`)

// Encryption lists the files of a directory that say how OpenTofu encrypts its
// state (https://opentofu.org/docs/language/state/encryption/): those with an
// encryption block, those that declare the variables and local values which
// these files read, and the files that give variables their values. It may be
// more than is needed, never less. There are none if the code says nothing of it.
func Encryption(dir string, engine Engine) ([]string, error) {
	read := readDir(job{dir: dir}, engine, []string{"encryption"})
	if len(read.problems) > 0 {
		return nil, fmt.Errorf("%s: %s", read.problems[0].Range, read.problems[0].Message)
	}
	if read.module == nil {
		return nil, nil
	}
	declares := map[string][]*File{}
	var files []*File
	need := func(f *File) {
		if !slices.Contains(files, f) {
			files = append(files, f)
		}
	}
	for _, b := range read.module.Blocks {
		switch {
		case b.Type == "terraform" && len(b.Inner("encryption")) > 0:
			need(b.File)
		case b.Type == "variable" && len(b.Labels) == 1:
			declares["var."+b.Labels[0]] = append(declares["var."+b.Labels[0]], b.File)
		case b.Type == "locals":
			for _, a := range b.Args {
				declares["local."+a.Name] = append(declares["local."+a.Name], b.File)
			}
		}
	}
	variables := false
	for i := 0; i < len(files); i++ { // it grows
		for _, found := range reference.FindAllSubmatch(files[i].Src, -1) {
			variables = variables || string(found[1]) == "var"
			for _, f := range declares[string(found[1])+"."+string(found[2])] {
				need(f)
			}
		}
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	if variables {
		values, err := valueFiles(dir)
		if err != nil {
			return nil, err
		}
		paths = append(paths, values...)
	}
	return paths, nil
}

// valueFiles are the files from which variables get values unasked
// (https://opentofu.org/docs/language/values/variables/).
func valueFiles(dir string) (paths []string, err error) {
	for _, pattern := range []string{"terraform.tfvars", "terraform.tfvars.json", "*.auto.tfvars", "*.auto.tfvars.json"} {
		found, problem := fs.Glob(os.DirFS(dir), pattern)
		err = errors.Join(err, problem)
		for _, name := range found {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths, err
}

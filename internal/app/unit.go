package app

import (
	"context"
	"path/filepath"
	"strings"
	"sync"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tfexec"
)

// unitDir is the directory of the Terragrunt unit that a Terraform works for:
// Terragrunt copies the code into UNIT/.terragrunt-cache/HASH/HASH.
func unitDir(dir string) string {
	unit, _, _ := strings.Cut(filepath.ToSlash(dir), "/.terragrunt-cache/")
	return filepath.FromSlash(unit)
}

// rendered remembers which role each unit's own files name.
type rendered struct {
	mu    sync.Mutex
	units map[string]*answer
}

type answer struct {
	once sync.Once
	role string
	err  error
}

// role asks Terragrunt for the iam_role of the unit in dir, once.
func (r *rendered) role(ctx context.Context, dir string, env precedence.Env) (string, error) {
	r.mu.Lock()
	if r.units == nil {
		r.units = map[string]*answer{}
	}
	a, ok := r.units[dir]
	if !ok {
		a = &answer{}
		r.units[dir] = a
	}
	r.mu.Unlock()
	a.once.Do(func() {
		path, err := supervise.Find("terragrunt", env["PATH"])
		if err != nil {
			a.err = err
			return
		}
		a.role, a.err = tfexec.RenderedRole(ctx, path, dir, env.Environ())
	})
	return a.role, a.err
}

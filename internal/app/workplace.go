package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/awsapi/statestore"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/backend"
	"github.com/holdfast/holdfast/internal/tf/state"
	"github.com/holdfast/holdfast/internal/tfexec"
)

// workplace is a Terraform's working directory, with the program, the
// environment and the credentials that it works with there.
type workplace struct {
	dir         string // absolute
	engine      string // tofu or terraform
	path        string // of the program
	noEngine    error  // why the program isn't known, which only matters where it is needed
	env         precedence.Env
	credentials statestore.Credentials
}

func (w workplace) terraform() tfexec.Directory {
	return tfexec.Directory{Path: w.path, Dir: w.dir, Environ: w.env.Environ()}
}

// dataDir is where init wrote the backend down.
func (w workplace) dataDir() string {
	dir := first(w.env["TF_DATA_DIR"], ".terraform")
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(w.dir, dir)
}

func (w workplace) backend() (b backend.Backend, workspace string, err error) {
	src, err := os.ReadFile(filepath.Join(w.dataDir(), "terraform.tfstate"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, "", err
	}
	if b, err = backend.Parse(src); err != nil {
		return b, "", fmt.Errorf("%s: %w", filepath.Join(w.dataDir(), "terraform.tfstate"), err)
	}
	selected, err := os.ReadFile(filepath.Join(w.dataDir(), "environment"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, "", err
	}
	return b, backend.Workspace(w.env["TF_WORKSPACE"], string(selected)), nil
}

// store is the backend of the directory. For S3 it is reached directly, locks
// and digest included; for any other through Terraform's own commands.
func (w workplace) store(ctx context.Context) (rescue.Store, error) {
	b, workspace, err := w.backend()
	if err != nil {
		return nil, err
	}
	if b.Type != "s3" {
		if w.noEngine != nil {
			return nil, w.noEngine
		}
		return pulled{w.terraform(), b.Type + " backend of " + w.dir}, nil
	}
	at, err := b.S3(workspace)
	if err != nil {
		return nil, err
	}
	return w.bucket(ctx, at.Environment(w.env))
}

func (w workplace) bucket(ctx context.Context, at backend.S3) (*statestore.Store, error) {
	credentials := w.credentials
	if at.Profile != "" {
		aws, err := identity.Load(ctx, identity.Options{Profile: at.Profile, Region: at.Region})
		if err != nil {
			return nil, err
		}
		credentials = (&identity.Default{AWS: aws}).Fetch
	}
	return statestore.New(at, credentials)
}

// keysOf are the static keys of an environment.
func keysOf(env precedence.Env) statestore.Credentials {
	return func(context.Context) (cred.Set, error) {
		if env["AWS_ACCESS_KEY_ID"] == "" {
			return cred.Set{}, errors.New("no credentials are known for this directory")
		}
		return cred.New(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"]), nil
	}
}

// pulled is a backend that only Terraform can reach: its locks can't be seen, so
// Terraform's own locking guards a push, and none is ever released.
type pulled struct {
	terraform tfexec.Directory
	where     string
}

func (p pulled) Look(ctx context.Context) (rescue.Remote, error) {
	r := rescue.Remote{Where: p.where}
	content, err := p.terraform.StatePull(ctx)
	if err != nil || len(content) == 0 {
		return r, err
	}
	r.Exists, r.MD5 = true, state.Digest(content)
	r.State, err = state.Parse(content)
	return r, err
}

var errOnlyTerraform = errors.New("only Terraform itself can do that with this backend")

func (pulled) SetDigest(context.Context, string, string) error { return errOnlyTerraform }
func (pulled) Take(context.Context, state.Lock) error          { return errOnlyTerraform }
func (pulled) Release(context.Context, string) error           { return errOnlyTerraform }

// Copy puts nothing anywhere: there is no place beside such a state.
func (pulled) Copy(context.Context, string, []byte) (string, error) { return "", nil }

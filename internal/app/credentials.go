package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/credcache"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/endpoint"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/profile"
)

// Credentials returns one valid credential of an identity: from the keeper
// above, if there is one and no flags build an identity that it doesn't know,
// else by an exchange of our own, kept in a file for whoever asks next.
func Credentials(ctx context.Context, req Request, proc Process) (cred.Set, error) {
	env := precedence.NewEnv(proc.Environ)
	if welcome, err := above(ctx, env, req, proc.Dir); welcome != nil || err != nil {
		if err != nil {
			return cred.Set{}, err
		}
		return endpoint.Ask(ctx, welcome.URL, welcome.Token)
	}
	return alone(ctx, req, proc, env)
}

// above asks the keeper above where an identity is served; nil if there is no
// keeper, or flags build an identity of their own.
func above(ctx context.Context, env precedence.Env, req Request, dir string) (*link.Welcome, error) {
	only := Request{Identity: req.Identity, Command: req.Command}
	role := ""
	if len(req.Wish.Roles) == 1 && req.Wish.TokenFile == "" && req.Wish.Profile == "" {
		role = req.Wish.Roles[0].ARN
	}
	if env[link.Env] == "" || role == "" && only.asked() != req.asked() {
		return nil, nil
	}
	client, err := link.Dial(env[link.Env])
	if err != nil {
		return nil, nil // it is gone; whoever asks is told by what happens next
	}
	defer client.Close()
	welcome, err := client.Ask(link.Ask{Identity: req.Identity, Role: role, Dir: unitDir(dir)})
	if err != nil {
		return nil, &cure.Error{What: err.Error(), Err: err}
	}
	return &welcome, ctx.Err()
}

// alone exchanges by ourselves, once for any number of processes.
func alone(ctx context.Context, req Request, proc Process, env precedence.Env) (cred.Set, error) {
	all, err := declaredBy(req, proc, env)
	if err != nil {
		return cred.Set{}, err
	}
	who, _, err := all.ofRun(true)
	if err != nil {
		return cred.Set{}, err
	}
	dir := env["XDG_CACHE_HOME"]
	if dir == "" {
		dir = filepath.Join(proc.Home, ".cache")
	}
	sum := sha256.Sum256([]byte(keyOf(who.plan.First, who.plan.Roles, who.region)))
	return credcache.Get(ctx, filepath.Join(dir, "holdfast"), hex.EncodeToString(sum[:16]), enough, func(ctx context.Context) (cred.Set, error) {
		s := newService(ctx, proc, event.Discard)
		defer s.close()
		c, err := s.chain(ctx, who)
		if err != nil {
			return cred.Set{}, err
		}
		if err := c.ready(ctx); err != nil {
			return cred.Set{}, err
		}
		return c.last().Get(ctx)
	})
}

// enough reports whether a kept credential may still be given out: with a
// quarter of its life left, whoever asks won't be back at once.
func enough(set cred.Set) bool {
	return set.Expires.IsZero() || set.Left(time.Now()) > set.Lifetime()/4
}

// Shaved is when a taker of `credential_process` should come again: the Go SDK
// refreshes such a credential only after its end, with requests under way, so it
// is told an end that is five minutes early, less for short sessions.
func Shaved(set cred.Set) time.Time {
	if set.Expires.IsZero() {
		return time.Time{}
	}
	return set.Expires.Add(-min(5*time.Minute, set.Left(time.Now())/4))
}

// TerragruntAuth is what Terragrunt's --auth-provider-cmd takes
// (docs/TERRAGRUNT.md).
type TerragruntAuth struct {
	Credentials *TerragruntKeys   `json:"awsCredentials,omitempty"`
	Envs        map[string]string `json:"envs,omitempty"`
}

// TerragruntKeys are static keys in Terragrunt's spelling.
type TerragruntKeys struct {
	AccessKeyID     string `json:"ACCESS_KEY_ID"`
	SecretAccessKey string `json:"SECRET_ACCESS_KEY"`
	SessionToken    string `json:"SESSION_TOKEN"`
}

// AuthForTerragrunt points the unit that we are called in at the endpoint, by
// variables that Terragrunt puts over its environment. Notes are for a person.
// With static, or without a keeper above, it returns keys.
func AuthForTerragrunt(ctx context.Context, req Request, proc Process, static bool) (out TerragruntAuth, notes []string, err error) {
	env := precedence.NewEnv(proc.Environ)
	welcome, err := above(ctx, env, req, proc.Dir)
	if err != nil {
		return out, nil, err
	}
	if welcome == nil || static {
		set, err := Credentials(ctx, req, proc)
		if err != nil {
			return out, nil, err
		}
		out.Credentials = &TerragruntKeys{set.AccessKeyID(), set.Secret(), set.Token()}
		if !static {
			notes = append(notes, "no keeper is above, so these are keys that nobody renews; start it as  holdfast run -- terragrunt ...")
		}
		return out, notes, nil
	}
	files, unread := profile.Read(env, proc.Home, nil)
	over, winner := precedence.Overlay(precedence.Facts{Env: env, Home: proc.Home, Files: files}, precedence.Delivery{
		FullURI: welcome.URL, Token: welcome.Token, TokenFile: welcome.TokenFile, Region: welcome.Region,
	})
	if unread != nil {
		notes = append(notes, "couldn't be looked at: "+unread.Error())
	}
	if !winner.Endpoint() {
		notes = append(notes, winner.Where.String()+" wins over the endpoint, and Terragrunt can't take it out; unset it, or start Terragrunt as  holdfast run -- terragrunt ...")
	}
	out.Envs = over
	return out, notes, nil
}

// undeclared is the refusal of a role that nobody declared.
func undeclared(arn string, declared []string) error {
	if slices.Contains(declared, arn) {
		return nil
	}
	return errors.New("the role " + arn + " isn't declared; add to holdfast.hcl:  identity \"" + roleName(arn) + "\" { role \"" + arn + "\" {} }")
}

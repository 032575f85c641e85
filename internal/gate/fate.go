package gate

import (
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

// fate is what a plan does to one role or user. Its ID in IAM is another one
// after it came.
type fate struct {
	arn  string // as it is now; "" if it isn't there now
	id   string // unique_id, as it is now
	kind string // role, user
	path string
	name string

	goes, comes bool
	from, to    string // addresses of the resources that go and come
	provider    string
	account     string // "" if the plan doesn't tell
}

// again reports whether it comes back under its old name.
func (f *fate) again() bool { return f.goes && f.comes }

// title is how it is called in sentences.
func (f *fate) title() string { return f.kind + " " + f.name }

// how says what the plan does to it.
func (f *fate) how() string {
	id := ""
	if f.id != "" {
		id = " (now " + f.id + ")"
	}
	switch {
	case f.again() && f.from != f.to:
		return fmt.Sprintf("%s%s is deleted and %s makes it again under the same name", f.from, id, f.to)
	case f.again():
		return fmt.Sprintf("%s%s is made again under its name", f.from, id)
	case f.goes:
		return fmt.Sprintf("%s%s is deleted", f.from, id)
	}
	return f.to + " makes it"
}

// is reports whether an ARN means this role or user.
func (f *fate) is(arn string) bool {
	if f.arn != "" {
		return f.arn == arn
	}
	p, err := cred.ParsePrincipal(arn)
	return err == nil && p.Session == "" && p.Kind == f.kind && p.Name == f.name && p.Path == f.path &&
		(f.account == "" || f.account == p.Account)
}

// fates are what happens to the plan's roles and users: which go, which come,
// and which of those are the same.
func fates(j *judge) []*fate {
	var all []*fate
	for _, c := range j.plan.Drift {
		if strings.HasPrefix(c.Type, "aws_iam_") {
			all = append(all, gone(j.plan, c)) // somebody else deleted it
		}
	}
	for _, c := range j.role {
		if c.Actions.Has(plan.Delete) {
			all = append(all, gone(j.plan, c))
		}
	}
	for _, c := range j.role {
		if !c.Actions.Has(plan.Create) {
			continue
		}
		name, path := c.After.Get(plan.RoleName), c.After.Get(plan.Path)
		if path == "" {
			path = "/"
		}
		if name == "" {
			j.undecided(c)
			continue
		}
		if f := match(all, c, name, path, j.plan.Provider(c.Address)); f != nil {
			f.comes, f.to = true, c.Address
			continue
		}
		if c.Actions == plan.Create {
			provider := j.plan.Provider(c.Address)
			all = append(all, &fate{kind: kind(c), path: path, name: name, comes: true, to: c.Address, provider: provider, account: j.account(provider)})
		}
	}
	return all
}

func kind(c plan.Change) string { return strings.TrimPrefix(c.Type, "aws_iam_") }

func gone(p *plan.Plan, c plan.Change) *fate {
	f := &fate{arn: c.Before.Get(plan.ARN), id: c.Before.Get(plan.UniqueID), kind: kind(c), goes: true, from: c.Address,
		name: c.Before.Get(plan.RoleName), path: c.Before.Get(plan.Path), provider: p.Provider(c.Address)}
	if who, err := cred.ParsePrincipal(f.arn); err == nil {
		f.name, f.path, f.account = who.Name, who.Path, who.Account
	}
	return f
}

// match finds what goes under the name that comes. Two provider blocks may be
// two accounts.
func match(all []*fate, c plan.Change, name, path, provider string) *fate {
	for _, f := range all {
		if f.goes && !f.comes && f.kind == kind(c) && f.name == name && f.path == path &&
			(f.from == c.Address || f.provider == "" || provider == "" || f.provider == provider) {
			return f
		}
	}
	return nil
}

// undecided tells of a name that is known after the apply only, although the
// code writes one. A name that AWS makes up never comes again.
func (j *judge) undecided(c plan.Change) {
	if _, refers := j.plan.Written(c.Address, "name"); refers && c.Actions.Has(plan.Delete) {
		j.cannot(c.Address, "its name is known only after the apply, so whether it is the old one, %s, can't be judged", c.Before.Get(plan.RoleName))
	}
}

// account is the account of a provider block's roles, "" if the plan has none
// that tells.
func (j *judge) account(provider string) string {
	for _, c := range j.role {
		if who, err := cred.ParsePrincipal(c.Before.Get(plan.ARN)); err == nil && j.plan.Provider(c.Address) == provider {
			return who.Account
		}
	}
	for _, arn := range j.plan.Callers {
		if who, err := cred.ParsePrincipal(arn); err == nil && (provider == "aws" || provider == "") {
			return who.Account
		}
	}
	return ""
}

// of is the fate of the principal that an argument of a change names; nil if
// nothing happens to it. Opaque says that it can't be told.
func (j *judge) of(c plan.Change, n plan.Name, argument string) (f *fate, opaque bool) {
	known := c.Before.Get(n)
	if after := c.After.Get(n); after != "" {
		known = after
	}
	if !c.After.Unknown(n) && known != "" {
		return j.named(known), false
	}
	// It is known after the apply: whatever it refers to is made in it.
	addresses, opaque := j.plan.Named(c.Address, argument)
	for _, address := range addresses {
		if f := j.at(address, c.Address); f != nil {
			return f, false
		}
	}
	if f := j.named(c.Before.Get(n)); f != nil {
		return f, false
	}
	return nil, opaque || len(addresses) == 0
}

func (j *judge) named(arn string) *fate {
	if arn == "" {
		return nil
	}
	for _, f := range j.fates {
		if f.is(arn) {
			return f
		}
	}
	return nil
}

// at finds the fate of the resource that a reference without all of its indexes
// means. Where several instances could be meant, it is the one with the index of
// the resource that refers.
func (j *judge) at(reference, from string) *fate {
	var candidates []*fate
	for _, f := range j.fates {
		if f.to == "" || !plan.Means(reference, f.to) {
			continue
		}
		if plan.Index(f.to) == plan.Index(from) {
			return f
		}
		candidates = append(candidates, f)
	}
	if len(candidates) == 1 {
		return candidates[0]
	}
	return nil
}

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
	next        *fate  // another one of the same name
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

// name is what two roles of one account have in common if they are the same.
type name struct{ kind, path, name string }

// settle finds what happens to the plan's roles and users: which go, which
// come, and which of those are the same.
func (j *judge) settle() {
	j.byARN, j.byName = map[string]*fate{}, map[name]*fate{}
	n := 0
	for range j.roles {
		n++
	}
	j.fates = make([]fate, 0, len(j.plan.Drift)+n) // one at the most for each, so that pointers stay good
	for _, c := range j.plan.Drift {
		j.leave(c)
	}
	for c := range j.roles {
		j.leave(c)
	}
	for c := range j.roles {
		j.arrive(c)
	}
}

func (j *judge) add(f fate) *fate {
	j.fates = append(j.fates, f)
	added := &j.fates[len(j.fates)-1]
	called := name{f.kind, f.path, f.name}
	added.next, j.byName[called] = j.byName[called], added
	return added
}

// leave notes what goes.
func (j *judge) leave(c plan.Change) {
	if strings.HasPrefix(c.Type, "aws_iam_") && c.Actions.Has(plan.Delete) {
		f := j.add(gone(j.plan, c))
		j.byARN[f.arn] = f
	}
}

// arrive notes what comes, and whether it is what went. Two provider blocks may
// be two accounts.
func (j *judge) arrive(c plan.Change) {
	called := name{kind(c), c.After.Get(plan.Path), c.After.Get(plan.RoleName)}
	if called.path == "" {
		called.path = "/"
	}
	switch {
	case !c.Actions.Has(plan.Create):
		return
	case called.name == "":
		j.undecided(c)
		return
	}
	provider := j.plan.Provider(c.Address)
	for f := j.byName[called]; f != nil; f = f.next {
		if f.goes && !f.comes && (f.provider == "" || provider == "" || f.provider == provider) {
			f.comes, f.to = true, c.Address
			return
		}
	}
	if c.Actions == plan.Create {
		j.add(fate{kind: called.kind, path: called.path, name: called.name, comes: true, to: c.Address, provider: provider, account: j.account(provider)})
	}
}

func kind(c plan.Change) string { return strings.TrimPrefix(c.Type, "aws_iam_") }

func gone(p *plan.Plan, c plan.Change) fate {
	f := fate{arn: c.Before.Get(plan.ARN), id: c.Before.Get(plan.UniqueID), kind: kind(c), goes: true, from: c.Address,
		name: c.Before.Get(plan.RoleName), path: c.Before.Get(plan.Path), provider: p.Provider(c.Address)}
	if who, err := cred.ParsePrincipal(f.arn); err == nil {
		f.name, f.path, f.account = who.Name, who.Path, who.Account
	}
	return f
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
	if j.accounts == nil {
		j.accounts = map[string]string{}
		for _, arn := range j.plan.Callers {
			if who, err := cred.ParsePrincipal(arn); err == nil {
				j.accounts["aws"], j.accounts[""] = who.Account, who.Account
			}
		}
		for c := range j.roles {
			if arn := c.Before.Get(plan.ARN); arn != "" {
				if who, err := cred.ParsePrincipal(arn); err == nil {
					j.accounts[j.plan.Provider(c.Address)] = who.Account
				}
			}
		}
	}
	return j.accounts[provider]
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

// named is the fate of the role or user of an ARN. One that is only made has no
// ARN yet: it is known by its name, and by its account where the plan tells.
func (j *judge) named(arn string) *fate {
	if f := j.byARN[arn]; f != nil && arn != "" {
		return f
	}
	who, err := cred.ParsePrincipal(arn)
	if err != nil || who.Session != "" {
		return nil
	}
	for f := j.byName[name{who.Kind, who.Path, who.Name}]; f != nil; f = f.next {
		if f.arn == "" && (f.account == "" || f.account == who.Account) {
			return f
		}
	}
	return nil
}

// at finds the fate of the resource that a reference without all of its indexes
// means. Where several instances could be meant, it is the one with the index of
// the resource that refers.
func (j *judge) at(reference, from string) *fate {
	if j.byTo == nil {
		j.byTo = map[string][]*fate{}
		for i := range j.fates {
			if f := &j.fates[i]; f.to != "" {
				j.byTo[plan.Bare(f.to)] = append(j.byTo[plan.Bare(f.to)], f)
			}
		}
	}
	var candidates []*fate
	for _, f := range j.byTo[plan.Bare(reference)] {
		if !plan.Means(reference, f.to) {
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

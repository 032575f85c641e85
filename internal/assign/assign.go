// Package assign (logic) decides whose credentials a Terraform process gets
// that somebody else started: Terragrunt, say, which assumed a role for it and
// left it keys that nobody can renew.
//
// It promises the order that docs/TERRAGRUNT.md gives, and that a process whose
// role nobody can tell keeps the keys that it has. It asks nobody itself: what
// costs time is a function that is called only where it decides.
package assign

import (
	"fmt"

	"github.com/holdfast/holdfast/internal/cred"
)

// Facts are what is known of a process.
type Facts struct {
	Direct      bool   // its user started it under holdfast, nobody in between
	AccessKeyID string // in its environment; empty if there is none
	Ambient     string // the same in the keeper's own environment
	Terragrunt  string // the role that Terragrunt was told to assume, by variable or flag
	Unit        string // the identity that a unit block names for its directory
	// Rendered is the role that the unit's own files name; empty if none.
	Rendered func() (string, error)
	// Caller is the ARN that its keys belong to; empty if it wasn't asked yet.
	Caller func() (string, error)
	// Declared are the ARNs of roles that this keeper may serve.
	Declared []string
}

// Decision is whose credentials it gets: the identity of the run if all is
// empty.
type Decision struct {
	Identity string // by name
	Role     string // by ARN
	KeepKeys bool   // nothing better is known than what it has
	// NeedsCaller: whose keys they are would decide; come again with it.
	NeedsCaller bool
	Note        string // what a person should know
}

// Decide settles it.
func Decide(f Facts) Decision {
	given := f.AccessKeyID != "" && f.AccessKeyID != f.Ambient
	switch {
	case (given || f.Direct) && f.Terragrunt != "":
		return Decision{Role: f.Terragrunt}
	case f.Unit != "":
		return Decision{Identity: f.Unit}
	case !given:
		return Decision{}
	}
	rendered, err := f.Rendered()
	if rendered != "" {
		return Decision{Role: rendered}
	}
	caller, asked := f.Caller()
	if asked == nil && caller == "" {
		return Decision{NeedsCaller: true}
	}
	if asked != nil {
		return keep(fmt.Sprintf("nobody can tell whose keys were put into its environment (%v)", asked))
	}
	if role := match(caller, f.Declared); role != "" {
		return Decision{Role: role}
	}
	text := fmt.Sprintf("the keys in its environment are of %s, which isn't declared", caller)
	if err != nil {
		text += fmt.Sprintf("; its unit couldn't be asked (%v)", err)
	}
	return keep(text)
}

func keep(why string) Decision {
	return Decision{KeepKeys: true, Note: why + ": it keeps them, and they end when they end"}
}

// match finds the one declared role that a session's ARN may belong to: such an
// ARN doesn't carry the role's path.
func match(caller string, declared []string) string {
	who, err := cred.ParsePrincipal(caller)
	if err != nil || who.Kind != "role" {
		return ""
	}
	found := ""
	for _, arn := range declared {
		role, err := cred.ParseRole(arn)
		if err != nil || role.Name != who.Name || role.Account != who.Account || role.Partition != who.Partition {
			continue
		}
		if found != "" && found != arn {
			return "" // two paths, one name: nobody can tell which
		}
		found = arn
	}
	return found
}

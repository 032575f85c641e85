package cred

import (
	"fmt"
	"strings"
)

// Principal is what an IAM or STS ARN names, in canonical form: a session of
// an assumed role is its role.
type Principal struct {
	Partition string // aws, aws-cn, aws-us-gov, …
	Account   string // twelve digits
	Kind      string // role, user, root
	Path      string // "/" or "/teams/ops/"; unknown (empty) when the ARN was a session's
	Name      string // the role's or user's name; empty for root
	Session   string // the session's name when the ARN was an assumed role's
}

// ParsePrincipal reads the ARN of a role, a user, an account's root or an
// assumed-role session. The rule that a session stands for its role is the
// aws-iam-authenticator's (pkg/arn, Canonicalize).
func ParsePrincipal(arn string) (Principal, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[3] != "" {
		return Principal{}, fmt.Errorf("%q is not the ARN of a role or user (arn:aws:iam::ACCOUNT:role/NAME)", arn)
	}
	p := Principal{Partition: parts[1], Account: parts[4]}
	if p.Partition == "" || !twelveDigits(p.Account) {
		return Principal{}, fmt.Errorf("%q has no account of twelve digits (arn:aws:iam::ACCOUNT:role/NAME)", arn)
	}
	kind, rest, _ := strings.Cut(parts[5], "/")
	switch service := parts[2]; {
	case service == "iam" && parts[5] == "root":
		p.Kind, p.Path = "root", "/"
		return p, nil
	case service == "iam" && (kind == "role" || kind == "user") && rest != "":
		p.Kind = kind
		slash := strings.LastIndexByte(rest, '/')
		p.Path, p.Name = "/"+rest[:slash+1], rest[slash+1:]
	case service == "sts" && kind == "assumed-role":
		p.Kind = "role"
		p.Name, p.Session, _ = strings.Cut(rest, "/")
		if p.Session == "" {
			return Principal{}, fmt.Errorf("%q names no session (arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION)", arn)
		}
	}
	if p.Name == "" {
		return Principal{}, fmt.Errorf("%q is not the ARN of a role or user (arn:aws:iam::ACCOUNT:role/NAME)", arn)
	}
	return p, nil
}

// ParseRole is ParsePrincipal for the place where only a role's own ARN will
// do, as in a hop.
func ParseRole(arn string) (Principal, error) {
	p, err := ParsePrincipal(arn)
	switch {
	case err != nil:
		return Principal{}, err
	case p.Kind != "role":
		return Principal{}, fmt.Errorf("%q names a %s, not a role", arn, p.Kind)
	case p.Session != "":
		return Principal{}, fmt.Errorf("%q names a session; the role is arn:%s:iam::%s:role/%s (with its path, if it has one)", arn, p.Partition, p.Account, p.Name)
	}
	return p, nil
}

// ARN writes the principal as IAM does. The ARN of what was a session may lack
// the role's path, which a session's ARN doesn't carry.
func (p Principal) ARN() string {
	path := p.Path
	if path == "" {
		path = "/"
	}
	resource := "root"
	if p.Kind != "root" {
		resource = p.Kind + path + p.Name
	}
	return "arn:" + p.Partition + ":iam::" + p.Account + ":" + resource
}

// String is the ARN.
func (p Principal) String() string { return p.ARN() }

func twelveDigits(s string) bool {
	if len(s) != 12 {
		return false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

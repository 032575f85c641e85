package iam

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/policy"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Role is a role as IAM keeps it.
type Role struct {
	Account     string
	Name        string
	Path        string
	ID          string // AROA…
	ARN         string
	Description string
	Created     time.Time
	MaxSession  time.Duration
	// Session forces the length of every session of this role; it isn't
	// IAM's, it is the lab's. 0 forces nothing.
	Session time.Duration
	// Trusts is the trust policy with the unique IDs of its principals.
	Trusts *policy.Document
	trust  string // the same as text
	tags   [][2]string
	// attached are the ARNs of managed policies.
	attached []string
}

// Limits of MaxSessionDuration.
const (
	MinMaxSession = time.Hour
	MaxMaxSession = 12 * time.Hour
)

// Put creates a role in an account that exists.
func (d *Directory) Put(r Role, trust string, now time.Time) (Role, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	created, err := d.put(d.accounts[r.Account], r, trust, now)
	if err != nil {
		return Role{}, err
	}
	d.past[created.ARN][0].from = time.Time{} // a world's roles were always there
	return *created, nil
}

// Copy creates a role like one that exists under another name: for the many of
// a fleet, whose trust policy needn't be read again.
func (d *Directory) Copy(like Role, name string, now time.Time) (Role, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := like
	r.Name = name
	created, err := d.enrol(d.accounts[r.Account], r, now)
	if err != nil {
		return Role{}, err
	}
	d.past[created.ARN][0].from = time.Time{}
	return *created, nil
}

func (d *Directory) put(acct *account, r Role, trust string, now time.Time) (*Role, error) {
	if err := vacant(acct, r.Name); err != nil {
		return nil, err
	}
	if err := d.setTrust(&r, trust); err != nil {
		return nil, err
	}
	return d.enrol(acct, r, now)
}

func vacant(acct *account, name string) error {
	if acct.roles[strings.ToLower(name)] != nil {
		return wire.Refuse(http.StatusConflict, "EntityAlreadyExists", "Role with name "+name+" already exists.")
	}
	return nil
}

// enrol gives a role whose trust policy is read its ID and its place.
func (d *Directory) enrol(acct *account, r Role, now time.Time) (*Role, error) {
	if err := vacant(acct, r.Name); err != nil {
		return nil, err
	}
	if r.Path == "" {
		r.Path = "/"
	}
	if r.MaxSession == 0 {
		r.MaxSession = time.Hour
	}
	r.ID = "AROA" + uniqueID(17)
	r.ARN = "arn:aws:iam::" + r.Account + ":role" + r.Path + r.Name
	r.Created = now.UTC().Truncate(time.Second)
	acct.roles[strings.ToLower(r.Name)] = &r
	d.born(r.ARN, r.ID, now)
	return &r, nil
}

// setTrust stores unique IDs, as IAM does when a policy is saved:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (d *Directory) setTrust(r *Role, text string) error {
	stored, err := policy.MapAWS(text, d.principalID)
	if err != nil {
		return PolicyError(err)
	}
	doc, err := policy.ParseTrust(stored, d.knownKey)
	if err != nil {
		return PolicyError(err)
	}
	r.trust, r.Trusts = stored, doc
	return nil
}

// PolicyError is how AWS refuses a document that policy refused.
func PolicyError(err error) error {
	var refusal *wire.Error
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.Is(err, policy.ErrUnsupported):
		return wire.Unsupported(err.Error())
	default:
		text := strings.TrimPrefix(err.Error(), policy.ErrMalformed.Error()+": ")
		return wire.Refuse(http.StatusBadRequest, "MalformedPolicyDocument", text)
	}
}

// principalID turns what somebody wrote into what IAM stores.
func (d *Directory) principalID(written string) (string, error) {
	invalid := wire.Refuse(http.StatusBadRequest, "MalformedPolicyDocument",
		fmt.Sprintf("Invalid principal in policy: \"AWS\":%q", written))
	switch {
	case written == "*":
		return written, nil
	case len(written) == 12 && strings.Trim(written, "0123456789") == "":
		return "arn:aws:iam::" + written + ":root", nil
	case strings.HasPrefix(written, "AROA"), strings.HasPrefix(written, "AIDA"):
		if d.arnOf(written) == "" {
			return "", invalid
		}
		return written, nil
	}
	if rest, ok := strings.CutPrefix(written, "arn:aws:sts::"); ok {
		accountID, rest, _ := strings.Cut(rest, ":assumed-role/")
		roleName, session, ok := strings.Cut(rest, "/")
		acct := d.accounts[accountID]
		if !ok || acct == nil || acct.roles[strings.ToLower(roleName)] == nil {
			return "", invalid
		}
		return acct.roles[strings.ToLower(roleName)].ID + ":" + session, nil
	}
	rest, ok := strings.CutPrefix(written, "arn:aws:iam::")
	_, resource, _ := strings.Cut(rest, ":")
	switch {
	case !ok:
		return "", invalid
	case resource == "root":
		return written, nil
	}
	if r := d.role(written); r != nil {
		return r.ID, nil
	}
	if u := d.user(written); u != nil {
		return u.ID, nil
	}
	return "", invalid
}

// arnOf is the ARN behind a stored ID, "" if its owner is gone.
func (d *Directory) arnOf(id string) string {
	bare, session, isSession := strings.Cut(id, ":")
	arn := d.ids[bare]
	if arn == "" || !isSession {
		return arn
	}
	r := d.role(arn)
	return "arn:" + Partition + ":sts::" + r.Account + ":assumed-role/" + r.Name + "/" + session
}

// shownTrust is the trust policy as GetRole shows it: an ARN for every
// principal that still exists, the bare ID for one that doesn't.
func (d *Directory) shownTrust(r *Role) (string, error) {
	return policy.MapAWS(r.trust, func(id string) (string, error) {
		if arn := d.arnOf(id); arn != "" && !strings.HasPrefix(id, "arn:") {
			return arn, nil
		}
		return id, nil
	})
}

// TrustFor says whether a stored principal of a trust policy is this caller.
func (c Caller) TrustFor(p policy.Principal) bool {
	switch {
	case p.Type == "*":
		return true
	case p.Type != "AWS":
		return false
	case p.ID == "arn:aws:iam::"+c.Account+":root", p.ID == c.UserID:
		return true
	}
	return c.Session != nil && p.ID == c.Session.Role.ID
}

// knownKey lists the condition keys that sts can answer.
func (d *Directory) knownKey(key string) bool {
	if strings.HasPrefix(key, "aws:requesttag/") || strings.HasPrefix(key, "aws:principaltag/") {
		return true
	}
	issuer := strings.ToLower(d.issuer)
	return slices.Contains([]string{
		issuer + ":aud", issuer + ":sub",
		"sts:externalid", "sts:rolesessionname", "sts:sourceidentity",
		"aws:sourceidentity", "aws:principalarn", "aws:principalaccount", "aws:userid",
	}, key)
}

// Package iam (lab) is the lab's directory: accounts, users, roles, instance
// profiles, OIDC providers and the sessions that STS issued; and the IAM
// operations on them.
//
// It promises unique IDs as IAM has them: a role or user that is deleted and
// created again is another one. Sessions of the old role are refused, and a
// trust policy that named the old one no longer matches and shows its bare ID.
// With Lag set, other services see an ARN as it was that long ago, so that a
// fresh role is unknown to them or still has the old one's ID.
//
// It has no identity-based policies: whoever is in an account may do
// everything there that a session policy doesn't forbid, and an attached
// policy is remembered and gives nothing. It has no groups, permissions
// boundaries, customer-managed policies or inline policies. A service-linked
// role comes from a world only. IAM and STS themselves never lag.
package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/lab/policy"
)

// Partition is the only one that the lab has.
const Partition = "aws"

// Directory is safe for concurrent use.
type Directory struct {
	issuer string // URL of the lab's OIDC issuer, without the scheme
	// Lag is how long other services take to see a change. Set it before use.
	Lag time.Duration

	mu       sync.Mutex
	ids      map[string]string // by unique ID: the ARN of who lives
	past     map[string][]incarnation
	accounts map[string]*account
	keys     map[string]*Credential
	issued   map[string]*Session // by role ARN: the session issued last
}

type account struct {
	id        string
	roles     map[string]*Role // by lower-case name: IAM doesn't tell case apart
	users     map[string]*User // the same
	profiles  map[string]*profile
	providers map[string]*Provider
}

// Credential is an access key and whose it is.
type Credential struct {
	AccessKey string
	Secret    string
	Token     string // of a session
	Caller    Caller
}

// Caller is the principal behind a request.
type Caller struct {
	Account string
	ARN     string
	UserID  string   // AIDA…, or AROA…:session
	Session *Session // nil for a user
}

// Session is what STS issued.
type Session struct {
	Role           Role // as it was then
	Name           string
	Issued         time.Time
	Expires        time.Time
	Tags           map[string]string
	Transitive     map[string]bool // keys of Tags that a chain inherits
	SourceIdentity string
	Policy         *policy.Document // nil: nothing is forbidden
}

// New returns an empty directory. issuer is the URL of the lab's OIDC issuer.
func New(issuer string) *Directory {
	_, host, _ := strings.Cut(issuer, "://")
	return &Directory{
		issuer:   host,
		accounts: map[string]*account{},
		keys:     map[string]*Credential{},
		issued:   map[string]*Session{},
		ids:      map[string]string{},
		past:     map[string][]incarnation{},
	}
}

// Administrator is the user that every account has from the start.
const Administrator = "administrator"

// AddAccount creates an account and returns its administrator's keys.
func (d *Directory) AddAccount(id string) Credential {
	d.mu.Lock()
	defer d.mu.Unlock()
	acct := &account{
		id: id, roles: map[string]*Role{}, users: map[string]*User{},
		profiles: map[string]*profile{}, providers: map[string]*Provider{},
	}
	d.accounts[id] = acct
	return *d.addKey(acct, d.putUser(acct, User{Name: Administrator}, time.Now(), time.Time{}))
}

// Lookup finds an access key. The key of a session whose role is gone isn't
// found any more, even if a role of the same name exists again.
func (d *Directory) Lookup(accessKey string) (Credential, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.keys[accessKey]
	if !ok {
		return Credential{}, false
	}
	if s := c.Caller.Session; s != nil {
		role := d.role(s.Role.ARN)
		if role == nil || role.ID != s.Role.ID {
			return Credential{}, false
		}
	}
	return *c, true
}

// Issue makes the credentials of a session.
func (d *Directory) Issue(s Session) Credential {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := Credential{
		AccessKey: "ASIA" + uniqueID(16),
		Secret:    secret(30),
		Token:     "IQoJb3JpZ2luX2Vj" + secret(240),
		Caller: Caller{
			Account: s.Role.Account,
			ARN:     "arn:aws:sts::" + s.Role.Account + ":assumed-role/" + s.Role.Name + "/" + s.Name,
			UserID:  s.Role.ID + ":" + s.Name,
			Session: &s,
		},
	}
	d.keys[c.AccessKey] = &c
	d.issued[s.Role.ARN] = &s
	return c
}

// LastIssued is the session issued last for a role.
func (d *Directory) LastIssued(roleARN string) (Session, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.issued[roleARN]
	if !ok {
		return Session{}, false
	}
	return *s, true
}

// Role finds a role by its ARN.
func (d *Directory) Role(arn string) (Role, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.role(arn)
	if r == nil {
		return Role{}, false
	}
	return *r, true
}

// RoleNamed finds a role of an account by its name.
func (d *Directory) RoleNamed(accountID, name string) (Role, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	acct := d.accounts[accountID]
	if acct == nil || acct.roles[strings.ToLower(name)] == nil {
		return Role{}, false
	}
	return *acct.roles[strings.ToLower(name)], true
}

func (d *Directory) role(arn string) *Role {
	accountID, resource, ok := splitARN(arn)
	if !ok || d.accounts[accountID] == nil {
		return nil
	}
	name := resource[strings.LastIndex(resource, "/")+1:]
	r := d.accounts[accountID].roles[strings.ToLower(name)]
	if r == nil || r.ARN != arn {
		return nil
	}
	return r
}

// splitARN takes arn:aws:iam::ACCOUNT:role/PATH/NAME apart.
func splitARN(arn string) (accountID, resource string, ok bool) {
	rest, ok := strings.CutPrefix(arn, "arn:"+Partition+":iam::")
	if !ok {
		return "", "", false
	}
	accountID, resource, ok = strings.Cut(rest, ":")
	return accountID, resource, ok && strings.HasPrefix(resource, "role/")
}

// uniqueID is n characters of the alphabet that AWS uses for identifiers.
func uniqueID(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	return base32.StdEncoding.EncodeToString(b)[:n]
}

func secret(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

package iam

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// User is an IAM user. Its keys are credentials of the directory.
type User struct {
	Name    string
	Path    string
	ID      string // AIDA…
	ARN     string
	Created time.Time
}

// maxKeys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxKeys = 2

// PutUser creates a user in an account that exists, with an access key.
func (d *Directory) PutUser(accountID string, u User, now time.Time) (Credential, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	acct := d.accounts[accountID]
	if acct.users[strings.ToLower(u.Name)] != nil {
		return Credential{}, userExists(u.Name)
	}
	return *d.addKey(acct, d.putUser(acct, u, now, time.Time{})), nil
}

// putUser creates a user that others see from a time on.
func (d *Directory) putUser(acct *account, u User, now, from time.Time) *User {
	if u.Path == "" {
		u.Path = "/"
	}
	u.ID = "AIDA" + uniqueID(17)
	u.ARN = "arn:" + Partition + ":iam::" + acct.id + ":user" + u.Path + u.Name
	u.Created = now.UTC().Truncate(time.Second)
	acct.users[strings.ToLower(u.Name)] = &u
	d.born(u.ARN, u.ID, from)
	return &u
}

func (d *Directory) addKey(acct *account, u *User) *Credential {
	c := &Credential{
		AccessKey: "AKIA" + uniqueID(16),
		Secret:    secret(30),
		Caller:    Caller{Account: acct.id, ARN: u.ARN, UserID: u.ID},
	}
	d.keys[c.AccessKey] = c
	return c
}

// user finds a user by its ARN.
func (d *Directory) user(arn string) *User {
	p, ok := ParsePrincipal(arn)
	if !ok || p.Kind != "user" || d.accounts[p.Account] == nil {
		return nil
	}
	u := d.accounts[p.Account].users[strings.ToLower(p.Name)]
	if u == nil || u.ARN != arn {
		return nil
	}
	return u
}

type userXML struct {
	Path       string
	UserName   string
	UserID     string `xml:"UserId"`
	Arn        string
	CreateDate string
}

func (u *User) xml() userXML {
	return userXML{u.Path, u.Name, u.ID, u.ARN, u.Created.Format(timeFormat)}
}

func userExists(name string) error {
	return wire.Refuse(http.StatusConflict, "EntityAlreadyExists", "User with name "+name+" already exists.")
}

func userNamed(acct *account, name string) (*User, error) {
	u := acct.users[strings.ToLower(name)]
	if u == nil {
		return nil, wire.Refuse(http.StatusNotFound, "NoSuchEntity", "The user with name "+name+" cannot be found.")
	}
	return u, nil
}

// onlyUser reads the operation's UserName, which has to be its last parameter.
// Without one IAM takes the caller, which the lab leaves out.
func onlyUser(acct *account, p *wire.Params) (*User, error) {
	name := p.Get("UserName")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, wire.Unsupported("an operation on the calling user itself; name it with UserName")
	}
	return userNamed(acct, name)
}

func (d *Directory) createUser(acct *account, p *wire.Params, now time.Time) (any, error) {
	name, path := p.Get("UserName"), p.Get("Path")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	if err := ValidName(name); err != nil {
		return nil, err
	}
	if path != "" && !ValidPath(path) {
		return nil, wire.Refuse(http.StatusBadRequest, "ValidationError",
			"The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	if acct.users[strings.ToLower(name)] != nil {
		return nil, userExists(name)
	}
	return struct{ User userXML }{d.putUser(acct, User{Name: name, Path: path}, now, now).xml()}, nil
}

func getUser(acct *account, p *wire.Params) (any, error) {
	u, err := onlyUser(acct, p)
	if err != nil {
		return nil, err
	}
	return struct{ User userXML }{u.xml()}, nil
}

func listUsers(acct *account, p *wire.Params) (any, error) {
	prefix := p.Get("PathPrefix")
	names, rest, err := pageOf(p, acct.users, func(u *User) bool { return strings.HasPrefix(u.Path, prefix) })
	if err != nil {
		return nil, err
	}
	result := struct {
		Users []userXML `xml:"Users>member"`
		more
	}{more: rest}
	for _, name := range names {
		result.Users = append(result.Users, acct.users[name].xml())
	}
	return result, nil
}

func (d *Directory) deleteUser(acct *account, p *wire.Params, now time.Time) (any, error) {
	u, err := onlyUser(acct, p)
	if err != nil {
		return nil, err
	}
	if len(d.keysOf(u)) > 0 {
		return nil, conflict("Cannot delete entity, must delete access keys first.")
	}
	delete(acct.users, strings.ToLower(u.Name))
	d.died(u.ARN, u.ID, now)
	return nil, nil
}

// keysOf lists a user's access keys in order.
func (d *Directory) keysOf(u *User) []string {
	var out []string
	for key, c := range d.keys {
		if c.Caller.UserID == u.ID {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

type keyXML struct {
	UserName        string
	AccessKeyID     string `xml:"AccessKeyId"`
	Status          string
	SecretAccessKey string `xml:",omitempty"`
	CreateDate      string `xml:",omitempty"`
}

func (d *Directory) createAccessKey(acct *account, p *wire.Params, now time.Time) (any, error) {
	u, err := onlyUser(acct, p)
	if err != nil {
		return nil, err
	}
	if len(d.keysOf(u)) >= maxKeys {
		return nil, wire.Refuse(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	}
	c := d.addKey(acct, u)
	return struct{ AccessKey keyXML }{keyXML{u.Name, c.AccessKey, "Active", c.Secret, now.UTC().Format(timeFormat)}}, nil
}

func (d *Directory) listAccessKeys(acct *account, p *wire.Params) (any, error) {
	u, err := onlyUser(acct, p)
	if err != nil {
		return nil, err
	}
	var result struct {
		Keys []keyXML `xml:"AccessKeyMetadata>member"`
		more
	}
	for _, key := range d.keysOf(u) {
		result.Keys = append(result.Keys, keyXML{UserName: u.Name, AccessKeyID: key, Status: "Active"})
	}
	return result, nil
}

func (d *Directory) deleteAccessKey(acct *account, p *wire.Params) (any, error) {
	key := p.Get("AccessKeyId")
	u, err := onlyUser(acct, p)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(d.keysOf(u), key) {
		return nil, wire.Refuse(http.StatusNotFound, "NoSuchEntity", "The Access Key with id "+key+" cannot be found.")
	}
	delete(d.keys, key)
	return nil, nil
}

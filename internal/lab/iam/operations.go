package iam

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Namespace is the XML namespace of IAM's answers.
const Namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

const timeFormat = "2006-01-02T15:04:05Z"

type roleXML struct {
	Path                     string
	RoleName                 string
	RoleID                   string `xml:"RoleId"`
	Arn                      string
	CreateDate               string
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int
	Tags                     []tagXML `xml:"Tags>member,omitempty"`
}

type tagXML struct{ Key, Value string }

// Handle answers one IAM operation.
func (d *Directory) Handle(r *wire.Request, caller Caller) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, acct := wire.NewParams(r), d.accounts[caller.Account]
	switch r.Operation {
	case "CreateRole":
		return d.createRole(acct, p, r.Now)
	case "GetRole":
		return d.getRole(acct, p)
	case "ListRoles":
		return d.listRoles(acct, p)
	case "DeleteRole":
		return d.deleteRole(acct, p, r.Now)
	case "UpdateRole":
		return updateRole(acct, p)
	case "UpdateAssumeRolePolicy":
		return d.updateAssumeRolePolicy(acct, p)
	case "CreateOpenIDConnectProvider":
		return d.createProvider(acct, p, r.Now)
	case "GetOpenIDConnectProvider":
		return getProvider(acct, p)
	case "ListOpenIDConnectProviders":
		return listProviders(acct, p)
	case "DeleteOpenIDConnectProvider":
		return deleteProvider(acct, p)
	}
	return d.handleMore(acct, p, r)
}

// handleMore answers what isn't about roles and providers themselves.
func (d *Directory) handleMore(acct *account, p *wire.Params, r *wire.Request) (any, error) {
	switch r.Operation {
	case "TagRole":
		return tagRole(acct, p)
	case "AttachRolePolicy":
		return attachRolePolicy(acct, p)
	case "DetachRolePolicy":
		return detachRolePolicy(acct, p)
	case "ListAttachedRolePolicies":
		return listAttachedRolePolicies(acct, p)
	case "ListRolePolicies":
		return listRolePolicies(acct, p)
	case "CreateUser":
		return d.createUser(acct, p, r.Now)
	case "GetUser":
		return getUser(acct, p)
	case "ListUsers":
		return listUsers(acct, p)
	case "DeleteUser":
		return d.deleteUser(acct, p, r.Now)
	case "CreateAccessKey":
		return d.createAccessKey(acct, p, r.Now)
	case "ListAccessKeys":
		return d.listAccessKeys(acct, p)
	case "DeleteAccessKey":
		return d.deleteAccessKey(acct, p)
	case "CreateInstanceProfile":
		return createProfile(acct, p, r.Now)
	case "GetInstanceProfile":
		return getProfile(acct, p)
	case "ListInstanceProfiles", "ListInstanceProfilesForRole":
		return listProfiles(acct, p)
	case "DeleteInstanceProfile":
		return deleteProfile(acct, p)
	case "AddRoleToInstanceProfile":
		return addRoleToProfile(acct, p)
	case "RemoveRoleFromInstanceProfile":
		return removeRoleFromProfile(acct, p)
	}
	return nil, wire.Unsupported("iam:" + r.Operation)
}

func (d *Directory) createRole(acct *account, p *wire.Params, now time.Time) (any, error) {
	name, path := p.Get("RoleName"), p.Get("Path")
	if path == "" {
		path = "/"
	}
	if err := ValidName(name); err != nil {
		return nil, err
	}
	if !ValidPath(path) {
		return nil, wire.Refuse(http.StatusBadRequest, "ValidationError",
			"The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	if strings.HasPrefix(path, ServicePath) {
		return nil, wire.Refuse(http.StatusBadRequest, "ValidationError", "Path "+path+" is reserved for service-linked roles.")
	}
	limit, err := maxSession(p)
	if err != nil {
		return nil, err
	}
	r := Role{Account: acct.id, Name: name, Path: path, Description: p.Get("Description"), MaxSession: limit, tags: p.Pairs("Tags")}
	trust := p.Get("AssumeRolePolicyDocument")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	created, err := d.put(acct, r, trust, now)
	if err != nil {
		return nil, err
	}
	return d.roleResult(created)
}

// ValidName checks a role's name.
func ValidName(name string) error {
	if !regexp.MustCompile(`^[\w+=,.@-]{1,64}$`).MatchString(name) {
		return wire.Refuse(http.StatusBadRequest, "ValidationError",
			"The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	return nil
}

// ValidPath checks a role's path.
func ValidPath(path string) bool {
	return regexp.MustCompile(`^(/|/[\x21-\x7e]+/)$`).MatchString(path)
}

func maxSession(p *wire.Params) (time.Duration, error) {
	n, sent, err := p.Int("MaxSessionDuration")
	if err != nil || !sent {
		return 0, err
	}
	d := time.Duration(n) * time.Second
	switch {
	case d < MinMaxSession:
		return 0, wire.Invalid(n, "maxSessionDuration", "Member must have value greater than or equal to 3600")
	case d > MaxMaxSession:
		return 0, wire.Invalid(n, "maxSessionDuration", "Member must have value less than or equal to 43200")
	}
	return d, nil
}

func (d *Directory) roleResult(r *Role) (any, error) {
	shown, err := d.roleXML(r)
	return struct{ Role roleXML }{shown}, err
}

func (d *Directory) roleXML(r *Role) (roleXML, error) {
	trust, err := d.shownTrust(r)
	if err != nil {
		return roleXML{}, err
	}
	out := roleXML{
		Path: r.Path, RoleName: r.Name, RoleID: r.ID, Arn: r.ARN,
		CreateDate:  r.Created.Format(timeFormat),
		Description: r.Description,
		// RFC 3986, so a space is %20 and not a plus sign.
		AssumeRolePolicyDocument: strings.ReplaceAll(url.QueryEscape(trust), "+", "%20"),
		MaxSessionDuration:       int(r.MaxSession / time.Second),
	}
	for _, t := range r.tags {
		out.Tags = append(out.Tags, tagXML{t[0], t[1]})
	}
	return out, nil
}

func find(acct *account, name string) (*Role, error) {
	r := acct.roles[strings.ToLower(name)]
	if r == nil {
		return nil, wire.Refuse(http.StatusNotFound, "NoSuchEntity", "The role with name "+name+" cannot be found.")
	}
	return r, nil
}

// named reads the operation's RoleName once its other parameters are read.
func named(acct *account, p *wire.Params) (*Role, error) {
	name := p.Get("RoleName")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	if err := ValidName(name); err != nil {
		return nil, err
	}
	return find(acct, name)
}

func (d *Directory) getRole(acct *account, p *wire.Params) (any, error) {
	r, err := named(acct, p)
	if err != nil {
		return nil, err
	}
	return d.roleResult(r)
}

func (d *Directory) listRoles(acct *account, p *wire.Params) (any, error) {
	prefix := p.Get("PathPrefix")
	names, rest, err := pageOf(p, acct.roles, func(r *Role) bool { return strings.HasPrefix(r.Path, prefix) })
	if err != nil {
		return nil, err
	}
	result := struct {
		Roles []roleXML `xml:"Roles>member"`
		more
	}{more: rest}
	for _, name := range names {
		shown, err := d.roleXML(acct.roles[name])
		if err != nil {
			return nil, err
		}
		shown.Tags = nil // ListRoles shows none
		result.Roles = append(result.Roles, shown)
	}
	return result, nil
}

func (d *Directory) deleteRole(acct *account, p *wire.Params, now time.Time) (any, error) {
	r, err := named(acct, p)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(r.Path, ServicePath):
		return nil, wire.Refuse(http.StatusBadRequest, "UnmodifiableEntity",
			"Cannot perform the operation on the protected role '"+r.Name+"' - this role is only modifiable by AWS")
	case len(profilesOf(acct, r)) > 0:
		return nil, conflict("Cannot delete entity, must remove roles from instance profile first.")
	case len(r.attached) > 0:
		return nil, conflict("Cannot delete entity, must detach all policies first.")
	}
	delete(acct.roles, strings.ToLower(r.Name))
	d.died(r.ARN, r.ID, now)
	return nil, nil
}

// conflict: https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html
func conflict(message string) error {
	return wire.Refuse(http.StatusConflict, "DeleteConflict", message)
}

func updateRole(acct *account, p *wire.Params) (any, error) {
	limit, err := maxSession(p)
	if err != nil {
		return nil, err
	}
	described, description := p.Has("Description"), p.Get("Description")
	r, err := named(acct, p)
	if err != nil {
		return nil, err
	}
	if limit > 0 {
		r.MaxSession = limit
	}
	if described {
		r.Description = description
	}
	return struct{}{}, nil
}

func (d *Directory) updateAssumeRolePolicy(acct *account, p *wire.Params) (any, error) {
	trust := p.Get("PolicyDocument")
	r, err := named(acct, p)
	if err != nil {
		return nil, err
	}
	return nil, d.setTrust(r, trust)
}

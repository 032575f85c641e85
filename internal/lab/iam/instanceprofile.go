package iam

import (
	"net/http"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// profile is an instance profile. IAM lets no role go that is in one, so the
// role behind the pointer always lives.
type profile struct {
	name, path, id, arn string
	created             time.Time
	role                *Role // nil: none
}

type profileXML struct {
	Path                string
	InstanceProfileName string
	InstanceProfileID   string `xml:"InstanceProfileId"`
	Arn                 string
	CreateDate          string
	Roles               []profileRoleXML `xml:"Roles>member"`
}

type profileRoleXML struct {
	Path       string
	RoleName   string
	RoleID     string `xml:"RoleId"`
	Arn        string
	CreateDate string
}

func (i *profile) xml() profileXML {
	out := profileXML{Path: i.path, InstanceProfileName: i.name, InstanceProfileID: i.id, Arn: i.arn, CreateDate: i.created.UTC().Format(timeFormat)}
	if r := i.role; r != nil {
		out.Roles = []profileRoleXML{{r.Path, r.Name, r.ID, r.ARN, r.Created.Format(timeFormat)}}
	}
	return out
}

func (acct *account) newProfile(name, path string, now time.Time) *profile {
	if path == "" {
		path = "/"
	}
	i := &profile{name: name, path: path, id: "AIPA" + uniqueID(17), created: now,
		arn: "arn:" + Partition + ":iam::" + acct.id + ":instance-profile" + path + name}
	acct.profiles[name] = i
	return i
}

// PutProfile creates an instance profile in an account that exists, with a role
// unless its name is empty.
func (d *Directory) PutProfile(accountID, name, path, roleName string, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	acct := d.accounts[accountID]
	if acct.profiles[name] != nil {
		return profileExists(name)
	}
	var r *Role
	if roleName != "" {
		var err error
		if r, err = find(acct, roleName); err != nil {
			return err
		}
	}
	acct.newProfile(name, path, now).role = r
	return nil
}

// DropProfile deletes an instance profile, whatever role is in it.
func (d *Directory) DropProfile(accountID, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if acct := d.accounts[accountID]; acct != nil {
		delete(acct.profiles, name)
	}
}

// ProfileRole is the role in an instance profile.
func (d *Directory) ProfileRole(accountID, name string) (Role, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	acct := d.accounts[accountID]
	if acct == nil || acct.profiles[name] == nil || acct.profiles[name].role == nil {
		return Role{}, false
	}
	return *acct.profiles[name].role, true
}

func profilesOf(acct *account, r *Role) []*profile {
	var out []*profile
	for _, i := range acct.profiles {
		if i.role == r {
			out = append(out, i)
		}
	}
	return out
}

func profileExists(name string) error {
	return wire.Refuse(http.StatusConflict, "EntityAlreadyExists", "Instance Profile "+name+" already exists.")
}

func createProfile(acct *account, p *wire.Params, now time.Time) (any, error) {
	name, path := p.Get("InstanceProfileName"), p.Get("Path")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	if err := ValidName(name); err != nil {
		return nil, err
	}
	if acct.profiles[name] != nil {
		return nil, profileExists(name)
	}
	return struct{ InstanceProfile profileXML }{acct.newProfile(name, path, now).xml()}, nil
}

// onlyProfile reads the operation's name once its other parameters are read.
func onlyProfile(acct *account, p *wire.Params) (*profile, error) {
	name := p.Get("InstanceProfileName")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	i := acct.profiles[name]
	if i == nil {
		return nil, wire.Refuse(http.StatusNotFound, "NoSuchEntity", "Instance Profile "+name+" cannot be found.")
	}
	return i, nil
}

func getProfile(acct *account, p *wire.Params) (any, error) {
	i, err := onlyProfile(acct, p)
	if err != nil {
		return nil, err
	}
	return struct{ InstanceProfile profileXML }{i.xml()}, nil
}

// listProfiles is ListInstanceProfiles, and with RoleName
// ListInstanceProfilesForRole.
func listProfiles(acct *account, p *wire.Params) (any, error) {
	prefix := p.Get("PathPrefix")
	var only *Role
	if p.Has("RoleName") {
		var err error
		if only, err = find(acct, p.Get("RoleName")); err != nil {
			return nil, err
		}
	}
	names, rest, err := pageOf(p, acct.profiles, func(i *profile) bool {
		return strings.HasPrefix(i.path, prefix) && (only == nil || i.role == only)
	})
	if err != nil {
		return nil, err
	}
	result := struct {
		Profiles []profileXML `xml:"InstanceProfiles>member"`
		more
	}{more: rest}
	for _, name := range names {
		result.Profiles = append(result.Profiles, acct.profiles[name].xml())
	}
	return result, nil
}

func deleteProfile(acct *account, p *wire.Params) (any, error) {
	i, err := onlyProfile(acct, p)
	if err != nil {
		return nil, err
	}
	if i.role != nil {
		return nil, conflict("Cannot delete entity, must remove roles from instance profile first.")
	}
	delete(acct.profiles, i.name)
	return nil, nil
}

func addRoleToProfile(acct *account, p *wire.Params) (any, error) {
	roleName := p.Get("RoleName")
	i, err := onlyProfile(acct, p)
	if err != nil {
		return nil, err
	}
	r, err := find(acct, roleName)
	if err != nil {
		return nil, err
	}
	if i.role != nil {
		return nil, wire.Refuse(http.StatusConflict, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	i.role = r
	return nil, nil
}

func removeRoleFromProfile(acct *account, p *wire.Params) (any, error) {
	roleName := p.Get("RoleName")
	i, err := onlyProfile(acct, p)
	if err != nil {
		return nil, err
	}
	if i.role == nil || !strings.EqualFold(i.role.Name, roleName) {
		return nil, wire.Refuse(http.StatusNotFound, "NoSuchEntity",
			"The role with name "+roleName+" cannot be found in instance profile "+i.name+".")
	}
	i.role = nil
	return nil, nil
}

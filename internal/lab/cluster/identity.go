package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/awsauth"
	"github.com/holdfast/holdfast/internal/lab/eks"
)

// User is what Kubernetes knows somebody as.
type User struct {
	Name   string
	UID    string
	Groups []string
	// Policies are the entry's access policies; none if aws-auth mapped it.
	Policies map[string]eks.Scope
	Identity Identity
}

// errNotMapped is the one thing that a stale entry is good for. EKS's own build
// says "identity" where v0.6.13 says "ARN".
var errNotMapped = errors.New("identity is not mapped")

// Map finds the Kubernetes user of an identity: doMapping of pkg/server. The
// entry is found by the unique ID that it keeps, never by ARN; aws-auth is
// found by ARN. So where both are asked, a row hides that an entry is stale.
func (p *Plane) Map(known eks.Known, id Identity) (User, error) {
	if known.Mode != eks.ModeConfigMap {
		if b, ok := p.EKS.Bound(known.Ref, id.UserID); ok {
			u, err := p.user(id, b.Username, b.Groups)
			if err != nil {
				return User{}, fmt.Errorf("mapper DynamicFile renderTemplates error: %w", err)
			}
			u.Policies = b.Policies
			return u, nil
		}
	}
	if known.Mode == eks.ModeAPI {
		return User{}, errNotMapped
	}
	if known.CreatorID != "" && known.CreatorID == id.UserID {
		return p.user(id, "kubernetes-admin", []string{masters})
	}
	rows, _ := awsauth.Parse(known.AWSAuth) // what can't be read maps nobody
	if row, ok := rows.Find(id.CanonicalARN); ok {
		u, err := p.user(id, row.Username, row.Groups)
		if err != nil {
			return User{}, fmt.Errorf("mapper EKSConfigMap renderTemplates error: %w", err)
		}
		return u, nil
	}
	if rows.Account(id.AccountID) {
		return p.user(id, id.CanonicalARN, nil)
	}
	return User{}, errNotMapped
}

func (p *Plane) user(id Identity, username string, groups []string) (User, error) {
	u := User{UID: "aws-iam-authenticator:" + id.AccountID + ":" + id.UserID, Groups: []string{}, Identity: id}
	var err error
	if u.Name, err = p.render(username, id); err != nil {
		return User{}, fmt.Errorf("error rendering username template %q: %w", username, err)
	}
	for _, g := range groups {
		rendered, err := p.render(g, id)
		if err != nil {
			return User{}, fmt.Errorf("error rendering group template %q: %w", g, err)
		}
		u.Groups = append(u.Groups, rendered)
	}
	return u, nil
}

// render is renderTemplate of pkg/server.
func (p *Plane) render(template string, id Identity) (string, error) {
	const dns = "{{EC2PrivateDNSName}}"
	if strings.Contains(template, dns) {
		if !regexp.MustCompile(`^i-(\w{8}|\w{17})$`).MatchString(id.SessionName) {
			return "", errors.New("SessionName did not contain an instance id")
		}
		name, ok := p.PrivateDNS(id.SessionName)
		if !ok {
			return "", fmt.Errorf("failed querying private DNS from EC2 API for node %s: InvalidInstanceID.NotFound", id.SessionName)
		}
		template = strings.ReplaceAll(template, dns, name)
	}
	return strings.NewReplacer(
		"{{AccountID}}", id.AccountID,
		"{{SessionName}}", strings.ReplaceAll(id.SessionName, "@", "-"),
		"{{SessionNameRaw}}", id.SessionName,
		"{{AccessKeyID}}", id.AccessKeyID,
	).Replace(template), nil
}

// Launch starts an instance as far as anybody here can tell: an ID and a
// private DNS name.
func (p *Plane) Launch(region string) (id string) {
	b := make([]byte, 12)
	rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	id = fmt.Sprintf("i-%x", b)[:19]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instances[id] = fmt.Sprintf("ip-10-%d-%d-%d.%s.compute.internal", b[9], b[10], b[11], region)
	return id
}

// PrivateDNS is the private DNS name of an instance.
func (p *Plane) PrivateDNS(id string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, ok := p.instances[id]
	return name, ok
}

const (
	masters       = "system:masters"
	nodes         = "system:nodes"
	authenticated = "system:authenticated"
)

// in says whether the user has a group.
func (u User) in(group string) bool { return slices.Contains(u.Groups, group) }

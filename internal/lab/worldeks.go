package lab

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
)

// User is an IAM user with one access key.
type User struct {
	Name string
	Path string        // "": /
	Age  time.Duration // how long ago it was created
}

// InstanceProfile is an instance profile with a role of its account.
type InstanceProfile struct {
	Name string
	Path string // "": /
	Role string // name; "": none
}

// Fleet is many clusters at once: NAME-0001 and so on, each with Entries roles
// and access entries of its own, all like the role NAME. They aren't in the
// environment.
type Fleet struct {
	Name     string
	Clusters int
	Entries  int
	Stale    int // so many of each cluster's entries are stale
	// Age is how long ago the entries were made. Their roles are twice as old,
	// those of stale ones half as old.
	Age time.Duration
}

// oneOf says that not exactly one of the alternatives is given.
func oneOf(given ...bool) error {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	if n != 1 {
		return errors.New("give exactly one of them")
	}
	return nil
}

func (s *Server) addUser(account string, u User, now time.Time) error {
	if err := iam.ValidName(u.Name); err != nil {
		return err
	}
	if u.Path != "" && !iam.ValidPath(u.Path) {
		return fmt.Errorf("path %q must begin and end with a slash", u.Path)
	}
	c, err := s.directory.PutUser(account, iam.User{Name: u.Name, Path: u.Path}, now.Add(-u.Age))
	if err != nil {
		return err
	}
	name := "USER_" + strings.ToUpper(u.Name)
	s.name(name, c.Caller.ARN)
	s.name(name+"_ACCESS_KEY_ID", c.AccessKey)
	s.name(name+"_SECRET_ACCESS_KEY", c.Secret)
	return nil
}

// populateClusters adds an account's clusters, once the roles and users of
// every account are there.
func (s *Server) populateClusters(i int, a Account, now time.Time) error {
	for j, p := range a.Profiles {
		if err := s.directory.PutProfile(a.ID, p.Name, p.Path, p.Role, now); err != nil {
			return &placeError{i, kindProfile, j, p.Name, err}
		}
	}
	for j, c := range a.Clusters {
		ref, err := s.addCluster(a.ID, c, now)
		if err != nil {
			return &placeError{i, kindCluster, j, c.Name, err}
		}
		s.name("CLUSTER_"+strings.ToUpper(c.Name), s.url+clusterPath(ref))
	}
	for j, f := range a.Fleets {
		if err := s.addFleet(a.ID, f, now); err != nil {
			return &placeError{i, kindFleet, j, f.Name, err}
		}
	}
	return nil
}

func (s *Server) addCluster(account string, c eks.Spec, now time.Time) (eks.Ref, error) {
	c.Account = account
	if c.Region == "" {
		c.Region = s.region
	}
	if c.RoleARN == "" {
		arn, err := s.clusterRole(account, now)
		if err != nil {
			return eks.Ref{}, err
		}
		c.RoleARN = arn
	}
	return s.eks.Add(c, now)
}

// clusterRole is the role of the clusters that name none.
func (s *Server) clusterRole(account string, now time.Time) (string, error) {
	const name = "holdfast-lab-cluster"
	arn := "arn:" + iam.Partition + ":iam::" + account + ":role/" + name
	if _, ok := s.directory.Role(arn); ok {
		return arn, nil
	}
	trust, err := s.trustPolicy(account, Role{Trust: []Trust{{Services: []string{"eks.amazonaws.com"}}}})
	if err != nil {
		return "", err
	}
	_, err = s.directory.Put(iam.Role{Account: account, Name: name}, trust, now)
	return arn, err
}

// clusterPath is where the plain-HTTP twin of a cluster's address is.
func clusterPath(r eks.Ref) string {
	return controlPath + "k8s/" + r.Account + "/" + r.Region + "/" + r.Name
}

func (s *Server) addFleet(account string, f Fleet, now time.Time) error {
	if f.Clusters < 1 || f.Entries < 0 || f.Entries > 1000 || f.Stale < 0 || f.Stale > f.Entries {
		return fmt.Errorf("%d clusters with %d entries, %d of them stale: give at least one cluster, at most 1000 entries, and no more stale ones than entries",
			f.Clusters, f.Entries, f.Stale)
	}
	role, err := s.clusterRole(account, now)
	if err != nil {
		return err
	}
	trust, err := s.trustPolicy(account, Role{Trust: []Trust{{Principals: []string{account}}}})
	if err != nil {
		return err
	}
	like, err := s.directory.Put(iam.Role{Account: account, Name: f.Name}, trust, now)
	if err != nil {
		return err
	}
	for i := 1; i <= f.Clusters; i++ {
		c := eks.Spec{Account: account, Region: s.region, Name: fmt.Sprintf("%s-%04d", f.Name, i), RoleARN: role}
		for j := 1; j <= f.Entries; j++ {
			born := now.Add(-2 * f.Age)
			if j <= f.Stale {
				born = now.Add(-f.Age / 2)
			}
			created, err := s.directory.Copy(like, fmt.Sprintf("%s-%03d", c.Name, j), born)
			if err != nil {
				return err
			}
			c.Entries = append(c.Entries, eks.EntrySpec{PrincipalARN: created.ARN, Stale: j <= f.Stale, Age: f.Age,
				Policies: map[string]eks.Scope{eks.PolicyView: {Type: "cluster"}}})
		}
		if _, err := s.eks.Add(c, now); err != nil {
			return err
		}
	}
	return nil
}

package eks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
)

// Spec is a cluster of a world, with all that is in it.
type Spec struct {
	Account, Region, Name string
	RoleARN               string
	Version               string // "": the service's default
	Mode                  string // "": API_AND_CONFIG_MAP
	Logs                  []string
	Tags                  map[string]string
	Entries               []EntrySpec
	Groups                []GroupSpec
	Profiles              []ProfileSpec
	AWSAuth               map[string]string // nil: no ConfigMap
}

// EntrySpec is an access entry of a world.
type EntrySpec struct {
	PrincipalARN string
	Type         string // "": STANDARD
	Username     string
	Groups       []string
	Tags         map[string]string
	Policies     map[string]Scope // by ARN
	// Stale binds the entry to an ID that nobody has, as of a principal that
	// was deleted. The principal needn't exist then.
	Stale bool
	Age   time.Duration // how long ago it was created
}

// GroupSpec is a node group of a world; ProfileSpec a Fargate profile.
type (
	GroupSpec struct {
		Name, RoleARN, AMI string
		Tags               map[string]string
	}
	ProfileSpec struct {
		Name, RoleARN, Namespace string
	}
)

// Add puts a cluster into the world. What an API call would refuse it refuses,
// except for quotas and service-linked roles.
func (s *Service) Add(spec Spec, now time.Time) (Ref, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{spec.Account, spec.Region, spec.Name}
	if s.clusters[at] != nil {
		return Ref{}, fmt.Errorf("cluster %s stands twice in account %s and region %s", spec.Name, spec.Account, spec.Region)
	}
	c := s.newCluster(at, spec.RoleARN, spec.Version, now)
	c.mode = orElse(spec.Mode, ModeBoth)
	if !slices.Contains([]string{ModeAPI, ModeBoth, ModeConfigMap}, c.mode) {
		return Ref{}, fmt.Errorf("authentication mode %q: use CONFIG_MAP, API_AND_CONFIG_MAP or API", c.mode)
	}
	c.tags, c.awsAuth = spec.Tags, spec.AWSAuth
	c.vpc.SubnetIDs, c.vpc.SecurityGroups = []string{"subnet-0lab1", "subnet-0lab2"}, []string{}
	if err := c.setLogging(logging{[]logSetup{{spec.Logs, true}}}); err != nil {
		return Ref{}, err
	}
	for _, e := range spec.Entries {
		if err := s.addEntry(c, e, now); err != nil {
			return Ref{}, fmt.Errorf("entry %s: %w", e.PrincipalARN, err)
		}
	}
	for _, g := range spec.Groups {
		added := s.addGroup(c, createGroupInput{Name: g.Name, Role: g.RoleARN, AMI: orElse(g.AMI, "AL2023_x86_64_STANDARD"), Tags: g.Tags, Subnets: c.vpc.SubnetIDs}, now, 0)
		if err := s.letIn(c, g.RoleARN, added.entryKind(), now); err != nil {
			return Ref{}, err
		}
	}
	for _, p := range spec.Profiles {
		in := createProfileInput{Name: p.Name, Role: p.RoleARN}
		s.addProfile(c, in, now, 0)
		if err := s.letIn(c, p.RoleARN, Fargate, now); err != nil {
			return Ref{}, err
		}
	}
	s.clusters[at] = c
	return c.Ref, nil
}

func (s *Service) addEntry(c *cluster, spec EntrySpec, now time.Time) error {
	p, ok := iam.ParsePrincipal(spec.PrincipalARN)
	if !ok {
		return errors.New("it isn't the ARN of a role or a user")
	}
	if c.mode == ModeConfigMap {
		return errors.New("a cluster of mode CONFIG_MAP has no access entries")
	}
	spec.Type = orElse(spec.Type, Standard)
	if err := checkKind(spec.Type, p, c.Account, spec.Groups, spec.Username); err != nil {
		return err
	}
	if err := checkTags(spec.Tags); err != nil {
		return err
	}
	if c.entries[spec.PrincipalARN] != nil {
		return errors.New("it stands twice")
	}
	if spec.Stale {
		p.ID = deadID(p.Kind)
	} else if p, ok = s.Directory.Propagated(spec.PrincipalARN, now); !ok {
		return errors.New("nobody has this ARN; declare the principal above, or set stale = true")
	}
	created := now.Add(-spec.Age)
	e := c.add(p, createEntryInput{Type: spec.Type, Username: spec.Username, Groups: spec.Groups, Tags: spec.Tags}, created)
	for _, arn := range sortedKeys(spec.Policies) {
		if err := checkPolicy(e, arn, spec.Policies[arn]); err != nil {
			return err
		}
		e.put(arn, spec.Policies[arn], created)
	}
	return nil
}

// deadID is an ID that nobody has or ever gets.
func deadID(kind string) string {
	prefix := "AROA"
	if kind == "user" {
		prefix = "AIDA"
	}
	return prefix + "0" + strings.ToUpper(strings.ReplaceAll(newUUID(), "-", ""))[:16]
}

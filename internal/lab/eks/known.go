package eks

import (
	"maps"
	"slices"
)

// Binding is what a cluster's authenticator and authorizer read of an entry.
type Binding struct {
	PrincipalARN string
	BoundID      string
	Type         string
	Username     string // a template
	Groups       []string
	Policies     map[string]Scope // by ARN
}

// Known is what the authenticator of a cluster knows, apart from the bindings.
type Known struct {
	Ref
	Version   string
	Mode      string
	Logged    bool              // whether the authenticator's log is switched on
	AWSAuth   map[string]string // nil: no ConfigMap
	AWSAuthNo int               // its resource version
	// CreatorID is the ID of who created the cluster, who is its administrator
	// without an entry as long as the mode is CONFIG_MAP.
	CreatorID string
}

// Find is the cluster of a name, as it is now.
func (s *Service) Find(account, region, name string) (Ref, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clusters[place{account, region, name}]
	if c == nil {
		return Ref{}, false
	}
	return c.Ref, true
}

// Clusters lists what exists, in order.
func (s *Service) Clusters() []Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Ref
	for _, c := range s.clusters {
		out = append(out, c.Ref)
	}
	slices.SortFunc(out, func(a, b Ref) int {
		return slices.Compare([]string{a.Account, a.Region, a.Name}, []string{b.Account, b.Region, b.Name})
	})
	return out
}

// Know is what this incarnation's authenticator knows; false once it is gone.
func (s *Service) Know(r Ref) (Known, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.incarnation(r)
	if c == nil {
		return Known{}, false
	}
	k := Known{Ref: c.Ref, Version: c.version, Mode: c.mode, Logged: c.logging["authenticator"], AWSAuth: maps.Clone(c.awsAuth), AWSAuthNo: c.awsAuthVersion}
	if c.mode == ModeConfigMap {
		k.CreatorID = c.creatorID
	}
	return k, true
}

func (s *Service) incarnation(r Ref) *cluster {
	c := s.clusters[place{r.Account, r.Region, r.Name}]
	if c == nil || c.ID != r.ID {
		return nil
	}
	return c
}

// Bound is the entry that keeps this unique ID.
func (s *Service) Bound(r Ref, id string) (Binding, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.incarnation(r)
	if c == nil || c.bound[id] == nil {
		return Binding{}, false
	}
	return c.bound[id].binding(), true
}

// Bindings lists the entries of a cluster, for those who judge the lab.
func (s *Service) Bindings(r Ref) []Binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Binding
	if c := s.incarnation(r); c != nil {
		for _, arn := range sortedKeys(c.entries) {
			out = append(out, c.entries[arn].binding())
		}
	}
	return out
}

func (e *entry) binding() Binding {
	b := Binding{PrincipalARN: e.principal.ARN, BoundID: e.principal.ID, Type: e.kind, Username: e.username, Groups: slices.Clone(e.groups), Policies: map[string]Scope{}}
	for arn, a := range e.policies {
		b.Policies[arn] = a.scope
	}
	return b
}

// SetAWSAuth replaces the data of the ConfigMap aws-auth; nil removes it.
func (s *Service) SetAWSAuth(r Ref, data map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.incarnation(r); c != nil {
		c.setAWSAuth(maps.Clone(data))
	}
}

package eks

import (
	"net/http"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

type entry struct {
	arn       string
	principal iam.Principal // with the unique ID that it had then; nobody is shown it
	kind      string
	username  string
	groups    []string
	tags      map[string]string
	created   time.Time
	modified  time.Time
	policies  map[string]*association // by ARN
}

const (
	entryNotFound = "The specified principalArn could not be found" // terraform-provider-aws, access_policy_association.go
	entryInUse    = "The specified access entry resource is already in use on this cluster."
	serviceLinked = "The caller is not allowed to modify access entries with a principalArn value of a Service Linked Role"
)

type entryJSON struct {
	Cluster   string            `json:"clusterName"`
	Principal string            `json:"principalArn"`
	Groups    []string          `json:"kubernetesGroups"`
	ARN       string            `json:"accessEntryArn"`
	Created   stamp             `json:"createdAt"`
	Modified  stamp             `json:"modifiedAt"`
	Tags      map[string]string `json:"tags"`
	Username  string            `json:"username"`
	Type      string            `json:"type"`
}

func (e *entry) show(c *cluster) map[string]any {
	tags := e.tags
	if tags == nil {
		tags = map[string]string{}
	}
	return map[string]any{"accessEntry": entryJSON{
		Cluster: c.Name, Principal: e.principal.ARN, Groups: e.groups, ARN: e.arn,
		Created: stamp(e.created), Modified: stamp(e.modified), Tags: tags, Username: e.username, Type: e.kind,
	}}
}

// withEntries finds a cluster whose mode has access entries.
func (s *Service) withEntries(c *call) (*cluster, error) {
	found, err := s.active(c)
	if err != nil {
		return nil, err
	}
	if found.mode == ModeConfigMap {
		return nil, invalidRequest("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	}
	return found, nil
}

// entry finds the one that the path names.
func (s *Service) entry(c *call) (*cluster, *entry, error) {
	found, err := s.withEntries(c)
	if err != nil {
		return nil, nil, err
	}
	e := found.entries[c.route.Principal]
	if e == nil {
		return nil, nil, notFound(entryNotFound, nil)
	}
	return found, e, nil
}

type createEntryInput struct {
	Principal string            `json:"principalArn"`
	Groups    []string          `json:"kubernetesGroups"`
	Tags      map[string]string `json:"tags"`
	Token     string            `json:"clientRequestToken"`
	Username  string            `json:"username"`
	Type      string            `json:"type"`
}

func (s *Service) createEntry(c *call) (any, error) {
	var in createEntryInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	found, err := s.withEntries(c)
	if err != nil {
		return nil, err
	}
	if answer, again, err := s.replayed(c, in.Token); again || err != nil {
		return answer, err
	}
	if in.Type == "" {
		in.Type = Standard
	}
	p, err := s.checkEntry(c, found, in)
	if err != nil {
		return nil, err
	}
	e := found.add(p, in, c.Now)
	answer := e.show(found)
	s.remember(c, in.Token, answer, func() bool { return found.entries[in.Principal] == e })
	return answer, nil
}

func (s *Service) checkEntry(c *call, found *cluster, in createEntryInput) (iam.Principal, error) {
	none := iam.Principal{}
	if err := required(map[string]string{"principalArn": in.Principal}); err != nil {
		return none, err
	}
	p, ok := iam.ParsePrincipal(in.Principal)
	switch {
	case !ok:
		return none, invalidParameter("The principalArn parameter format is not valid")
	case p.ServiceLinked():
		return none, invalidParameter(serviceLinked) // terraform-provider-aws#36447
	}
	if err := checkKind(in.Type, p, c.account, in.Groups, in.Username); err != nil {
		return none, err
	}
	if err := checkTags(in.Tags); err != nil {
		return none, err
	}
	// The user guide asks for iam:PassRole for these two types.
	if (in.Type == Linux || in.Type == Windows) && !c.May("iam:PassRole", in.Principal) {
		return none, wire.Refuse(http.StatusForbidden, "AccessDeniedException", "User: "+c.caller.ARN+
			" is not authorized to perform: iam:PassRole on resource: "+in.Principal+" because no session policy allows the iam:PassRole action")
	}
	if found.entries[in.Principal] != nil {
		return none, inUse(entryInUse, nil)
	}
	p, ok = s.Directory.Propagated(in.Principal, c.Now)
	if !ok {
		return none, invalidParameter("The specified principalArn is invalid: invalid principal")
	}
	if len(found.entries) >= maxEntries {
		return none, limitExceeded("Access entry", maxEntries)
	}
	return p, nil
}

// add makes an entry that is bound to the ID of the principal as it is given.
func (c *cluster) add(p iam.Principal, in createEntryInput, now time.Time) *entry {
	e := &entry{
		arn:       arnOf(c.Region, c.Account) + "access-entry/" + c.Name + "/" + p.Kind + "/" + p.Account + "/" + p.Name + "/" + newUUID(),
		principal: p, kind: in.Type, username: in.Username, groups: in.Groups, tags: in.Tags,
		created: now, modified: now, policies: map[string]*association{},
	}
	if e.username == "" {
		e.username = defaultUsername(e.kind, p)
	}
	if len(e.groups) == 0 {
		e.groups = defaultGroups(e.kind)
	}
	c.entries[p.ARN] = e
	c.bound[p.ID] = e
	return e
}

// addIfAbsent is what EKS does for node groups and Fargate profiles.
func (c *cluster) addIfAbsent(p iam.Principal, kind string, now time.Time) *entry {
	if e := c.entries[p.ARN]; e != nil {
		return e
	}
	return c.add(p, createEntryInput{Type: kind}, now)
}

func (c *cluster) unbind(e *entry) {
	if c.bound[e.principal.ID] == e {
		delete(c.bound, e.principal.ID)
	}
}

func (s *Service) describeEntry(c *call) (any, error) {
	found, e, err := s.entry(c)
	if err != nil {
		return nil, err
	}
	return e.show(found), c.query.unread(c.Operation)
}

func (s *Service) listEntries(c *call) (any, error) {
	found, err := s.withEntries(c)
	if err != nil {
		return nil, err
	}
	policyARN := c.query.get("associatedPolicyArn")
	var names []string
	for arn, e := range found.entries {
		if policyARN == "" || e.policies[policyARN] != nil {
			names = append(names, arn)
		}
	}
	return c.list("accessEntries", names)
}

func (s *Service) updateEntry(c *call) (any, error) {
	var in struct {
		Groups   *[]string `json:"kubernetesGroups"`
		Token    string    `json:"clientRequestToken"`
		Username *string   `json:"username"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	found, e, err := s.entry(c)
	if err != nil {
		return nil, err
	}
	switch {
	case e.principal.ServiceLinked():
		return nil, invalidParameter(serviceLinked)
	case e.kind != Standard:
		return nil, invalidRequest(`This operation can only be performed on Access Entries with a type of "STANDARD".`)
	}
	if in.Groups != nil {
		if err := checkGroups(*in.Groups); err != nil {
			return nil, err
		}
	}
	if in.Username != nil {
		if err := checkUsername(*in.Username); err != nil {
			return nil, err
		}
		e.username = *in.Username
	}
	if in.Groups != nil {
		e.groups = slices.Clone(*in.Groups)
	}
	e.modified = c.Now
	if p, ok := s.Directory.Propagated(e.principal.ARN, c.Now); ok && s.UpdateRebinds {
		found.unbind(e)
		e.principal = p
		found.bound[p.ID] = e
	}
	return e.show(found), nil
}

func (s *Service) deleteEntry(c *call) (any, error) {
	if err := c.query.unread(c.Operation); err != nil {
		return nil, err
	}
	found, e, err := s.entry(c)
	if err != nil {
		return nil, err
	}
	if e.principal.ServiceLinked() {
		return nil, invalidRequest(serviceLinked) // DeleteAccessEntry models no InvalidParameterException
	}
	found.unbind(e)
	delete(found.entries, e.principal.ARN)
	return map[string]any{}, nil
}

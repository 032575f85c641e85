package eks

import "time"

// profile is a Fargate profile.
type profile struct {
	life
	name, arn, role string
	in              createProfileInput
	tags            map[string]string
}

type createProfileInput struct {
	Name      string   `json:"fargateProfileName"`
	Role      string   `json:"podExecutionRoleArn"`
	Subnets   []string `json:"subnets"`
	Selectors []struct {
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels,omitempty"`
	} `json:"selectors"`
	Token string            `json:"clientRequestToken"`
	Tags  map[string]string `json:"tags"`
}

func (s *Service) createProfile(c *call) (any, error) {
	var in createProfileInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	found, err := s.active(c)
	if err != nil {
		return nil, err
	}
	if answer, again, err := s.replayed(c, in.Token); again || err != nil {
		return answer, err
	}
	if err := required(map[string]string{"fargateProfileName": in.Name, "podExecutionRoleArn": in.Role}); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	switch {
	case len(in.Selectors) == 0:
		return nil, invalidParameter("Fargate Profile must have at least one selector")
	case found.profiles[in.Name] != nil:
		return nil, invalidRequest("A Fargate Profile already exists with this name in this cluster.")
	case len(found.profiles) >= maxProfiles:
		return nil, limitExceeded("FargateProfile", maxProfiles)
	}
	if err := s.roleFor(in.Role, "eks-fargate-pods.amazonaws.com", "podExecutionRole", c.Now); err != nil {
		return nil, err
	}
	f := s.addProfile(found, in, c.Now, s.Settle)
	if err := s.letIn(found, f.role, Fargate, c.Now); err != nil {
		return nil, err
	}
	answer := f.show(found, c.Now)
	s.remember(c, in.Token, answer, func() bool { return found.profiles[in.Name] == f })
	return answer, nil
}

func (s *Service) addProfile(c *cluster, in createProfileInput, now time.Time, settle time.Duration) *profile {
	f := &profile{
		life: life{created: now, settled: now.Add(settle)}, name: in.Name, role: in.Role, in: in, tags: in.Tags,
		arn: arnOf(c.Region, c.Account) + "fargateprofile/" + c.Name + "/" + in.Name + "/" + newUUID(),
	}
	c.profiles[in.Name] = f
	return f
}

func (f *profile) show(c *cluster, now time.Time) map[string]any {
	tags := f.tags
	if tags == nil {
		tags = map[string]string{}
	}
	subnets := f.in.Subnets
	if subnets == nil {
		subnets = []string{}
	}
	return map[string]any{"fargateProfile": map[string]any{
		"fargateProfileName": f.name, "fargateProfileArn": f.arn, "clusterName": c.Name, "createdAt": stamp(f.created),
		"podExecutionRoleArn": f.role, "subnets": subnets, "selectors": f.in.Selectors,
		"status": orElse(f.status(now), "ACTIVE"), "tags": tags, "health": map[string]any{"issues": []any{}},
	}}
}

func (s *Service) profile(c *call) (*cluster, *profile, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, nil, err
	}
	if err := c.query.unread(c.Operation); err != nil {
		return nil, nil, err
	}
	f := found.profiles[c.route.Name]
	if f == nil {
		return nil, nil, notFound("No Fargate Profile found with name: "+c.route.Name+".", map[string]any{"clusterName": found.Name, "fargateProfileName": c.route.Name})
	}
	return found, f, nil
}

func (s *Service) describeProfile(c *call) (any, error) {
	found, f, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	return f.show(found, c.Now), nil
}

func (s *Service) listProfiles(c *call) (any, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	return c.list("fargateProfileNames", sortedKeys(found.profiles))
}

// deleteProfile leaves the access entry (containers-roadmap#2441).
func (s *Service) deleteProfile(c *call) (any, error) {
	found, f, err := s.profile(c)
	if err != nil {
		return nil, err
	}
	if f.deleted.IsZero() {
		f.deleted = c.Now.Add(s.Settle)
	}
	return f.show(found, c.Now), nil
}

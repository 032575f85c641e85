package eks

import (
	"encoding/json"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
)

type update struct {
	id, kind string
	params   [][2]string
	created  time.Time
	done     time.Time
}

func (u *update) show(now time.Time) map[string]any {
	status := "Successful"
	if now.Before(u.done) {
		status = "InProgress"
	}
	params := []any{}
	for _, p := range u.params {
		params = append(params, map[string]string{"type": p[0], "value": p[1]})
	}
	return map[string]any{"update": map[string]any{
		"id": u.id, "status": status, "type": u.kind, "params": params, "createdAt": stamp(u.created), "errors": []any{},
	}}
}

func (s *Service) start(found *cluster, now time.Time, kind string, params ...[2]string) *update {
	u := &update{id: newUUID(), kind: kind, params: params, created: now, done: now.Add(s.Settle)}
	found.updates[u.id] = u
	return u
}

func (s *Service) updateClusterConfig(c *call) (any, error) {
	var in struct {
		Token        string   `json:"clientRequestToken"`
		Logging      *logging `json:"logging"`
		AccessConfig *struct {
			Mode string `json:"authenticationMode"`
		} `json:"accessConfig"`
		Protection *bool `json:"deletionProtection"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	if answer, again, err := s.replayed(c, in.Token); again || err != nil {
		return answer, err
	}
	given := 0
	for _, is := range []bool{in.Logging != nil, in.AccessConfig != nil, in.Protection != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return nil, invalidParameter("Only one type of update can be allowed.")
	}
	if state := found.state(c.Now); state != "ACTIVE" {
		return nil, inUse("Cannot "+c.Operation+" because cluster "+found.Name+" currently has an update in progress",
			map[string]any{"clusterName": found.Name})
	}
	var u *update
	switch {
	case in.AccessConfig != nil:
		u, err = s.updateMode(found, in.AccessConfig.Mode, c.Now)
	case in.Protection != nil:
		found.protected = *in.Protection
		u = s.start(found, c.Now, "DeletionProtectionUpdate")
	default:
		u, err = s.updateLogging(found, *in.Logging, c.Now)
	}
	if err != nil {
		return nil, err
	}
	answer := u.show(c.Now)
	s.remember(c, in.Token, answer, func() bool { return found.updates[u.id] == u })
	return answer, nil
}

func (s *Service) updateLogging(found *cluster, in logging, now time.Time) (*update, error) {
	if err := found.setLogging(in); err != nil {
		return nil, err
	}
	text, err := json.Marshal(in)
	return s.start(found, now, "LoggingUpdate", [2]string{"ClusterLogging", string(text)}), err
}

// updateMode goes one way and one step at a time: the user guide's
// setting-up-access-entries.adoc; the text from pulumi-eks#1493 and
// aws-cdk#31032, where the mode was the same.
func (s *Service) updateMode(found *cluster, mode string, now time.Time) (*update, error) {
	allowed := found.mode == ModeConfigMap && mode == ModeBoth || found.mode == ModeBoth && mode == ModeAPI
	if !allowed {
		return nil, invalidParameter("Unsupported authentication mode update from %s to %s", found.mode, mode)
	}
	found.mode = mode
	if mode == ModeBoth {
		s.bootstrap(found, now)
		s.migrate(found, now)
	}
	return s.start(found, now, "AccessConfigUpdate", [2]string{"AuthenticationMode", mode}), nil
}

// bootstrap makes the entries that a cluster has from the day it has entries:
// the creator's, and that of EKS's own service-linked role if the account has
// it (containers-roadmap#2618).
func (s *Service) bootstrap(c *cluster, now time.Time) {
	if c.mode == ModeConfigMap {
		return
	}
	if p, ok := iam.ParsePrincipal(c.creatorARN); ok {
		p.ID = c.creatorID
		e := c.addIfAbsent(p, Standard, now)
		e.put(PolicyClusterAdmin, Scope{Type: "cluster"}, now)
	}
	own := "arn:" + iam.Partition + ":iam::" + c.Account + ":role" + iam.ServicePath + "eks.amazonaws.com/AWSServiceRoleForAmazonEKS"
	if p, ok := s.Directory.Propagated(own, now); ok {
		c.addIfAbsent(p, Standard, now).put(policyInsights, Scope{Type: "cluster"}, now)
	}
}

// migrate makes entries of what node groups and Fargate profiles wrote to
// aws-auth before (containers-roadmap#185, 2023-12). The rows stay.
func (s *Service) migrate(c *cluster, now time.Time) {
	for _, g := range c.groups {
		if p, ok := s.Directory.Propagated(g.role, now); ok {
			c.addIfAbsent(p, g.entryKind(), now)
		}
	}
	for _, f := range c.profiles {
		if p, ok := s.Directory.Propagated(f.role, now); ok {
			c.addIfAbsent(p, Fargate, now)
		}
	}
}

func (s *Service) describeUpdate(c *call) (any, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	if err := c.query.unread(c.Operation); err != nil { // nodegroupName, addonName: updates the lab hasn't got
		return nil, err
	}
	u := found.updates[c.route.Name]
	if u == nil {
		return nil, notFound("No update found for ID: "+c.route.Name, map[string]any{"clusterName": found.Name})
	}
	return u.show(c.Now), nil
}

func (s *Service) listUpdates(c *call) (any, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	return c.list("updateIds", sortedKeys(found.updates))
}

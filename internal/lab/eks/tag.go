package eks

import (
	"maps"
	"net/http"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// tags finds the tags of what the ARN names: a cluster, a node group, a
// Fargate profile or an access entry. The API model gives these operations
// errors of their own; the texts are the lab's.
func (s *Service) tags(c *call) (*map[string]string, error) {
	for at, found := range s.clusters {
		if at.account != c.account || at.region != c.region {
			continue
		}
		if found.arn == c.route.Resource {
			return &found.tags, nil
		}
		for _, g := range found.groups {
			if g.arn == c.route.Resource {
				return &g.tags, nil
			}
		}
		for _, f := range found.profiles {
			if f.arn == c.route.Resource {
				return &f.tags, nil
			}
		}
		for _, e := range found.entries {
			if e.arn == c.route.Resource {
				return &e.tags, nil
			}
		}
	}
	if !strings.HasPrefix(c.route.Resource, "arn:") {
		return nil, badRequest("Invalid resource ARN " + c.route.Resource)
	}
	return nil, wire.Refuse(http.StatusNotFound, "NotFoundException", "Resource "+c.route.Resource+" not found")
}

func badRequest(message string) error {
	return wire.Refuse(http.StatusBadRequest, "BadRequestException", message)
}

func (s *Service) tagResource(c *call) (any, error) {
	var in struct {
		Tags map[string]string `json:"tags"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	tags, err := s.tags(c)
	if err != nil {
		return nil, err
	}
	changed := map[string]string{}
	maps.Copy(changed, *tags)
	maps.Copy(changed, in.Tags)
	if err := checkTags(changed); err != nil {
		return nil, badRequest(err.Error())
	}
	*tags = changed
	return map[string]any{}, nil
}

func (s *Service) untagResource(c *call) (any, error) {
	keys := c.query.list("tagKeys")
	if err := c.query.unread(c.Operation); err != nil {
		return nil, err
	}
	tags, err := s.tags(c)
	if err != nil {
		return nil, err
	}
	changed := map[string]string{}
	maps.Copy(changed, *tags)
	for _, k := range keys {
		delete(changed, k)
	}
	*tags = changed
	return map[string]any{}, nil
}

func (s *Service) listTags(c *call) (any, error) {
	if err := c.query.unread(c.Operation); err != nil {
		return nil, err
	}
	tags, err := s.tags(c)
	if err != nil {
		return nil, err
	}
	out := *tags
	if out == nil {
		out = map[string]string{}
	}
	return map[string]any{"tags": out}, nil
}

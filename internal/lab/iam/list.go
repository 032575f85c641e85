package iam

import (
	"slices"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// more is the end of every list: whether there is more of it, and where.
type more struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

// pageOf reads Marker and MaxItems and picks the page from what wanted lets
// through, in the order of the keys.
func pageOf[T any](p *wire.Params, all map[string]T, wanted func(T) bool) (names []string, rest more, err error) {
	marker := p.Get("Marker")
	limit, sent, err := p.Int("MaxItems")
	if err != nil {
		return nil, rest, err
	}
	if !sent {
		limit = 100
	}
	if limit < 1 || limit > 1000 {
		return nil, rest, wire.Invalid(limit, "maxItems", "Member must have value between 1 and 1000")
	}
	if err := p.Unread(); err != nil {
		return nil, rest, err
	}
	for name, v := range all {
		if name > marker && wanted(v) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) > limit {
		names = names[:limit]
		rest = more{IsTruncated: true, Marker: names[limit-1]}
	}
	return names, rest, nil
}

package app

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/precedence"
)

// How clusters are asked: ListAccessEntries gives a hundred at once, so that a
// region of a hundred clusters takes seconds.
const (
	liveRate    = 10 // requests a second
	liveTimeout = 10 * time.Second
)

// live asks the clusters that are meant which entries they hold for the roles
// that a plan moves. What can't be asked is unknown.
func live(ctx context.Context, req GateRequest, p Process, env precedence.Env, f gate.Facts) ([]gate.Cluster, []finding.Unknown, error) {
	moving := gate.Moving(f.Plan)
	if !req.Live || moving == nil {
		return nil, nil, nil
	}
	ask := req.Access
	ask.Rate, ask.Timeout = liveRate, liveTimeout
	if len(ask.Regions) == 0 && ask.Region == "" {
		ask.Region = first(env["AWS_REGION"], env["AWS_DEFAULT_REGION"]) // a plan is of one region, mostly
	}
	fleet, err := newFleet(ctx, ask, p)
	if err != nil {
		return nil, nil, err
	}
	defer fleet.close()
	var unknown []finding.Unknown
	for _, u := range fleet.unseen {
		unknown = append(unknown, finding.Unknown{Subject: u.What + " " + u.Account, Why: u.Why})
	}
	var mu sync.Mutex
	var work sync.WaitGroup
	var all []gate.Cluster
	for _, site := range fleet.sites {
		work.Go(func() {
			clusters, err := entriesOf(ctx, site, moving)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, clusters...)
			if err != nil && (site.Asked || len(all) == 0) {
				unknown = append(unknown, finding.Unknown{Subject: "clusters in " + site.Region, Why: oneLine(err)})
			}
		})
	}
	work.Wait()
	return all, unknown, nil
}

// entriesOf lists a region's clusters and their entries, and reads those for
// roles that the plan moves.
func entriesOf(ctx context.Context, site access.Site, moving func(string) bool) ([]gate.Cluster, error) {
	names, err := site.EKS.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	var out []gate.Cluster
	for _, name := range names {
		meant := len(site.Names) == 0 || slices.ContainsFunc(site.Names, func(glob string) bool { ok, _ := path.Match(glob, name); return ok })
		if !meant {
			continue
		}
		c := gate.Cluster{Name: name}
		c.Entries, c.Err = entriesIn(ctx, site.EKS, name, moving)
		out = append(out, c)
	}
	return out, nil
}

func entriesIn(ctx context.Context, from access.Reader, name string, moving func(string) bool) ([]gate.Entry, error) {
	cluster, err := from.Cluster(ctx, name)
	if err != nil || cluster.Mode == access.ModeConfigMap { // which has no entries
		return nil, err
	}
	principals, err := from.Entries(ctx, name)
	if err != nil {
		return nil, err
	}
	var out []gate.Entry
	for _, arn := range principals {
		if !moving(arn) {
			continue
		}
		e, err := from.Entry(ctx, name, arn)
		if err != nil {
			return nil, fmt.Errorf("the entry for %s: %w", arn, err)
		}
		out = append(out, gate.Entry{Principal: arn, Type: e.Type, ARN: e.ARN})
	}
	return out, nil
}

package app

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

// AccessRequest says which clusters are meant, and how they are looked at.
type AccessRequest struct {
	Request
	Clusters   []string // globs of names; none for all
	Role       string   // to assume, with config.AccountPlace for each of Accounts
	ExternalID string   // for Role
	Accounts   []string
	Regions    []string

	Ledger        string // a file or s3://BUCKET/KEY; NoLedger for none
	Full          bool
	Beside        bool // with Full: look what else broke with the principals
	IgnoreAWSAuth bool
	Propagation   time.Duration
	Rate          float64
	Timeout       time.Duration
	// Progress is told how far a scan is; it may be nil.
	Progress func(AccessProgress)

	only func(account, principal string) bool // nil for all entries
	home string                               // the region where nobody names one; empty for all
}

// AccessProgress is how far a scan is.
type AccessProgress = access.Progress

// DefaultPropagation is how long IAM is given to tell everybody of a change.
const DefaultPropagation = access.Propagation

// AccessScan judges the entries of all the clusters that are meant. What it
// found before an interrupt is returned as well.
func AccessScan(ctx context.Context, req AccessRequest, p Process) (report.Access, error) {
	f, err := newFleet(ctx, req, p)
	if err != nil {
		return report.Access{}, err
	}
	defer f.close()
	found, err := f.scan(ctx, req)
	return missed(req.Clusters, found.Access), err
}

// missed adds the names and globs that no cluster has to what wasn't seen: a
// misspelt cluster isn't one in which all is well.
func missed(names []string, found report.Access) report.Access {
	for _, name := range names {
		is := func(c report.AccessCluster) bool { ok, err := path.Match(name, c.Name); return ok && err == nil }
		told := func(u report.AccessUnseen) bool { return u.Cluster == name }
		if found.Interrupted || slices.ContainsFunc(found.Clusters, is) || slices.ContainsFunc(found.Unseen, told) {
			continue
		}
		found.Unseen = append(found.Unseen, report.AccessUnseen{Cluster: name, What: "the cluster", Why: "there is none of this name where this looked"})
	}
	return found
}

// scan looks at all of a fleet, and keeps what the ledger should know.
func (f *fleet) scan(ctx context.Context, req AccessRequest) (access.Result, error) {
	b, err := f.ledger(ctx, req)
	if err != nil {
		return access.Result{}, err
	}
	s := access.Scan{
		Sites: f.sites, Directories: f.directories, Unseen: f.unseen, Window: req.Propagation, Now: time.Now,
		Full: req.Full, Beside: req.Beside, NoAWSAuth: req.IgnoreAWSAuth, Progress: req.Progress, Only: req.only,
	}
	if s.Known, err = known(ctx, b); err != nil {
		return access.Result{}, err
	}
	found := s.Run(ctx)
	found.Calls = f.aws.Calls()
	return found, keep(ctx, b, found.Observed)
}

// AccessExplain tells the story of one entry, by name or ARN of its principal.
// With probe it becomes the principal and asks the cluster.
func AccessExplain(ctx context.Context, req AccessRequest, cluster, principal string, probe bool, p Process) (report.AccessStory, error) {
	req.Clusters, req.Full = []string{cluster}, true
	req.only = func(account, arn string) bool { return access.Means(principal, account, arn) }
	f, err := newFleet(ctx, req, p)
	if err != nil {
		return report.AccessStory{}, err
	}
	defer f.close()
	found, err := f.scan(ctx, req)
	if err != nil {
		return report.AccessStory{}, err
	}
	var where []string
	for _, c := range found.Clusters {
		for _, e := range c.Entries {
			facts := found.Facts[access.Key{Cluster: c.ARN, Principal: e.Principal}]
			if probe {
				seen, err := f.probe(ctx, c, facts)
				if err != nil {
					return report.AccessStory{}, &cure.Error{What: "can't ask the cluster as " + e.Principal, Why: []string{oneLine(err)}, Cure: "leave --probe out", Err: err}
				}
				facts.Log = append(facts.Log, seen)
				e = access.Rejudge(e, facts)
			}
			return access.Story(c, e, facts), nil
		}
		where = append(where, c.Account+" "+c.Region)
	}
	for _, u := range found.Unseen {
		where = append(where, u.What+" of "+u.Account+" "+u.Region+" couldn't be looked at: "+u.Why)
	}
	if len(found.Clusters) == 0 {
		return report.AccessStory{}, &cure.Error{What: "there is no cluster " + cluster + " where this looked", Why: where, Cure: "name its region and account:  --region eu-west-1"}
	}
	return report.AccessStory{}, &cure.Error{What: "cluster " + cluster + " has no entry for " + principal, Why: where,
		Cure: "list them:  holdfast access map " + cluster}
}

// AccessVerify scans until every entry lets its principal in, or wait is over.
func AccessVerify(ctx context.Context, req AccessRequest, wait time.Duration, p Process, tell func(string)) (finding.Report, error) {
	req.Full = true
	f, err := newFleet(ctx, req, p)
	if err != nil {
		return finding.Report{}, err
	}
	defer f.close()
	for until := time.Now().Add(wait); ; {
		found, judged, err := f.judge(ctx, req)
		left := time.Until(until)
		if err != nil || found.Findings() == 0 && !found.Incomplete() && !found.Unwell() || left <= 0 || ctx.Err() != nil {
			return judged, err
		}
		tell(fmt.Sprintf("%d entries aren't live yet; looking again for %s", found.Findings()+found.Count(report.Suspect, report.Unknown), left.Round(time.Second)))
		if sleep(ctx, min(left, verifyEvery)) != nil {
			return judged, nil
		}
	}
}

// judge is a scan in the form that pipelines read. That no cluster was found is
// an error.
func (f *fleet) judge(ctx context.Context, req AccessRequest) (access.Result, finding.Report, error) {
	found, err := f.scan(ctx, req)
	if err == nil && len(found.Clusters)+len(found.Unseen) == 0 {
		err = noClusters()
	}
	return found, access.Findings(missed(req.Clusters, found.Access), strings.Join(req.Clusters, " ")), err
}

// verifyEvery is how often a cluster is looked at while somebody waits.
const verifyEvery = 5 * time.Second

// probe becomes a principal and asks a cluster who it is.
func (f *fleet) probe(ctx context.Context, c report.AccessCluster, facts access.Facts) (access.Sighting, error) {
	none := access.Sighting{}
	in, ok := f.in(c.Account)
	if !ok || !access.Probeable(facts) {
		return none, errors.New("only roles with entries of type STANDARD or FARGATE_LINUX can be tried: entries for machines refuse whoever isn't one")
	}
	who := resolved{name: in.chain.name + " as " + facts.Principal, plan: in.chain.plan, region: in.chain.region}
	session := source.SessionName("holdfast", f.proc.User, f.proc.Host)
	who.plan.Roles = append(slices.Clone(who.plan.Roles), source.Role{ARN: facts.Principal, SessionName: session})
	chain, err := f.service.chain(ctx, who)
	if err != nil {
		return none, err
	}
	if err := chain.ready(ctx); err != nil {
		return none, err
	}
	for _, s := range f.sites {
		if s.Account != c.Account || s.Region != c.Region {
			continue
		}
		described, err := s.EKS.Cluster(ctx, c.Name)
		if err != nil {
			return none, err
		}
		k, err := around{who: chain.last()}.cluster(ctx, described)
		if err != nil {
			return none, err
		}
		granted, err := k.LetsIn(ctx)
		return access.Sighting{At: time.Now(), ID: facts.Owner.ID, Granted: granted, Probe: true}, err
	}
	return none, errors.New("the cluster's place wasn't entered")
}

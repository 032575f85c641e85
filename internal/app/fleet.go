package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/awsapi/eks"
	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/kube"
	"github.com/holdfast/holdfast/internal/kubetoken"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

// fleet is the clusters that are meant, with somebody to ask about each account.
type fleet struct {
	proc        Process
	service     *service
	aws         *eks.AWS
	sites       []access.Site
	directories map[string]access.Directory
	unseen      []report.AccessUnseen
	entered     []entered
	blocks      []config.Cluster // all of holdfast.hcl
	own         resolved         // whoever scans, before an account's role; the first one's of several
}

// entered is an account that we are in.
type entered struct {
	who     cred.Principal // whoever we are there
	chain   *chain
	target  target
	account string
}

// tries is how often a request is made before it is given up: with three of ten
// throttled and one of ten failing, one in ten thousand comes to that.
const tries = 10

// target is one account whose clusters are meant.
type target struct {
	own      resolved // the identity before the account's role
	identity resolved
	account  string // of the role; empty for the identity's own
	role     string
	regions  []string
	names    []string
	// blocks are those of holdfast.hcl that may mean clusters of this account, as
	// far as that is known before it is entered.
	blocks []config.Cluster
}

// newFleet enters every account that is meant, side by side. What can't be
// entered is unseen; that it all can't be is an error.
func newFleet(ctx context.Context, req AccessRequest, p Process) (*fleet, error) {
	if _, _, err := ledgerAddress(req.Ledger); err != nil {
		return nil, err // before anybody is asked
	}
	targets, blocks, err := targets(req, p)
	if err != nil {
		return nil, err
	}
	f := &fleet{proc: p, directories: map[string]access.Directory{}, own: targets[0].own, blocks: blocks}
	f.aws, err = eks.Load(ctx, eks.Options{Profile: req.Wish.Profile, Rate: req.Rate, Timeout: req.Timeout, Tries: tries})
	if err != nil {
		return nil, &cure.Error{What: "can't load the AWS configuration", Why: []string{err.Error()}, Err: err}
	}
	f.service = newService(ctx, p, event.Discard)
	var work sync.WaitGroup
	var mu sync.Mutex
	var failures []error
	for _, t := range targets {
		work.Go(func() {
			in, err := f.enter(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures = append(failures, err)
				f.unseen = append(f.unseen, report.AccessUnseen{Account: t.account, What: "the account", Why: oneLine(err)})
				return
			}
			f.entered = append(f.entered, in)
		})
	}
	work.Wait()
	if len(f.entered) == 0 && len(failures) > 0 {
		f.close()
		return nil, failures[0]
	}
	f.build()
	return f, nil
}

func (f *fleet) close() { f.service.close() }

// enter gets credentials for an account, and learns whose they are.
func (f *fleet) enter(ctx context.Context, t target) (entered, error) {
	who := t.identity
	if t.role != "" {
		who.name += " in " + t.role
	}
	c, err := f.service.chain(ctx, who)
	if err != nil {
		return entered{}, err
	}
	if err := c.ready(ctx); err != nil {
		return entered{}, err
	}
	in := entered{chain: c, target: t, account: t.account}
	if t.role != "" {
		in.who, err = cred.ParsePrincipal(t.role)
		return in, err
	}
	set, err := c.last().Get(ctx)
	if err != nil {
		return entered{}, err
	}
	aws, err := identity.Load(ctx, identity.Options{Profile: who.plan.First.Profile, Region: c.region})
	if err != nil {
		return entered{}, err
	}
	arn, err := aws.Caller(ctx, set)
	if err != nil {
		return entered{}, &cure.Error{What: "AWS doesn't say whose credentials these are", Why: []string{err.Error()}, Err: err}
	}
	if in.who, err = cred.ParsePrincipal(arn); err != nil {
		return entered{}, err
	}
	in.account = in.who.Account
	return in, nil
}

// build makes a site of every place. Targets of one place are one site.
func (f *fleet) build() {
	slices.SortFunc(f.entered, func(a, b entered) int { return strings.Compare(a.account+a.target.role, b.account+b.target.role) })
	at := map[access.Place]int{}
	for _, in := range f.entered {
		regions, asked := in.target.regions, true
		if len(regions) == 0 {
			regions, asked = access.Regions(in.who.Partition), false
		}
		if f.directories[in.account] == nil && len(regions) > 0 {
			f.directories[in.account] = f.aws.IAM(in.account, regions[0], in.chain.last())
		}
		for _, region := range regions {
			place := access.Place{Partition: in.who.Partition, Account: in.account, Region: region}
			if i, ok := at[place]; ok {
				s := &f.sites[i]
				if len(s.Names) == 0 || len(in.target.names) == 0 {
					s.Names = nil // all
				} else {
					// A name that each of several blocks was asked for is one cluster.
					s.Names = slices.Compact(slices.Sorted(slices.Values(slices.Concat(s.Names, in.target.names))))
				}
				continue
			}
			reader := f.aws.In(place, in.chain.last())
			at[place] = len(f.sites)
			f.sites = append(f.sites, access.Site{Place: place, EKS: reader, Around: around{reader, in.chain.last()}, Names: in.target.names, Asked: asked})
		}
	}
}

// targets are the accounts that flags name, or the cluster blocks of
// holdfast.hcl, or the identity's own account; with all the blocks there are.
func targets(req AccessRequest, p Process) (out []target, blocks []config.Cluster, err error) {
	env := precedence.NewEnv(p.Environ)
	if err := config.CheckAccounts(req.Role, req.Accounts); err != nil {
		return nil, nil, &cure.Error{What: err.Error(), Class: cure.Usage, Cure: "--account-role arn:aws:iam::{account}:role/NAME --account 111111111111", Err: err}
	}
	regions := req.Regions
	if len(regions) == 0 && req.Region != "" {
		regions = []string{req.Region}
	}
	all, err := declaredBy(req.Request, p, env)
	if err != nil {
		return nil, nil, err
	}
	blocks = all.file.Clusters
	if len(blocks) == 0 || req.asked() || req.Role != "" {
		one, err := who(req.Request, p)
		if err != nil {
			return nil, nil, err
		}
		flags := config.Cluster{Role: req.Role, ExternalID: req.ExternalID, Accounts: req.Accounts, Regions: req.at(regions)}
		out = all.spread(one, flags, req.Clusters)
		for i := range out {
			out[i].blocks = slices.DeleteFunc(slices.Clone(blocks), func(b config.Cluster) bool {
				return b.Role == "" && b.Identity != "" && b.Identity != req.Identity
			})
		}
		return out, blocks, nil
	}
	for _, block := range blocks {
		var one resolved
		if block.Identity != "" {
			one, err = all.named(block.Identity)
		} else {
			one, err = who(req.Request, p)
		}
		if err != nil {
			return nil, nil, err
		}
		meant := block
		if len(regions) > 0 {
			meant.Regions = regions
		}
		meant.Regions = req.at(meant.Regions)
		names := []string{block.Name}
		if len(req.Clusters) > 0 {
			names = req.Clusters
		}
		some := all.spread(one, meant, names)
		for i := range some {
			some[i].blocks = []config.Cluster{block}
		}
		out = append(out, some...)
	}
	return out, blocks, nil
}

// at is where to look: in regions, or at home where none are named.
func (r AccessRequest) at(regions []string) []string {
	if len(regions) == 0 && r.home != "" {
		return []string{r.home}
	}
	return regions
}

// spread makes a target for each account of a block.
func (i identities) spread(one resolved, block config.Cluster, names []string) []target {
	if slices.Contains(names, "*") {
		names = nil
	}
	if one.region == "" && len(block.Regions) > 0 {
		one.region = block.Regions[0]
	}
	if block.Role == "" {
		return []target{{own: one, identity: one, regions: block.Regions, names: names}}
	}
	accounts := block.Accounts
	if len(accounts) == 0 {
		accounts = []string{""}
	}
	var out []target
	for _, account := range accounts {
		arn := strings.ReplaceAll(block.Role, config.AccountPlace, account)
		t := target{own: one, identity: one, role: arn, regions: block.Regions, names: names}
		if role, err := cred.ParseRole(arn); err == nil {
			t.account = role.Account
		}
		t.identity.plan.Roles = append(slices.Clone(one.plan.Roles), source.Role{ARN: arn, SessionName: i.sessionName(), ExternalID: block.ExternalID})
		out = append(out, t)
	}
	return out
}

// around joins what EKS and a cluster's own API say.
type around struct {
	*eks.Place
	who source.Getter
}

// AWSAuth implements access.Around.
func (a around) AWSAuth(ctx context.Context, c access.Cluster) (access.Rows, error) {
	k, err := a.cluster(ctx, c)
	if err != nil {
		return access.Rows{}, err
	}
	rows, err := k.AWSAuth(ctx)
	var status *kube.StatusError
	if errors.As(err, &status) {
		return access.Rows{}, &access.Refusal{Operation: "reading aws-auth", Permission: "kubernetes: get configmaps kube-system/aws-auth", Message: status.Error(), Status: status.Status, Err: err}
	}
	return access.Rows{ARNs: rows.ARNs, Accounts: rows.Accounts}, err
}

// cluster is a cluster's own API, as whoever scans.
func (a around) cluster(ctx context.Context, c access.Cluster) (kube.Cluster, error) {
	set, err := a.who.Get(ctx)
	if err != nil {
		return kube.Cluster{}, err
	}
	now := time.Now()
	presigned, err := identity.PresignForCluster(ctx, set, c.Region, c.Name, now.Add(set.Skew))
	if err != nil {
		return kube.Cluster{}, err
	}
	token := kubetoken.New("", presigned, now).Status.Token
	return kube.Cluster{Endpoint: c.Endpoint, CA: c.CA, Token: token}, nil
}

// oneLine is an error for a list.
func oneLine(err error) string {
	var e *cure.Error
	if errors.As(err, &e) {
		return strings.Join(append([]string{e.What}, e.Why...), "; ")
	}
	return err.Error()
}

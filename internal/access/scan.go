package access

import (
	"context"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/report"
)

// Reader reads EKS in one place. Errors of AWS are *Refusal.
type Reader interface {
	Clusters(ctx context.Context) ([]string, error)
	Cluster(ctx context.Context, name string) (Cluster, error)
	Entries(ctx context.Context, cluster string) (principals []string, err error)
	// Entry reads an entry without its policies.
	Entry(ctx context.Context, cluster, principal string) (Entry, error)
	Policies(ctx context.Context, cluster, principal string) ([]report.AccessPolicy, error)
}

// Around reads what stands around a cluster's entries.
type Around interface {
	// Users are the node groups and Fargate profiles.
	Users(ctx context.Context, cluster string) ([]User, error)
	// AWSAuth reads the ConfigMap aws-auth as whoever scans.
	AWSAuth(ctx context.Context, c Cluster) (Rows, error)
	// Log reads the lines of the authenticator's log that LogPattern fits.
	Log(ctx context.Context, cluster string, since time.Time) ([]LogLine, error)
}

// Directory reads IAM of one account.
type Directory interface {
	// Roles gives every role to each, until each says that it has enough.
	Roles(ctx context.Context, each func(Owner) (more bool)) error
	// Owner reads one role or user by its name.
	Owner(ctx context.Context, p cred.Principal) (Owner, error)
	// Profiles gives every instance profile to each.
	Profiles(ctx context.Context, each func(Profile)) error
}

// User is a node group or a Fargate profile: what uses a role's entry.
type User struct {
	Kind   string // node group, Fargate profile
	Name   string
	Role   string // ARN
	Type   string // of the entry that it needs; empty if that isn't known
	Status string
	Issues []string // what its health says
}

// Rows are the principals of aws-auth.
type Rows struct {
	ARNs     []string // canonical
	Accounts []string
}

// Find says whether a row lets a principal in.
func (r Rows) Find(p cred.Principal) bool {
	return slices.Contains(r.ARNs, Canonical(p)) || slices.Contains(r.Accounts, p.Account)
}

// Site is one place with its readers.
type Site struct {
	Place
	EKS    Reader
	Around Around
	// Names of clusters, as globs; none for all.
	Names []string
	// Asked says that somebody named this region: that it can't be used is
	// then told, and otherwise expected.
	Asked bool
}

// Scan is what a scan needs. It may be used once.
type Scan struct {
	Sites       []Site
	Directories map[string]Directory // by account
	Unseen      []report.AccessUnseen
	Known       map[Key][]Observation // the ledger's; nil for none
	Window      time.Duration
	Now         func() time.Time
	Side        int  // entries that are read side by side in a place; 3 if 0
	Full        bool // read policies and what uses the entries, and trust no ledger
	Beside      bool // look what else broke with the principals, too
	NoAWSAuth   bool // judge entries alone
	// Only says which principals are meant, by account; nil for all.
	Only     func(account, principal string) bool
	Progress func(Progress)

	mu       sync.Mutex
	progress Progress
	owners   map[string]Owner // by ARN
	found    []*found
	unseen   []report.AccessUnseen
	trusts   []string
	types    map[string]string
	profiles map[string]*profiles // by account; none if nobody asked for them
}

// Progress is how far a scan is.
type Progress struct{ Clusters, Entries, Judged int }

// Key names an entry, by the ARNs of its cluster and its principal.
type Key struct{ Cluster, Principal string }

// found is one cluster on its way through a scan.
type found struct {
	site    Site
	name    string
	entries []string
	facts   []*Facts
	cluster Cluster
	why     *Unseen // why DescribeCluster said nothing
	asked   bool    // DescribeCluster was asked
	users   []User
	rows    *AWSAuth // its Unseen, or rows
	aws     Rows
	log     map[string][]Sighting
	out     report.AccessCluster

	observed []Observation
	kept     map[Key]Facts // of a full scan
}

// Result is what a scan found, with what the ledger should keep of it.
type Result struct {
	report.Access
	Observed []Observation
	// Facts are those of every entry of a full scan, for whoever goes on from here.
	Facts map[Key]Facts
}

// Run scans. When ctx ends it returns what it has: what wasn't looked at is
// unknown.
func (s *Scan) Run(ctx context.Context) Result {
	started := s.Now()
	s.owners, s.types, s.profiles = map[string]Owner{}, map[string]string{}, map[string]*profiles{}
	for account := range s.Directories {
		if s.Beside {
			s.profiles[account] = &profiles{}
		}
	}
	s.unseen = append(s.unseen, s.Unseen...)
	s.each(len(s.Sites), 0, func(i int) { s.list(ctx, s.Sites[i]) })
	slices.SortFunc(s.found, func(a, b *found) int { return strings.Compare(a.site.ClusterARN(a.name), b.site.ClusterARN(b.name)) })
	s.resolve(ctx)
	bySite := map[Place][]*found{}
	for _, f := range s.found {
		bySite[f.site.Place] = append(bySite[f.site.Place], f)
	}
	places := make([][]*found, 0, len(bySite))
	for _, all := range bySite {
		places = append(places, all)
	}
	s.each(len(places), 0, func(i int) { s.place(ctx, places[i]) })
	return s.result(ctx, started)
}

// each does n things side by side, no more than limit at a time; 0 is no limit.
func (s *Scan) each(n, limit int, do func(i int)) {
	if limit == 0 {
		limit = n
	}
	slots := make(chan struct{}, max(limit, 1))
	var all sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		all.Go(func() { defer func() { <-slots }(); do(i) })
	}
	all.Wait()
}

func (s *Scan) cannot(site Site, cluster, what string, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := whyUnseen(why)
	s.unseen = append(s.unseen, report.AccessUnseen{Account: site.Account, Region: site.Region, Cluster: cluster, What: what, Why: u.Why})
}

func (s *Scan) count(change func(*Progress)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.progress)
	if s.Progress != nil {
		s.Progress(s.progress)
	}
}

// list finds the clusters of a place and the principals of their entries.
func (s *Scan) list(ctx context.Context, site Site) {
	var names []string
	if slices.ContainsFunc(site.Names, func(n string) bool { return strings.ContainsAny(n, "*?[") }) || len(site.Names) == 0 {
		all, err := site.EKS.Clusters(ctx)
		if err != nil {
			if r, ok := refusalOf(err); !ok || site.Asked || !r.noRegion() {
				s.cannot(site, "", "the clusters", err)
			}
			return
		}
		for _, n := range all {
			if fits(site.Names, n) {
				names = append(names, n)
			}
		}
	} else {
		names = site.Names
	}
	s.each(len(names), s.side(), func(i int) { s.listEntries(ctx, site, names[i]) })
}

// noRegion is what a region answers that an account hasn't switched on
// (https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html).
func (r *Refusal) noRegion() bool {
	return r.Code == "UnrecognizedClientException" || r.Code == "InvalidClientTokenId"
}

func (s *Scan) side() int {
	if s.Side > 0 {
		return s.Side
	}
	return 3 // ten requests a second, each of up to 300 ms
}

func fits(globs []string, name string) bool {
	return len(globs) == 0 || slices.ContainsFunc(globs, func(g string) bool {
		ok, err := path.Match(g, name)
		return ok && err == nil
	})
}

func (s *Scan) listEntries(ctx context.Context, site Site, name string) {
	f := &found{site: site, name: name, out: report.AccessCluster{
		Name: name, ARN: site.ClusterARN(name), Account: site.Account, Region: site.Region, Entries: []report.AccessEntry{}}}
	principals, err := site.EKS.Entries(ctx, name)
	if err != nil {
		r, ok := refusalOf(err)
		switch {
		case ok && r.Gone():
			if len(site.Names) > 0 && !site.Asked {
				return // named for several places, and not in this one
			}
			s.cannot(site, name, "the cluster", err)
			return
		case ok && r.configMapOnly():
			f.out.Mode, f.out.Skipped = ModeConfigMap, "its authentication mode is CONFIG_MAP: it has no access entries"
		default:
			s.cannot(site, name, "the access entries", err)
			return
		}
	}
	if s.Only != nil {
		principals = slices.DeleteFunc(principals, func(p string) bool { return !s.Only(site.Account, p) })
	}
	slices.Sort(principals)
	f.entries = principals
	s.mu.Lock()
	s.found = append(s.found, f)
	s.mu.Unlock()
	s.count(func(p *Progress) { p.Clusters++; p.Entries += len(principals) })
}

// configMapOnly is what the operations on entries answer on a cluster without
// entries.
func (r *Refusal) configMapOnly() bool {
	return r.Code == "InvalidRequestException" && strings.Contains(r.Message, "authentication mode")
}

// resolve finds out who has the ARNs today, account by account.
func (s *Scan) resolve(ctx context.Context) {
	wanted := map[string]map[string]bool{} // ARNs by account
	for _, f := range s.found {
		for _, arn := range f.entries {
			if p, err := cred.ParsePrincipal(arn); err == nil && !ServiceLinked(p) {
				if wanted[p.Account] == nil {
					wanted[p.Account] = map[string]bool{}
				}
				wanted[p.Account][arn] = true
			}
		}
	}
	accounts := make([]string, 0, len(wanted))
	for a := range wanted {
		accounts = append(accounts, a)
	}
	// A page of ListRoles is a megabyte.
	s.each(len(accounts), 16, func(i int) { s.resolveIn(ctx, accounts[i], wanted[accounts[i]]) })
}

// few is up to how many roles of an account are asked for one by one: a page of
// ListRoles has a thousand, and an account rarely more than two pages.
const few = 3

func (s *Scan) resolveIn(ctx context.Context, account string, wanted map[string]bool) {
	d := s.Directories[account]
	roles, users := map[string]string{}, []string{}
	for arn := range wanted {
		p, _ := cred.ParsePrincipal(arn) // resolve has parsed it
		switch {
		case d == nil:
			s.own(arn, Owner{Unseen: &Unseen{Why: "account " + account + " isn't among those that are scanned, and only its own IAM knows its principals", Permission: "iam:GetRole in " + account}})
		case p.Kind == "role":
			roles[arn] = arn
		default:
			users = append(users, arn)
		}
	}
	if d == nil {
		return
	}
	if len(roles) > few || s.Beside && len(roles) > 0 {
		names := map[string]string{} // who has a name, by the last part of an ARN
		err := d.Roles(ctx, func(o Owner) bool {
			trust := o.Trust
			if !s.Full {
				o.Trust = "" // tens of thousands of them are megabytes
			}
			if p, ok := roles[o.ARN]; ok {
				o.ARN = p // one string for all
				s.own(p, o)
				delete(roles, p)
			}
			if p, err := cred.ParsePrincipal(o.ARN); err == nil {
				names[p.Name] = o.ARN
			}
			if s.Full && brokenTrust(trust) {
				s.broken(o.ARN)
			}
			return len(roles) > 0 || s.Full
		})
		if err == nil {
			for arn := range roles {
				p, _ := cred.ParsePrincipal(arn) // resolve has parsed it
				s.own(arn, Owner{ARN: arn, Gone: true, Else: names[p.Name]})
			}
			clear(roles)
		} else if s.Beside {
			s.cannot(Site{Place: Place{Account: account}}, "", "the trust policies of all roles", err)
		}
	}
	for arn := range roles {
		users = append(users, arn)
	}
	slices.Sort(users)
	s.each(len(users), s.side(), func(i int) {
		p, _ := cred.ParsePrincipal(users[i]) // resolve has parsed it
		o, err := d.Owner(ctx, p)
		if err != nil {
			o = Owner{Unseen: whyUnseen(err)}
		}
		s.own(users[i], o)
	})
}

func (s *Scan) own(arn string, o Owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[arn] = o
}

func (s *Scan) broken(role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusts = append(s.trusts, role)
}

// once is one string for all that are equal.
func (s *Scan) once(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.types[text]
	if !ok {
		kept = text
		s.types[text] = text
	}
	return kept
}

package access

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/report"
)

// logPast is how far back the authenticator's log is read at most. It costs by
// what is searched.
const logPast = 7 * 24 * time.Hour

// place reads and judges the entries of one place, a cluster after another, so
// that what is known of an entry can be forgotten once it is judged.
func (s *Scan) place(ctx context.Context, clusters []*found) {
	for _, f := range clusters {
		f.facts = make([]*Facts, len(f.entries))
		s.each(len(f.entries), s.side(), func(i int) {
			f.facts[i] = s.read(ctx, f, f.entries[i])
			s.count(func(p *Progress) { p.Judged++ })
		})
		s.weigh(ctx, f)
		f.facts, f.log, f.entries = nil, nil, nil
	}
}

// read gathers what is to be known of one entry by itself.
func (s *Scan) read(ctx context.Context, f *found, principal string) *Facts {
	cluster := f.out.ARN
	facts := &Facts{Now: s.Now(), Window: s.Window, Principal: principal, Owner: s.owners[principal], Known: s.Known[Key{cluster, principal}]}
	facts.Entry = Entry{Cluster: f.name, Principal: principal}
	p, err := cred.ParsePrincipal(principal)
	if !s.Full && (err != nil || ServiceLinked(p) || facts.Owner.Unseen != nil) {
		return facts // nothing that the entry says would change the verdict
	}
	if o, ok := Settled(facts.Known, facts.Owner, s.Window); ok && !s.Full {
		facts.Entry.ARN, facts.Entry.Type, facts.Known = "", o.Type, []Observation{o}
		return facts
	}
	entry, err := f.site.EKS.Entry(ctx, f.name, principal)
	if err != nil {
		facts.Unseen = s.unread(ctx, err)
		return facts
	}
	if s.Full {
		policies, err := f.site.EKS.Policies(ctx, f.name, principal)
		if err != nil {
			s.cannot(f.site, f.name, "the policies of "+principal, err)
		} else {
			entry.Policies, entry.PolicyRead = policies, true
		}
	}
	entry.Principal, entry.Type = principal, s.once(entry.Type) // one string for all
	facts.Entry = entry
	return facts
}

// unread is why something couldn't be read. An interrupt is whoever called.
func (s *Scan) unread(ctx context.Context, err error) *Unseen {
	if ctx.Err() != nil {
		return &Unseen{Why: "the scan was interrupted before it came to this"}
	}
	return whyUnseen(err)
}

// settledByLedger says that an entry wasn't read, because it needn't be.
func (f *Facts) settledByLedger() bool {
	return f.Unseen == nil && f.Entry.ARN == "" && len(f.Known) == 1 && f.Known[0].Bound && f.Owner.ID == f.Known[0].ID
}

// judge is Judge, where the ledger alone may have decided.
func (f *Facts) judge() Judgement {
	if !f.settledByLedger() {
		return Judge(*f)
	}
	j := Judgement{Verdict: report.Live, Strength: report.Proof, Binding: BoundToday}
	j.say("ledger", report.Proof, "bound to %s when it was seen at %s, and the principal is still that one", f.Known[0].ID, stamp(f.Known[0].At))
	return j
}

// weigh looks at what stands around the entries of a cluster, as far as it
// matters, and judges.
func (s *Scan) weigh(ctx context.Context, f *found) {
	dead, maybe, earliest := false, false, s.Now()
	f.out.Entries, f.kept = make([]report.AccessEntry, 0, len(f.facts)), map[Key]Facts{}
	for _, facts := range f.facts {
		alone := *facts
		alone.Mode = ModeAPI
		switch j := alone.judge(); j.Verdict {
		case report.Stale:
			dead = true
		case report.Suspect:
			maybe = true
			earliest = earlier(earliest, facts.Entry.Created)
		}
	}
	if dead || maybe || s.Full {
		s.describe(ctx, f)
	}
	if f.cluster.Mode == ModeBoth && (dead || maybe || s.Full) {
		s.readAWSAuth(ctx, f)
	}
	if f.cluster.Logged && (maybe || s.Full) {
		s.readLog(ctx, f, earliest)
	}
	if dead || s.Full {
		users, err := f.site.Around.Users(ctx, f.name)
		if err != nil {
			s.cannot(f.site, f.name, "the node groups and Fargate profiles", err)
		}
		f.users = users
	}
	for _, facts := range f.facts {
		s.complete(f, facts)
		var beside *profiles
		if ForNodes(facts.Entry.Type) && facts.Owner.ID != "" {
			beside = s.profilesOf(ctx, facts.Principal)
		}
		e := entryOf(facts, f.users, beside)
		f.out.Entries = append(f.out.Entries, e)
		if o, ok := observe(f.out.ARN, facts, e); ok {
			f.observed = append(f.observed, o)
		}
		if s.Full {
			f.kept[Key{f.out.ARN, facts.Principal}] = *facts
		}
	}
}

func (s *Scan) describe(ctx context.Context, f *found) {
	f.asked = true
	c, err := f.site.EKS.Cluster(ctx, f.name)
	if err != nil {
		f.why = s.unread(ctx, err)
		return
	}
	f.cluster, f.out.Mode = c, c.Mode
}

func (s *Scan) readAWSAuth(ctx context.Context, f *found) {
	f.rows = &AWSAuth{}
	if s.NoAWSAuth {
		return
	}
	rows, err := f.site.Around.AWSAuth(ctx, f.cluster)
	if err != nil {
		why := whyUnseen(err)
		f.rows.Unseen = &Unseen{Why: "aws-auth couldn't be read: " + why.Why, Permission: why.Permission}
		return
	}
	f.aws = rows
}

func (s *Scan) readLog(ctx context.Context, f *found, earliest time.Time) {
	if bound := s.Now().Add(-logPast); earliest.Before(bound) || s.Full {
		earliest = bound
	}
	lines, err := f.site.Around.Log(ctx, f.name, earliest)
	if err != nil {
		s.cannot(f.site, f.name, "the authenticator's log", err)
		return
	}
	f.log = Sightings(lines)
}

// complete adds to an entry's facts what its cluster says.
func (s *Scan) complete(f *found, facts *Facts) {
	facts.Mode, facts.ModeWhy = f.cluster.Mode, f.why
	p, err := cred.ParsePrincipal(facts.Principal)
	if err != nil {
		return
	}
	facts.Log = f.log[Canonical(p)]
	if f.rows != nil {
		facts.AWSAuth = *f.rows
		facts.AWSAuth.Row = f.rows.Unseen == nil && f.aws.Find(p)
	}
}

// entryOf is what the report says of an entry.
func entryOf(f *Facts, users []User, beside *profiles) report.AccessEntry {
	j := f.judge()
	out := report.AccessEntry{
		Principal: f.Principal, Verdict: j.Verdict, Strength: j.Strength, Binding: j.Binding, Evidence: j.Evidence, Missing: j.Missing,
		ID: f.Owner.ID, ARN: f.Entry.ARN, Type: f.Entry.Type, Username: f.Entry.Username, Groups: f.Entry.Groups,
		Policies: f.Entry.Policies, PoliciesOK: f.Entry.PolicyRead,
		Created: whole(f.Entry.Created), Modified: whole(f.Entry.Modified),
	}
	if f.Entry.ARN != "" {
		out.Read = whole(f.Now)
	} else if f.settledByLedger() {
		out.Read = whole(f.Known[0].At)
	}
	for _, u := range users {
		if u.Role == f.Principal {
			out.UsedBy = append(out.UsedBy, u.Kind+" "+u.Name)
		}
	}
	out.Notes = notes(f, j, users, beside)
	return out
}

func whole(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// result puts together what was found.
func (s *Scan) result(ctx context.Context, started time.Time) Result {
	r := Result{Facts: map[Key]Facts{}}
	r.Access = report.Access{SchemaVersion: report.AccessVersion, Started: started.UTC(), Seconds: s.Now().Sub(started).Seconds(),
		Clusters: []report.AccessCluster{}, Unseen: append([]report.AccessUnseen{}, s.unseen...), Interrupted: errors.Is(ctx.Err(), context.Canceled)}
	n := 0
	for _, f := range s.found {
		n += len(f.observed)
	}
	r.Observed, s.owners = make([]Observation, 0, n), nil
	for _, f := range s.found {
		r.Clusters = append(r.Clusters, f.out)
		r.Observed = append(r.Observed, f.observed...)
		maps.Copy(r.Facts, f.kept)
		f.observed, f.kept = nil, nil
	}
	r.BrokenTrusts = slices.Sorted(slices.Values(s.trusts))
	slices.SortStableFunc(r.Unseen, func(a, b report.AccessUnseen) int {
		return strings.Compare(a.Account+a.Region+a.Cluster+a.What, b.Account+b.Region+b.Cluster+b.What)
	})
	return r
}

// observe is what the ledger should keep of an entry that was read: nothing
// while IAM may still show an earlier owner of the ARN, and nothing that it
// knows already.
func observe(cluster string, f *Facts, e report.AccessEntry) (Observation, bool) {
	window := f.Window
	if window == 0 {
		window = Propagation
	}
	if f.Entry.ARN == "" || f.Owner.ID == "" || f.Now.Sub(f.Entry.Created) < window+clocks {
		return Observation{}, false
	}
	o := Observation{Cluster: cluster, Principal: f.Principal, Entry: f.Entry.ARN, ID: f.Owner.ID, At: f.Now, Type: f.Entry.Type, Bound: e.Verdict == report.Live}
	for i := len(f.Known) - 1; i >= 0; i-- {
		if k := f.Known[i]; k.Entry == o.Entry && k.ID == o.ID && k.Bound == o.Bound {
			return Observation{}, false
		}
	}
	return o, true
}

package access

import (
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/report"
)

// Facts are what is known of one entry.
type Facts struct {
	Now       time.Time
	Window    time.Duration // of IAM's propagation; Propagation if 0
	Mode      string        // of the cluster; empty if it isn't known
	ModeWhy   *Unseen       // why it isn't
	Principal string        // ARN
	Entry     Entry
	Unseen    *Unseen // why the entry couldn't be read; nil if it was
	Owner     Owner
	AWSAuth   AWSAuth       // asked for only where it matters: see NeedsAWSAuth
	Known     []Observation // the ledger's, of this cluster and principal
	Log       []Sighting    // of this principal, in order of time
}

// Judgement is a verdict with its reasons.
type Judgement struct {
	Verdict  report.Verdict
	Strength report.Strength
	Binding  string // today, dead, unknown
	Evidence []report.AccessEvidence
	Missing  []string // permissions
}

// Bindings.
const (
	BoundToday = "today"
	BoundDead  = "dead"
	BoundMaybe = "unknown"
)

// clocks is how far the clocks of IAM and EKS may be apart. Each is kept by
// AWS; nobody promises that they agree.
const clocks = 5 * time.Second

// Judge decides.
func Judge(f Facts) Judgement {
	if f.Window == 0 {
		f.Window = Propagation
	}
	p, err := cred.ParsePrincipal(f.Principal)
	j := Judgement{Binding: BoundMaybe}
	switch {
	case err != nil:
		return j.unknown("principal", &Unseen{Why: err.Error()})
	case ServiceLinked(p):
		j.Verdict, j.Strength = report.Managed, report.Proof
		j.say("iam", report.Proof, "a service-linked role: AWS keeps its entry, and EKS refuses customers")
		return j
	case f.Owner.Unseen != nil:
		return j.unknown("iam", f.Owner.Unseen)
	case f.Unseen != nil:
		return j.unknown("eks", f.Unseen)
	case f.Owner.Gone:
		return j.orphan(f)
	}
	j.bind(f)
	switch j.Binding {
	case BoundToday:
		j.Verdict = report.Live
	case BoundDead:
		j.locked(f)
	default:
		j.Verdict, j.Strength = report.Suspect, report.Hint
	}
	return j
}

func (j *Judgement) say(kind string, strength report.Strength, format string, args ...any) {
	j.Evidence = append(j.Evidence, report.AccessEvidence{Kind: kind, Text: fmt.Sprintf(format, args...), Strength: strength})
}

func (j Judgement) unknown(kind string, why *Unseen) Judgement {
	j.Verdict = report.Unknown
	if why.Permission != "" {
		j.Missing = append(j.Missing, why.Permission)
	}
	j.say(kind, report.Hint, "%s", why.Why)
	return j
}

func (j Judgement) orphan(f Facts) Judgement {
	p, _ := cred.ParsePrincipal(f.Principal) // Judge has parsed it
	j.Verdict, j.Strength, j.Binding = report.Orphan, report.NearProof, BoundDead
	if f.Now.Sub(f.Entry.Created) < f.Window {
		// EKS refuses an entry for nobody, so that somebody was there a moment ago.
		j.Verdict, j.Strength, j.Binding = report.Suspect, report.Hint, BoundMaybe
		j.say("iam", report.Hint, "IAM doesn't know the %s, but the entry is only %s old: IAM may lag behind", p.Kind, f.Now.Sub(f.Entry.Created).Round(time.Second))
		return j
	}
	j.say("iam", report.NearProof, "no such %s", p.Kind)
	if f.Owner.Else != "" {
		j.say("iam", report.Proof, "the name is another principal's now: %s", f.Owner.Else)
	}
	return j
}

// bind settles whether the entry is bound to the principal of today, by the
// strongest evidence that there is.
func (j *Judgement) bind(f Facts) {
	if j.byLog(f) || j.byLedger(f) {
		return
	}
	j.byClock(f)
}

// dead settles on a dead binding, except where an update may have bound anew: nobody
// has shown whether UpdateAccessEntry does.
func (j *Judgement) dead(f Facts, strength report.Strength) {
	if f.Entry.Modified.After(f.Entry.Created) && !f.Entry.Modified.Before(f.Owner.Created.Add(-clocks)) {
		j.Binding = BoundMaybe
		j.say("clock", report.Hint, "the entry was changed at %s, after the principal of today was made, and nobody has shown whether a change binds anew", stamp(f.Entry.Modified))
		return
	}
	j.Binding, j.Strength = BoundDead, strength
}

func (j *Judgement) byLog(f Facts) bool {
	settled := f.Entry.Created
	if f.Entry.Modified.After(settled) {
		settled = f.Entry.Modified
	}
	settled = settled.Add(f.Window)
	for i := len(f.Log) - 1; i >= 0; i-- { // the last word counts
		s := f.Log[i]
		switch {
		case !s.At.After(f.Entry.Created.Add(clocks)):
		case !s.Granted && s.ID == f.Owner.ID && s.At.After(settled):
			j.Binding, j.Strength = BoundDead, report.Proof
			j.say(s.kind(), report.Proof, "at %s the cluster refused %s, the ID of today, as not mapped", stamp(s.At), s.ID)
			return true
		case s.Granted && s.ID == f.Owner.ID && (f.Mode == ModeAPI || f.Mode == ModeBoth && f.AWSAuth.Unseen == nil && !f.AWSAuth.Row):
			j.Binding, j.Strength = BoundToday, report.Proof
			j.say(s.kind(), report.Proof, "at %s the cluster let %s in, the ID of today", stamp(s.At), s.ID)
			return true
		case s.Granted && s.ID != f.Owner.ID && f.Owner.Created.After(s.At.Add(-clocks)):
			// That ID had the ARN after the entry was made and before today's
			// principal was, so the entry can't have been made for this one.
			j.say(s.kind(), report.Proof, "at %s the cluster let %s in; today the ARN has %s", stamp(s.At), s.ID, f.Owner.ID)
			j.dead(f, report.Proof)
			return true
		}
	}
	return false
}

func (j *Judgement) byLedger(f Facts) bool {
	for i := len(f.Known) - 1; i >= 0; i-- {
		o := f.Known[i]
		switch {
		case o.Entry != f.Entry.ARN || o.Entry == "" || o.At.Sub(f.Entry.Created) < f.Window+clocks:
			// Of another entry, or so soon after this one was made that IAM may
			// still have shown whoever had the ARN before.
		case o.ID == f.Owner.ID && o.Bound:
			j.Binding, j.Strength = BoundToday, report.Proof
			j.say("ledger", report.Proof, "this entry was bound to %s when it was seen at %s, and that is the ID of today", o.ID, stamp(o.At))
			return true
		case o.ID != f.Owner.ID:
			j.say("ledger", report.Proof, "this entry was there at %s, when the principal had the ID %s; today it has %s", stamp(o.At), o.ID, f.Owner.ID)
			j.dead(f, report.Proof)
			return true
		}
	}
	return false
}

// byClock compares the whole seconds of IAM with the milliseconds of EKS. EKS
// refuses an entry for a principal that doesn't exist, so the ID that an entry
// keeps is that of whoever had the ARN when it was made.
func (j *Judgement) byClock(f Facts) {
	made, bound := f.Owner.Created, f.Entry.Created
	kind := "principal"
	if p, err := cred.ParsePrincipal(f.Principal); err == nil {
		kind = p.Kind
	}
	both := fmt.Sprintf("%s made %s, entry bound %s", kind, minutes(made), minutes(bound))
	switch after := bound.Sub(made); {
	case made.IsZero() || bound.IsZero():
		j.say("clock", report.Hint, "AWS didn't say when both were made")
	case after < -clocks:
		j.say("clock", report.NearProof, "%s", both)
		j.dead(f, report.NearProof)
	case after < time.Second:
		j.say("clock", report.Hint, "%s made and entry bound within the same seconds (%s, %s): the order can't be told", kind, stamp(made), stamp(bound))
	case after <= f.Window+time.Second:
		j.say("clock", report.Hint, "the entry was bound %s after the %s was made, within %s, in which IAM may still have shown an older one of that name", after.Round(time.Second), kind, f.Window)
	default:
		j.Binding, j.Strength = BoundToday, report.NearProof
		j.say("clock", report.NearProof, "%s", both)
	}
}

// locked says what a dead binding means in the cluster's mode.
func (j *Judgement) locked(f Facts) {
	switch {
	case f.Mode == "":
		why := f.ModeWhy
		if why == nil {
			why = &Unseen{Why: "the cluster's authentication mode isn't known"}
		}
		*j = j.unknown("mode", why)
		j.Strength = ""
	case f.Mode == ModeAPI:
		j.Verdict = report.Stale
	case f.AWSAuth.Unseen != nil:
		*j = j.unknown("aws-auth", f.AWSAuth.Unseen)
		j.say("aws-auth", report.Hint, "the binding is dead (%s), but a row of aws-auth may let it in; --ignore-aws-auth judges the entry alone", j.Strength)
		j.Strength = ""
	case f.AWSAuth.Row:
		j.Verdict = report.Masked
		j.say("aws-auth", report.Proof, "aws-auth still lets it in, without this entry's groups and policies")
	default:
		j.Verdict = report.Stale
		j.say("aws-auth", report.Proof, "aws-auth has no row for it")
	}
}

// NeedsAWSAuth reports whether the ConfigMap decides: whoever gathers facts
// needn't read it otherwise.
func NeedsAWSAuth(f Facts) bool {
	if f.Mode != ModeBoth {
		return false
	}
	f.AWSAuth = AWSAuth{}
	return Judge(f).Binding != BoundToday || len(f.Log) > 0
}

// Settled reports whether the ledger alone says that an entry is live, so that
// it needn't be read again: since a time when it was bound to the ID that its
// principal has today, nobody else can have had the ARN, and whatever entry
// stands there now was made for that ID.
func Settled(known []Observation, owner Owner, window time.Duration) (Observation, bool) {
	if owner.Gone || owner.Unseen != nil || owner.ID == "" {
		return Observation{}, false
	}
	if window == 0 {
		window = Propagation
	}
	for i := len(known) - 1; i >= 0; i-- {
		o := known[i]
		if o.Bound && o.ID == owner.ID && o.At.Sub(owner.Created) > window+time.Second {
			return o, true
		}
	}
	return Observation{}, false
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// minutes is a time as a person writes it, with seconds where they matter.
func minutes(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

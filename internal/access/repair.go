package access

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/report"
)

// JournalKind is the kind of a repair's journal.
const JournalKind = "access-repair"

// Writer reads and changes entries in one place. Errors of AWS are *Refusal.
type Writer interface {
	Entry(ctx context.Context, cluster, principal string) (Entry, error)
	Policies(ctx context.Context, cluster, principal string) ([]report.AccessPolicy, error)
	Delete(ctx context.Context, cluster, principal string) error
	// Create makes an entry without policies; a repeated token is the same request.
	Create(ctx context.Context, e Entry, token string) (Entry, error)
	Associate(ctx context.Context, cluster, principal string, policy report.AccessPolicy) error
}

// Guarded makes a writer whose Delete AWS refuses for any entry but the one of
// that ARN.
type Guarded func(ctx context.Context, entryARN string) (Writer, error)

// Repairer repairs entries of one place, one after another.
type Repairer struct {
	EKS     Writer
	IAM     Directory
	Around  Around
	Guarded Guarded // nil: a delete is compared right before
	Window  time.Duration
	// Patience is how long AWS's "not yet" is waited out; Wait how long signs
	// of life are waited for after the repair.
	Patience, Wait time.Duration
	Now            func() time.Time
	Sleep          func(context.Context, time.Duration) error
	// Linger waits where nothing is lost by going: before the delete, and for
	// signs of life in the end. An interrupt ends it.
	Linger func(context.Context, time.Duration) error
	Tell   func(string)
}

// ErrChanged is an entry that isn't the judged one any more.
var ErrChanged = errors.New("it isn't the judged one any more")

// refusedError ends a repair before anything was changed.
type refusedError struct{ why string }

func (e *refusedError) Error() string { return e.why }

func refuse(format string, args ...any) error { return &refusedError{fmt.Sprintf(format, args...)} }

// Guard is how this repairer's deletes are kept from the wrong entry.
func (r *Repairer) Guard() string {
	if r.Guarded != nil {
		return GuardSession
	}
	return GuardCompare
}

// Run repairs one entry, or goes on where its journal ends.
func (r *Repairer) Run(ctx context.Context, j *journal.Journal, p Plan) report.RepairedEntry {
	out := p.Outcome("", "")
	out.Guard, out.Journal, out.Notes = r.Guard(), j.Dir(), slices.Clone(p.Notes)
	err := r.run(ctx, j, p, &out)
	var no *refusedError
	switch {
	case err == nil:
		out.Outcome = report.Repaired
	case errors.As(err, &no):
		out.Outcome, out.Why = report.Refused, no.why
		if err := j.End(report.Refused, no.why); err != nil {
			out.Notes = append(out.Notes, err.Error())
		}
	default:
		out.Outcome, out.Why = report.Failed, err.Error()
		if r.mayBeGone(ctx, j, p) {
			out.Missing, out.ByHand = true, p.ByHand()
		}
	}
	return out
}

// Undo ends a repair that hasn't changed anything yet. One that has is finished:
// an entry that is gone can only be made anew.
func (r *Repairer) Undo(ctx context.Context, j *journal.Journal, p Plan) report.RepairedEntry {
	current, err := r.EKS.Entry(ctx, p.Cluster, p.Entry.Principal)
	if err != nil || current.ARN != p.Entry.ARN {
		return r.Run(ctx, j, p)
	}
	out := p.Outcome(report.Undone, "the entry is the one that it was")
	out.Journal = j.Dir()
	if err := j.End(report.Undone, nil); err != nil {
		out.Outcome, out.Why = report.Failed, err.Error()
	}
	return out
}

// mayBeGone says whether the entry isn't there after a failure, as far as
// anybody can tell.
func (r *Repairer) mayBeGone(ctx context.Context, j *journal.Journal, p Plan) bool {
	if !j.Find(journal.Begun, "delete", nil) {
		return false
	}
	_, err := r.EKS.Entry(context.WithoutCancel(ctx), p.Cluster, p.Entry.Principal)
	return err != nil
}

func (r *Repairer) run(ctx context.Context, j *journal.Journal, p Plan, out *report.RepairedEntry) error {
	if !j.Find(journal.Noted, "plan", nil) {
		if err := j.Note("plan", p); err != nil {
			return err
		}
	}
	token := "holdfast-" + j.ID
	if !j.Find(journal.Done, "delete", nil) {
		before, err := r.prepare(ctx, j, p, token)
		if err != nil {
			return err
		}
		if err := j.Do("delete", deleteIntent{p.Entry.ARN, r.Guard()}, func() (any, error) { return nil, r.delete(ctx, p, before) }); err != nil {
			return err
		}
	}
	err := j.Do("create", map[string]string{"token": token}, func() (any, error) { return r.create(ctx, p, token) })
	if err != nil {
		return err
	}
	for _, policy := range p.Entry.Policies {
		err := j.Do("associate "+policy.ARN, policy, func() (any, error) {
			return nil, r.patiently(ctx, missingPrincipal, func() error {
				return r.EKS.Associate(ctx, p.Cluster, p.Entry.Principal, policy)
			})
		})
		if err != nil {
			return err
		}
	}
	if err := r.prove(ctx, p, out); err != nil {
		return err
	}
	return j.End(report.Repaired, map[string]string{"proof": out.Proof, "guard": out.Guard})
}

type deleteIntent struct {
	Entry string `json:"entry"`
	Guard string `json:"guard"`
}

// begun says whether an earlier process may have changed something.
func begun(j *journal.Journal) bool {
	return j.Find(journal.Begun, "delete", nil) || j.Find(journal.Noted, "asked", nil)
}

// prepare makes sure, before the delete, that the create can succeed. Before
// says that the old entry may be gone by our own doing: nothing is refused then
// any more, because an entry that nobody makes again is lost.
func (r *Repairer) prepare(ctx context.Context, j *journal.Journal, p Plan, token string) (before bool, err error) {
	if begun(j) {
		current, err := r.EKS.Entry(ctx, p.Cluster, p.Entry.Principal)
		if gone(err) || err == nil && current.ARN != p.Entry.ARN {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	owner, err := cred.ParsePrincipal(p.Entry.Principal)
	if err != nil {
		return false, refuse("%s", err.Error())
	}
	now, err := r.IAM.Owner(ctx, owner)
	switch {
	case err != nil:
		return false, refuse("IAM doesn't say whether the %s is still there: %s", owner.Kind, err.Error())
	case now.Gone:
		return false, refuse("the %s is gone, so that no entry could be created for it", owner.Kind)
	case now.ID != p.ID:
		return false, refuse("the %s was made again since it was judged: it has %s, and had %s", owner.Kind, now.ID, p.ID)
	}
	if left := p.ReadyAt.Sub(r.Now()); left > 0 {
		r.Tell(fmt.Sprintf("%s: the %s is young; waiting %s until every service knows it", p.Entry.Principal, owner.Kind, left.Round(time.Second)))
		if err := r.Linger(ctx, left); err != nil {
			why := "interrupted"
			if errors.Is(err, context.DeadlineExceeded) {
				why = "the time that repairs may take was over"
			}
			return false, refuse("%s before anything was changed", why)
		}
	}
	return r.permitted(ctx, j, p, token)
}

// permitted asks for what must succeed after the delete, while it changes
// nothing: a create is refused as a duplicate by whoever may create, and to
// associate a policy as it is associated is to change nothing. Made says that
// the entry had gone meanwhile, and that this was its create.
func (r *Repairer) permitted(ctx context.Context, j *journal.Journal, p Plan, token string) (made bool, err error) {
	current, err := r.EKS.Entry(ctx, p.Cluster, p.Entry.Principal)
	switch {
	case gone(err):
		return false, refuse("the entry is gone already")
	case err != nil:
		return false, refuse("the entry couldn't be looked at again: %s", err.Error())
	case current.ARN != p.Entry.ARN:
		return false, refuse("somebody made the entry anew since it was judged: it is %s", current.ARN)
	}
	if err := j.Note("asked", token); err != nil {
		return false, err
	}
	_, err = r.EKS.Create(ctx, p.Again(), token)
	if err == nil {
		return true, nil
	}
	if f, ok := refusalOf(err); !ok || !f.Exists() {
		return false, refuse("the entry couldn't be created after the delete: %s", err.Error())
	}
	for _, policy := range p.Entry.Policies {
		if err := r.EKS.Associate(ctx, p.Cluster, p.Entry.Principal, policy); err != nil {
			return false, refuse("%s couldn't be associated after the delete: %s", policy.ARN, err.Error())
		}
	}
	return false, nil
}

// delete looks again, compares, and deletes without pause.
func (r *Repairer) delete(ctx context.Context, p Plan, before bool) error {
	if before {
		return nil
	}
	writer := r.EKS
	if r.Guarded != nil {
		var err error
		if writer, err = r.Guarded(ctx, p.Entry.ARN); err != nil {
			return refuse("no session that may delete this entry alone: %s", err.Error())
		}
	}
	policies, err := r.EKS.Policies(ctx, p.Cluster, p.Entry.Principal)
	if err != nil && !gone(err) {
		return err
	}
	current, err := r.EKS.Entry(ctx, p.Cluster, p.Entry.Principal)
	switch {
	case gone(err):
		return nil
	case err != nil:
		return err
	case current.ARN != p.Entry.ARN:
		return refuse("somebody made the entry anew since it was judged: it is %s", current.ARN)
	case !same(current, policies, p.Entry):
		return refuse("the entry was changed since it was judged; scan again")
	}
	err = writer.Delete(ctx, p.Cluster, p.Entry.Principal)
	if err == nil || gone(err) {
		return nil
	}
	if f, ok := refusalOf(err); ok && f.Denied() {
		if current, e := r.EKS.Entry(ctx, p.Cluster, p.Entry.Principal); e == nil && current.ARN != p.Entry.ARN {
			return refuse("somebody made the entry anew since it was judged: it is %s (guard=%s)", current.ARN, r.Guard())
		}
		return refuse("%s", err.Error())
	}
	return err
}

// same compares what a repair must not lose.
func same(e Entry, policies []report.AccessPolicy, kept Entry) bool {
	return e.Username == kept.Username && e.Type == kept.Type && slices.Equal(sorted(e.Groups), sorted(kept.Groups)) && maps.Equal(e.Tags, kept.Tags) && samePolicies(policies, kept.Policies)
}

func samePolicies(a, b []report.AccessPolicy) bool {
	return len(a) == len(b) && (len(a) == 0 || reflect.DeepEqual(canonicalPolicies(a), canonicalPolicies(b)))
}

func canonicalPolicies(all []report.AccessPolicy) map[string]string {
	out := map[string]string{}
	for _, p := range all {
		out[p.ARN] = p.Scope + " " + strings.Join(sorted(p.Namespaces), " ")
	}
	return out
}

func sorted(all []string) []string { return slices.Sorted(slices.Values(all)) }

// created is what the create step records.
type created struct {
	Entry   string `json:"entry"`
	Adopted bool   `json:"adopted,omitempty"` // somebody else made it
}

func (r *Repairer) create(ctx context.Context, p Plan, token string) (created, error) {
	var out created
	err := r.patiently(ctx, notYet, func() error {
		e, err := r.EKS.Create(ctx, p.Again(), token)
		if f, ok := refusalOf(err); ok && f.Exists() {
			if e, err = r.EKS.Entry(ctx, p.Cluster, p.Entry.Principal); err != nil {
				return err
			}
			if e.ARN == p.Entry.ARN {
				return &Refusal{Operation: "CreateAccessEntry", Code: f.Code, Message: "the old entry is still there", Status: f.Status}
			}
			out.Adopted = true
		}
		out.Entry = e.ARN
		return err
	})
	return out, err
}

// notYet are refusals of a create that pass: IAM lags, or the delete does. The
// texts are those that terraform-provider-aws retries
// (internal/service/eks/access_entry.go).
func notYet(f *Refusal) bool {
	return strings.Contains(f.Message, "invalid principal") || f.Exists() || f.Gone() && strings.Contains(f.Message, "principalArn")
}

// missingPrincipal is a refusal to associate that passes
// (internal/service/eks/access_policy_association.go).
func missingPrincipal(f *Refusal) bool {
	return f.Gone() && strings.Contains(f.Message, "principalArn")
}

// patiently does something until it succeeds, fails for good, or patience ends.
func (r *Repairer) patiently(ctx context.Context, passes func(*Refusal) bool, do func() error) error {
	until := r.Now().Add(r.Patience)
	for delay := 200 * time.Millisecond; ; delay = min(2*delay, 5*time.Second) {
		err := do()
		f, ok := refusalOf(err)
		if err == nil || !ok || !passes(f) || r.Now().Add(delay).After(until) {
			return err
		}
		r.Tell("not yet: " + err.Error())
		if err := r.Sleep(ctx, delay); err != nil {
			return err
		}
	}
}

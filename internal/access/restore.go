package access

import (
	"context"
	"fmt"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/report"
)

// RestoreKind is the kind of a restore's journal.
const RestoreKind = "access-restore"

// Restorer changes entries in one place.
type Restorer interface {
	Create(ctx context.Context, e Entry, token string) (Entry, error)
	// Update sets groups and user name.
	Update(ctx context.Context, e Entry, token string) error
	Associate(ctx context.Context, cluster, principal string, policy report.AccessPolicy) error
	// Tag adds tags to the entry of e's ARN.
	Tag(ctx context.Context, e Entry) error
}

// Restore makes the changes of one cluster, each recorded before it is made. A
// restore that was killed is finished by another one: what was done is no
// difference any more. Of the repairer it needs its patience.
func (r *Repairer) Restore(ctx context.Context, j *journal.Journal, eks Restorer, changes []Change, done func(Change)) error {
	for n, c := range changes {
		err := j.Do(c.Step(), c, func() (any, error) {
			return nil, r.patiently(ctx, notYet, func() error { return c.make(ctx, eks, fmt.Sprint(j.ID, "-", n)) })
		})
		if err != nil {
			return err
		}
		done(c)
	}
	return nil
}

func (c Change) make(ctx context.Context, eks Restorer, token string) error {
	switch c.Do {
	case DoCreate:
		_, err := eks.Create(ctx, c.Entry, token)
		if f, ok := refusalOf(err); ok && f.Exists() {
			return nil // somebody was quicker; the next restore shows what differs
		}
		return err
	case DoUpdate:
		return eks.Update(ctx, c.Entry, token)
	case DoTag:
		return eks.Tag(ctx, c.Entry)
	}
	return eks.Associate(ctx, c.Entry.Cluster, c.Entry.Principal, *c.Policy)
}

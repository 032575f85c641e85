package iam

import (
	"strings"
	"time"
)

// incarnation is one life of an ARN.
type incarnation struct {
	id       string
	from, to time.Time // to is zero as long as it lives
}

func (d *Directory) born(arn, id string, now time.Time) {
	d.ids[id] = arn
	d.past[arn] = append(d.past[arn], incarnation{id: id, from: now})
}

func (d *Directory) died(arn, id string, now time.Time) {
	delete(d.ids, id)
	lives := d.past[arn]
	lives[len(lives)-1].to = now
}

// Principal is a role or a user, as far as another service sees it.
type Principal struct {
	ARN     string
	Account string
	ID      string // AROA… or AIDA…
	Kind    string // role or user
	Path    string
	Name    string
}

// Propagated is the role or user behind an ARN as another service sees it at
// now: as it was Lag ago. IAM says no more than that changes aren't seen at
// once: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
func (d *Directory) Propagated(arn string, now time.Time) (Principal, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := now.Add(-d.Lag)
	for _, life := range d.past[arn] {
		if !life.from.After(seen) && (life.to.IsZero() || life.to.After(seen)) {
			p, ok := ParsePrincipal(arn)
			p.ID = life.id
			return p, ok
		}
	}
	return Principal{}, false
}

// ID is the unique ID that an ARN has now, "" if nobody has it.
func (d *Directory) ID(arn string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if lives := d.past[arn]; len(lives) > 0 && lives[len(lives)-1].to.IsZero() {
		return lives[len(lives)-1].id
	}
	return ""
}

// Changed is when an ARN got the owner it has now, or lost its last one.
func (d *Directory) Changed(arn string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	lives := d.past[arn]
	switch {
	case len(lives) == 0:
		return time.Time{}
	case lives[len(lives)-1].to.IsZero():
		return lives[len(lives)-1].from
	}
	return lives[len(lives)-1].to
}

// ParsePrincipal takes the ARN of a role or a user apart.
func ParsePrincipal(arn string) (Principal, bool) {
	rest, ok := strings.CutPrefix(arn, "arn:"+Partition+":iam::")
	accountID, resource, colon := strings.Cut(rest, ":")
	kind, path, slash := strings.Cut(resource, "/")
	if !ok || !colon || !slash || len(accountID) != 12 || kind != "role" && kind != "user" {
		return Principal{}, false
	}
	last := strings.LastIndex(path, "/") + 1
	return Principal{ARN: arn, Account: accountID, Kind: kind, Path: "/" + path[:last], Name: path[last:]}, path[last:] != ""
}

// ServicePath is where service-linked roles are:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html
const ServicePath = "/aws-service-role/"

// ServiceLinked says whether only an AWS service may change this role.
func (p Principal) ServiceLinked() bool {
	return p.Kind == "role" && strings.HasPrefix(p.Path, ServicePath)
}

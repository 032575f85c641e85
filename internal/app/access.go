package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/ledger"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// AccessRequest says which clusters are meant, and how they are looked at.
type AccessRequest struct {
	Request
	Clusters   []string // globs of names; none for all
	Role       string   // to assume, with config.AccountPlace for each of Accounts
	ExternalID string   // for Role
	Accounts   []string
	Regions    []string

	Ledger        string // a file; NoLedger for none
	Full          bool
	IgnoreAWSAuth bool
	Propagation   time.Duration
	Rate          float64
	Timeout       time.Duration
	// Progress is told how far a scan is; it may be nil.
	Progress func(AccessProgress)
}

// AccessProgress is how far a scan is.
type AccessProgress = access.Progress

// DefaultPropagation is how long IAM is given to tell everybody of a change.
const DefaultPropagation = access.Propagation

// NoLedger is the name of the ledger that isn't kept.
const NoLedger = "none"

// AccessScan judges the entries of all the clusters that are meant. What it
// found before an interrupt is returned as well.
func AccessScan(ctx context.Context, req AccessRequest, p Process) (report.Access, error) {
	f, err := newFleet(ctx, req, p)
	if err != nil {
		return report.Access{}, err
	}
	defer f.close()
	found, err := f.scan(ctx, req)
	return found.Access, err
}

// scan looks at all of a fleet, and keeps what the ledger should know.
func (f *fleet) scan(ctx context.Context, req AccessRequest) (access.Result, error) {
	book := f.ledger(req)
	s := access.Scan{
		Sites: f.sites, Directories: f.directories, Unseen: f.unseen, Window: req.Propagation, Now: time.Now,
		Full: req.Full, NoAWSAuth: req.IgnoreAWSAuth, Progress: req.Progress,
	}
	if book.Path != "" {
		known, err := book.Load()
		if err != nil {
			return access.Result{}, &cure.Error{What: "the ledger can't be read", Why: []string{err.Error()},
				Cure: "look at it, and move it away if it isn't needed; the next scan begins another", Err: err}
		}
		s.Known = known
	}
	found := s.Run(ctx)
	found.Calls = f.aws.Calls()
	if book.Path == "" {
		return found, nil
	}
	// What was learned before an interrupt is worth keeping too.
	if err := book.Append(context.WithoutCancel(ctx), found.Observed); err != nil {
		return found, &cure.Error{What: "the ledger can't be written", Why: []string{err.Error()}, Cure: "name another with --ledger FILE, or none with --ledger none", Err: err}
	}
	return found, nil
}

func (f *fleet) ledger(req AccessRequest) ledger.File {
	switch req.Ledger {
	case NoLedger:
		return ledger.File{}
	case "":
		return ledger.File{Path: filepath.Join(accessState(precedence.NewEnv(f.proc.Environ), f.proc.Home), ledger.FileName)}
	}
	if filepath.IsAbs(req.Ledger) {
		return ledger.File{Path: req.Ledger}
	}
	return ledger.File{Path: filepath.Join(f.proc.Dir, req.Ledger)}
}

package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/awsapi/statestore"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/ledger"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/tf/backend"
)

// NoLedger is the name of the ledger that isn't kept.
const NoLedger = "none"

// ledgerWithin bounds how long a ledger is read, and how long it is added to,
// with all the waiting for others that write it.
const ledgerWithin = 2 * time.Minute

// book is a ledger, wherever it is kept.
type book interface {
	Load(ctx context.Context) (map[access.Key][]access.Observation, error)
	Append(ctx context.Context, observed []access.Observation) error
}

// ledger settles where the ledger is kept: nowhere (nil), in a file, or in S3.
func (f *fleet) ledger(ctx context.Context, req AccessRequest) (book, error) {
	at, shared, err := ledgerAddress(req.Ledger)
	switch {
	case err != nil:
		return nil, err
	case shared:
		return f.shared(ctx, req, at)
	case req.Ledger == NoLedger:
		return nil, nil
	case req.Ledger == "":
		return ledger.File{Path: filepath.Join(stateHome(precedence.NewEnv(f.proc.Environ), f.proc.Home), ledger.FileName)}, nil
	case filepath.IsAbs(req.Ledger):
		return ledger.File{Path: req.Ledger}, nil
	}
	return ledger.File{Path: filepath.Join(f.proc.Dir, req.Ledger)}, nil
}

// ledgerAddress is where in S3 a ledger is kept; shared is false if it isn't.
func ledgerAddress(named string) (at ledger.Address, shared bool, err error) {
	if at, shared, err = ledger.ParseAddress(named); err != nil {
		err = &cure.Error{What: "--ledger " + err.Error(), Cure: "name a file, s3://BUCKET/KEY or none", Class: cure.Usage, Err: err}
	}
	return at, shared, err
}

// shared is a ledger in S3, as the identity of the scan: the first one's, where
// cluster blocks have several, and before the role of any account.
func (f *fleet) shared(ctx context.Context, req AccessRequest, at ledger.Address) (book, error) {
	c, err := f.service.chain(ctx, f.own)
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	where := backend.S3{Bucket: at.Bucket, Key: at.Key, Region: c.region}
	where = where.Environment(precedence.NewEnv(f.proc.Environ))
	if where.Region == "" && len(f.sites) > 0 {
		where.Region = f.sites[0].Region // any of the partition: S3 says where the bucket is
	}
	// AWS's own endpoints take both styles, others' often this one alone.
	where.PathStyle = where.Endpoint != ""
	return ledger.Shared{Where: at.String(), Object: statestore.NewObject(where, c.last().Get, req.Timeout)}, nil
}

// known is what a ledger holds already.
func known(ctx context.Context, b book) (map[access.Key][]access.Observation, error) {
	if b == nil {
		return nil, nil
	}
	ctx, done := context.WithTimeout(ctx, ledgerWithin)
	defer done()
	all, err := b.Load(ctx)
	if err != nil {
		return nil, ledgerError(b, err, "the ledger can't be read", "look at it, and move it away if it isn't needed; the next scan begins another")
	}
	return all, nil
}

// keep adds to a ledger. What was learned before an interrupt is worth keeping
// too.
func keep(ctx context.Context, b book, observed []access.Observation) error {
	if b == nil {
		return nil
	}
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), ledgerWithin)
	defer done()
	if err := b.Append(ctx, observed); err != nil {
		return ledgerError(b, err, "the ledger can't be written", "name another with --ledger FILE, or none with --ledger none")
	}
	return nil
}

// ledgerError says which permission is missing where that is why, and otherwise
// gives the cure.
func ledgerError(b book, err error, what, otherwise string) error {
	out := &cure.Error{What: what, Why: []string{err.Error()}, Cure: otherwise, Err: err}
	var no *access.Refusal
	shared, ok := b.(ledger.Shared)
	if !ok || !errors.As(err, &no) {
		return out
	}
	switch {
	case no.Code == "NoSuchBucket":
		out.Cure = "make the bucket, or name another with --ledger s3://BUCKET/KEY"
	case no.Code == "AccessDenied":
		if no.Permission == "s3:GetObject" {
			out.Why = append(out.Why, "S3 says the same of an object that isn't there to whoever may not list its bucket")
		}
		out.Cure = "allow s3:GetObject and s3:PutObject on it, and s3:ListBucket on its bucket:  " + cure.Command("holdfast", "iam-policy", "scan", "--ledger", shared.Where)
	case no.Code == "PermanentRedirect" || no.Code == "AuthorizationHeaderMalformed":
		out.Cure = "the bucket is in another region, and S3 didn't say in which: name it in AWS_REGION"
	case no.Code == "":
		out.Cure = "no answer came that counts: look at the network and at AWS_ENDPOINT_URL, or scan without it:  --ledger none"
	}
	return out
}

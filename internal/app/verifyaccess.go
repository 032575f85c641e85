package app

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// AccessVerified and AccessDead are the kinds of notices about the access
// entries of clusters after a run.
const (
	AccessVerified = "access.verified"
	AccessDead     = "access.dead"
)

// verifyWithin bounds how long a run stays for the entries of its clusters.
const verifyWithin = 2 * time.Minute

// VerifyAccess looks at the access entries of clusters after a command has
// ended, as the run's identity, and adds what it found to the report. It changes
// no exit code: the command's own stands.
func VerifyAccess(ctx context.Context, req Request, clusters []string, p Process, rep *report.Run) finding.Report {
	limited, done := context.WithTimeout(context.WithoutCancel(ctx), verifyWithin)
	defer done()
	env := precedence.NewEnv(p.Environ)
	// run has no flag for the ledger; the access commands have this variable for theirs.
	ask := AccessRequest{Request: req, Clusters: clusters, Ledger: env["HOLDFAST_LEDGER"], Propagation: access.Propagation, Rate: 10, Timeout: 10 * time.Second}
	if region := first(req.Region, env["AWS_REGION"], env["AWS_DEFAULT_REGION"]); region != "" {
		ask.Regions = []string{region}
	}
	found, err := AccessVerify(limited, ask, 0, p, func(string) {})
	subject := strings.Join(clusters, " ")
	if err != nil {
		found = finding.New("access verify", subject, access.Rules(), nil, []finding.Unknown{{Subject: subject, Why: oneLine(err)}})
	}
	add := func(severity event.Severity, kind, about, text string) {
		rep.Notices = append(rep.Notices, report.Notice{Time: time.Now().UTC().Round(0), Severity: severity.String(), Kind: kind, Subject: about, Message: text})
	}
	for _, f := range found.Findings {
		if f.Severity != finding.Note {
			add(event.Warning, AccessDead, f.Subject, f.Message)
		}
	}
	for _, u := range found.Unknown {
		add(event.Warning, AccessVerified, u.Subject, "couldn't be looked at: "+u.Why)
	}
	if found.Verdict == finding.Clean {
		add(event.Notice, AccessVerified, subject, "every access entry lets its principal in")
	}
	return found
}

// Package doctor (logic) answers how long a run can last in a place, and what
// would end it, from facts that somebody else has gathered.
//
// It promises that every finding carries its evidence and a cure, that what
// wasn't looked at is unknown and never fine, and that a place in which nothing
// is wrong has no finding.
//
// It asks nobody and reads nothing. The answer is about the command as it is,
// without holdfast; the cure says what holdfast would change.
package doctor

import (
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// Facts are what is known of a place.
type Facts struct {
	Now     time.Time
	Command []string // the command that is asked about; empty if none
	Engine  string   // tofu or terraform, if the command is one
	Version string   // of the engine; empty if it isn't known
	Kept    bool     // a keeper of holdfast is above

	Hops    []Hop     // as holdfast would take them
	Refused []string  // why no credential could be had: what, why, cure
	Mortal  bool      // the first credential can't be had anew
	Ends    time.Time // when it ends; zero if nobody knows

	Winners []Winner            // what each SDK would take
	Shadows []precedence.Shadow // code that names credentials of its own
	Unseen  []string            // what couldn't be looked at
	Place   Place
}

// Hop is one credential that could be had just now.
type Hop struct {
	Name    string
	ARN     string // empty for a first credential that isn't a role
	Web     bool   // by a web identity token
	Life    time.Duration
	Asked   time.Duration // what was asked for; 0: nothing
	Chained bool
	Skew    time.Duration
}

// Winner is what one SDK would take.
type Winner struct {
	SDK precedence.SDK
	precedence.Winner
}

// Decide answers.
func Decide(f Facts) report.Doctor {
	out := report.Doctor{
		SchemaVersion: report.DoctorVersion, Hops: []report.DoctorHop{}, SDKs: sdks(f),
		Findings: findings(f), Unknown: append([]string{}, f.Unseen...),
	}
	end := f.end()
	out.Hops = hops(f, end)
	out.Ends, out.EndedBy, out.LastsSeconds = end.kind, end.by, end.left.Seconds()
	out.Answer, out.Cure = answer(f, end)
	if end.kind == unknown {
		out.Unknown = append(out.Unknown, "when the credentials end: "+end.by)
	}
	return out
}

// The kinds of ends.
const (
	never   = "never"
	at      = "at"
	unknown = "unknown"
	nothing = "nothing"
)

// end is what would end a run, and when.
type end struct {
	kind       string
	by         string
	left       time.Duration
	terragrunt bool
}

// usual is the session that AWS gives unasked, and the cap of role chaining.
const usual = time.Hour

// end judges the command as it would run without holdfast.
func (f Facts) end() end {
	if f.Kept {
		return end{kind: never, by: "a keeper of holdfast renews"}
	}
	if len(f.Refused) > 0 && len(f.Hops) == 0 {
		return end{kind: nothing, by: f.Refused[0]}
	}
	if role := f.Place.Role; role.ARN != "" && f.terragrunt() {
		left := role.Duration
		if left == 0 {
			left = usual
		}
		return end{kind: at, left: left, by: "Terragrunt assumes " + role.ARN + " and hands on keys that nobody renews", terragrunt: true}
	}
	w := f.goWinner()
	switch {
	case w.Source == precedence.EnvKeys && !f.Place.SessionKeys:
		return end{kind: never, by: "long-lived keys don't end"}
	case w.Source == precedence.EnvKeys && !f.Place.KeysEnd.IsZero():
		return end{kind: at, left: max(f.Place.KeysEnd.Sub(f.Now), 0), by: "the keys in the environment are a session's, and can't be renewed"}
	case w.Source == precedence.EnvKeys:
		return end{kind: unknown, by: "the keys in the environment are a session's, and nothing says when they end"}
	case w.Renewable:
		return end{kind: never, by: fmt.Sprintf("%s renews by itself", w.Source)}
	case w.Source == precedence.None:
		return end{kind: nothing, by: "no SDK finds one"}
	}
	return end{kind: unknown, by: fmt.Sprintf("%s, from %s", w.Source, w.Where)}
}

func (f Facts) goWinner() precedence.Winner {
	for _, w := range f.Winners {
		if w.SDK == precedence.Go {
			return w.Winner
		}
	}
	return precedence.Winner{Source: precedence.Unknown}
}

// answer is the first line, and what to do about it.
func answer(f Facts, e end) (text, cure string) {
	run := "holdfast run -- " + commandLine(f.Command)
	switch e.kind {
	case never:
		return "Nothing would end this run: " + e.by + ".", ""
	case nothing:
		return "No run can start here: no credential could be had.", ""
	case unknown:
		text = "How long this run can last can't be told."
	case at:
		text = fmt.Sprintf("This run ends at about %s.", roughly(e.left))
	}
	switch {
	case e.kind == at && e.left >= 50*time.Minute && !e.terragrunt:
		cure = "For a change that certainly takes less, nothing is needed."
	case f.Mortal:
		cure = "holdfast can't renew it either: start from a source that can be had anew (docs/SOURCES.md)."
	default:
		cure = "To outlive it, leave everything as it is and run:  " + run
	}
	return text, cure
}

// commandLine names a command without its arguments, which may hold secrets,
// but for the first word that isn't an option.
func commandLine(command []string) string {
	if len(command) == 0 {
		return "COMMAND"
	}
	if len(command) > 1 && command[1] != "" && command[1][0] != '-' {
		return base(command[0]) + " " + command[1]
	}
	return base(command[0])
}

// roughly never says more than there is.
func roughly(d time.Duration) string {
	switch minutes := int(d / time.Minute); {
	case minutes == 0:
		return "less than a minute"
	case minutes == 1:
		return "1 minute"
	case minutes < 120:
		return fmt.Sprintf("%d minutes", minutes)
	}
	return fmt.Sprintf("%d hours", int(d/time.Hour))
}

// hops are shown as holdfast would take them, with the one that ends the run.
func hops(f Facts, e end) []report.DoctorHop {
	out := []report.DoctorHop{}
	for i, h := range f.Hops {
		shown := report.DoctorHop{Name: h.Name, RoleARN: h.ARN, LifetimeSeconds: h.Life.Seconds(), Renewable: true, How: "AssumeRole"}
		switch {
		case h.ARN == "":
			shown.How, shown.Renewable = "first credential", !f.Mortal
		case h.Web:
			shown.How, shown.Renewable = "AssumeRoleWithWebIdentity", !f.Mortal
		}
		switch {
		case h.Chained:
			shown.Cap = "AWS's cap of role chaining is 1h"
		case h.ARN != "" && h.Asked == 0:
			shown.Cap = "the role's maximum isn't known (iam:GetRole isn't asked)"
		}
		if i == 0 && f.Mortal && !f.Ends.IsZero() {
			end := f.Ends.UTC()
			shown.Ends = &end
		}
		role := f.Place.Role
		if e.terragrunt && h.ARN == role.ARN {
			shown.How, shown.Where, shown.Renewable, shown.EndsIt = "AssumeRole by Terragrunt", role.Where, false, true
		}
		if e.kind == at && !e.terragrunt && i == 0 && h.ARN == "" {
			shown.EndsIt = true
		}
		out = append(out, shown)
	}
	if e.terragrunt && !endsSomewhere(out) {
		role := f.Place.Role
		out = append(out, report.DoctorHop{Name: roleName(role.ARN), RoleARN: role.ARN, How: "AssumeRole by Terragrunt", Where: role.Where, LifetimeSeconds: e.left.Seconds(), EndsIt: true})
	}
	return out
}

func endsSomewhere(hops []report.DoctorHop) bool {
	for _, h := range hops {
		if h.EndsIt {
			return true
		}
	}
	return false
}

func sdks(f Facts) []report.DoctorSDK {
	out := []report.DoctorSDK{}
	for _, w := range f.Winners {
		out = append(out, report.DoctorSDK{SDK: string(w.SDK), Source: string(w.Source), Where: w.Where.String(), Profile: w.Profile, Note: w.Note})
	}
	return append(out, java(f.Place))
}

// java follows the documented order of DefaultCredentialsProvider in the SDK for
// Java 2.x (https://docs.aws.amazon.com/sdk-for-java/latest/developer-guide/credentials-chain.html):
// system properties, keys in variables, web identity, files. What is behind
// variables isn't judged here.
func java(p Place) report.DoctorSDK {
	out := report.DoctorSDK{SDK: "Java", Source: string(precedence.Unknown), Note: "its files and system properties aren't judged"}
	switch {
	case p.SystemProperties:
	case p.Keys:
		out.Source, out.Where, out.Note = string(precedence.EnvKeys), "AWS_ACCESS_KEY_ID", ""
	case p.WebIdentity:
		out.Source, out.Where, out.Note = string(precedence.EnvWebIdentity), "AWS_WEB_IDENTITY_TOKEN_FILE", ""
	}
	return out
}

// Package sts (lab) issues sessions as AWS STS does: AssumeRole,
// AssumeRoleWithWebIdentity and GetCallerIdentity.
//
// It promises AWS's refusals, in AWS's order as far as that is known: limits
// of the request, then the trust policy, then the limits of the role and of
// role chaining. Session tags, transitive tags and source identity follow a
// chain.
//
// It doesn't know SAML, federation tokens, MFA, managed session policies, or
// tokens of another issuer than the lab's. PackedPolicySize is an estimate:
// AWS's packing isn't public.
package sts

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Namespace is the XML namespace of STS's answers.
const Namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// Limits of DurationSeconds.
const (
	minDuration     = 900
	maxDuration     = 43200
	defaultDuration = time.Hour
	chainLimit      = time.Hour
)

// Service is STS over a directory.
type Service struct {
	Directory *iam.Directory
	Issuer    string             // URL
	Keys      jose.JSONWebKeySet // of the issuer

	usual atomic.Int64 // see SetDefault
}

// SetDefault replaces the hour that a request without DurationSeconds gets from
// now on; 0 leaves it.
func (s *Service) SetDefault(d time.Duration) { s.usual.Store(int64(d)) }

type credentialsXML struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type assumedXML struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	Arn           string
}

type result struct {
	Credentials      credentialsXML
	SubjectFrom      string `xml:"SubjectFromWebIdentityToken,omitempty"`
	AssumedRoleUser  assumedXML
	PackedPolicySize int    `xml:",omitempty"`
	Provider         string `xml:",omitempty"`
	Audience         string `xml:",omitempty"`
	SourceIdentity   string `xml:",omitempty"`
}

// Handle answers one STS operation.
func (s *Service) Handle(r *wire.Request, caller iam.Caller) (any, error) {
	switch r.Operation {
	case "AssumeRole":
		return s.assumeRole(r, caller)
	case "AssumeRoleWithWebIdentity":
		return s.assumeRoleWithWebIdentity(r)
	case "GetCallerIdentity":
		if err := wire.NewParams(r).Unread(); err != nil {
			return nil, err
		}
		return struct {
			Arn     string
			UserID  string `xml:"UserId" json:"UserId"`
			Account string
		}{caller.ARN, caller.UserID, caller.Account}, nil
	}
	return nil, wire.Unsupported("sts:" + r.Operation)
}

// asked is what both operations have in common.
type asked struct {
	roleARN     string
	sessionName string
	duration    time.Duration // 0: not said
	policy      string
}

func readAsked(p *wire.Params) (asked, error) {
	a := asked{roleARN: p.Get("RoleArn"), sessionName: p.Get("RoleSessionName"), policy: p.Get("Policy")}
	seconds, sent, err := p.Int("DurationSeconds")
	if err != nil {
		return a, err
	}
	if len(p.List("PolicyArns")) > 0 || p.Has("PolicyArns.member.1.arn") {
		return a, wire.Unsupported("managed session policies (PolicyArns)")
	}
	var broken []string
	check := func(ok bool, value any, member, constraint string) {
		if !ok {
			broken = append(broken, fmt.Sprintf("Value %v at '%s' failed to satisfy constraint: %s", value, member, constraint))
		}
	}
	quoted := func(s string) string { return "'" + s + "'" }
	if !p.Has("RoleArn") {
		check(false, "null", "roleArn", "Member must not be null")
	} else {
		check(len(a.roleARN) >= 20, quoted(a.roleARN), "roleArn", "Member must have length greater than or equal to 20")
		check(len(a.roleARN) <= 2048, quoted(a.roleARN), "roleArn", "Member must have length less than or equal to 2048")
	}
	if !p.Has("RoleSessionName") {
		check(false, "null", "roleSessionName", "Member must not be null")
	} else {
		check(regexp.MustCompile(`^[\w+=,.@-]*$`).MatchString(a.sessionName), quoted(a.sessionName), "roleSessionName", `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
		check(len(a.sessionName) >= 2, quoted(a.sessionName), "roleSessionName", "Member must have length greater than or equal to 2")
		check(len(a.sessionName) <= 64, quoted(a.sessionName), "roleSessionName", "Member must have length less than or equal to 64")
	}
	if sent {
		check(seconds >= minDuration, fmt.Sprintf("'%d'", seconds), "durationSeconds", "Member must have value greater than or equal to 900")
		check(seconds <= maxDuration, fmt.Sprintf("'%d'", seconds), "durationSeconds", "Member must have value less than or equal to 43200")
		a.duration = time.Duration(seconds) * time.Second
	}
	if len(broken) > 0 {
		noun := "error"
		if len(broken) > 1 {
			noun = "errors"
		}
		return a, validation(fmt.Sprintf("%d validation %s detected: %s", len(broken), noun, strings.Join(broken, "; ")))
	}
	if !strings.HasPrefix(a.roleARN, "arn:") {
		return a, validation(a.roleARN + " is invalid")
	}
	return a, nil
}

func validation(message string) error {
	return wire.Refuse(http.StatusBadRequest, "ValidationError", message)
}

// length decides how long the session lives. A role's own length is the lab's
// doing and wins over everything; the lab's default only fills a gap.
func (s *Service) length(a asked, role iam.Role, chained bool) (time.Duration, error) {
	switch {
	case chained && a.duration > chainLimit:
		return 0, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case a.duration > role.MaxSession:
		return 0, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case role.Session > 0:
		return role.Session, nil
	case a.duration > 0:
		return a.duration, nil
	case s.usual.Load() > 0:
		return time.Duration(s.usual.Load()), nil
	}
	return defaultDuration, nil
}

// issue makes the session. AWS gives whole seconds; the lab cuts them off, so
// that what it says is exactly when it starts to refuse.
func (s *Service) issue(session iam.Session, life time.Duration, now time.Time) (iam.Credential, result) {
	session.Issued = now
	session.Expires = now.Add(life).UTC().Truncate(time.Second)
	c := s.Directory.Issue(session)
	return c, result{
		Credentials: credentialsXML{
			AccessKeyID: c.AccessKey, SecretAccessKey: c.Secret, SessionToken: c.Token,
			Expiration: session.Expires.Format("2006-01-02T15:04:05Z"),
		},
		AssumedRoleUser: assumedXML{AssumedRoleID: c.Caller.UserID, Arn: c.Caller.ARN},
		SourceIdentity:  session.SourceIdentity,
	}
}

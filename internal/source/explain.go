package source

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
)

// Explain says for a person why hop number hop of a plan (from 1; 0 is the
// first credential where it isn't a role) couldn't be had, and what would cure
// it. Now is for tokens that have expired.
func Explain(p Plan, hop int, err error, now time.Time) *cure.Error {
	what := "no credential from " + p.Found
	if hop > 0 {
		what = fmt.Sprintf("can't become %s (hop %d of %d, from %s)", p.Roles[hop-1].ARN, hop, len(p.Roles), p.before(hop))
	}
	e := &cure.Error{What: what, Err: err}
	var token *TokenError
	var refusal *Refusal
	switch {
	case errors.As(err, &token):
		e.Why = []string{token.Error()}
		e.Cure = token.Cure
	case errors.As(err, &refusal):
		p.explainRefusal(e, refusal, hop, now)
	default:
		e.Why = []string{err.Error()}
	}
	return e
}

func (p *Plan) before(hop int) string {
	if hop == 1 {
		return p.Found
	}
	if before, err := cred.ParseRole(p.Roles[hop-2].ARN); err == nil {
		return "role " + before.Name
	}
	return p.Roles[hop-2].ARN
}

func (p *Plan) explainRefusal(e *cure.Error, r *Refusal, hop int, now time.Time) {
	said := r.Message
	if r.Code != "" {
		said = r.Code + ": " + r.Message
	}
	web := r.Operation == "AssumeRoleWithWebIdentity"
	switch {
	case r.Final:
		e.Why = []string{r.Message}
		e.Cure = "log in, or name a source: --profile, --web-identity-token-file, keys in the environment, or an identity in holdfast.hcl"
		return
	case r.Code == "":
		e.Why, e.Cure = []string{r.Operation + ": " + r.Message}, "can this machine reach STS? (a proxy, a VPC endpoint, AWS_ENDPOINT_URL)"
		return
	}
	e.Why = append(e.Why, "AWS said: "+said)
	if r.Token != nil {
		e.Why = append(e.Why, r.Token.Describe(now))
	}
	e.Cure = p.cureFor(r, hop, web)
}

func (p *Plan) cureFor(r *Refusal, hop int, web bool) string {
	switch {
	case r.Code == "AccessDenied" && web:
		return "is there such a role, and does its trust policy allow this issuer, sub and aud for sts:AssumeRoleWithWebIdentity?"
	case r.Code == "AccessDenied" && hop > 0:
		role := p.Roles[hop-1]
		sent := "no external ID was sent"
		if role.ExternalID != "" {
			sent = "external ID sent: " + role.ExternalID
		}
		from := "the identity before it"
		if hop > 1 {
			from = p.Roles[hop-2].ARN
		}
		return fmt.Sprintf("is there such a role? its trust policy must allow %s; %s", from, sent)
	case r.Code == "InvalidIdentityToken" && strings.Contains(r.Message, "audience"):
		return p.First.rightAudience()
	case r.Code == "InvalidIdentityToken":
		return "is there an IAM OIDC provider for the token's issuer in this account?"
	case r.Code == "ExpiredTokenException":
		return p.First.freshToken()
	case r.Code == "ExpiredToken":
		return "the credential that this started with has ended; get a new one and start again"
	case strings.Contains(r.Message, "MaxSessionDuration"):
		return "ask for less (duration, --duration), or raise the role's maximum:  aws iam update-role --role-name NAME --max-session-duration SECONDS"
	case r.Code == "InvalidClientTokenId" || r.Code == "SignatureDoesNotMatch":
		return "are the access key and its secret whole, and is this machine's clock right?"
	}
	return ""
}

// freshToken is the cure for a token that has expired, by who makes it.
func (f First) freshToken() string {
	switch f.From {
	case GitLab:
		return "it is made once for a job; in GitLab it lasts until the job's timeout: raise that (timeout: 3h), and start the job again"
	case Command:
		return "the command must print a new token each time: does it keep an old one?"
	case GitHub:
		return "it was made a moment ago: is this machine's clock right?"
	}
	return "the token must be replaced by whoever makes it; kubelet does so by itself, a CI job's token often can't be"
}

// rightAudience is the cure for a token that is for somebody else.
func (f First) rightAudience() string {
	text := "the token's aud must be one that the IAM OIDC provider lists (sts.amazonaws.com, or sts.amazonaws.com.cn in China)"
	switch f.From {
	case GitHub:
		return text + `; audience = "..." in the identity block asks for another`
	case GitLab:
		return text + "; it is aud: in the job's id_tokens"
	}
	return text
}

package source

import (
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

// Need is what one principal of a plan must be allowed.
type Need struct {
	Principal string `json:"principal"`

	// MaxSessionDuration is what the role's setting must be at least, in
	// seconds; 0 if AWS's default will do.
	MaxSessionDuration int `json:"max_session_duration,omitempty"`

	TrustPolicy    *Document `json:"trust_policy,omitempty"`    // of the role
	IdentityPolicy *Document `json:"identity_policy,omitempty"` // of whoever it is
}

// Document is an IAM policy
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html).
type Document struct {
	Version   string
	Statement []Statement
}

// Statement allows something.
type Statement struct {
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  string                       `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

func allow(s Statement) *Document {
	s.Effect = "Allow"
	return &Document{Version: "2012-10-17", Statement: []Statement{s}}
}

// Needs is the least privilege that a plan's chain needs. Token is what the web
// identity token says of itself; where it isn't known, capitals stand for what
// somebody must fill in.
func Needs(p Plan, token Claims) []Need {
	var out []Need
	before := "arn:aws:iam::ACCOUNT:role/NAME" // the first credential, whoever that is
	tagged, identified := false, false
	for i, role := range p.Roles {
		web := i == 0 && p.First.Web()
		actions := []string{"sts:AssumeRole"}
		// Transitive tags and a source identity go along to every later hop, and
		// each needs leave for them
		// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html,
		// id_credentials_temp_control-access_monitor.html).
		if tagged || len(role.Tags) > 0 {
			actions = append(actions, "sts:TagSession")
		}
		if identified = identified || role.SourceIdentity != ""; identified {
			actions = append(actions, "sts:SetSourceIdentity")
		}
		tagged = tagged || len(role.TransitiveTags) > 0
		n := Need{Principal: role.ARN}
		if role.Duration > time.Hour && (web || i == 0) {
			n.MaxSessionDuration = int(role.Duration / time.Second)
		}
		if web {
			n.TrustPolicy = trustToken(role, token)
		} else {
			n.TrustPolicy = trustRole(before, role, actions)
			out = allowOn(out, before, role.ARN, actions)
		}
		out = append(out, n)
		before = role.ARN
	}
	return out
}

// allowOn gives the principal before a role what it needs to assume it.
func allowOn(out []Need, before, role string, actions []string) []Need {
	if len(out) == 0 {
		out = append(out, Need{Principal: before})
	}
	out[len(out)-1].IdentityPolicy = allow(Statement{Action: actions, Resource: role})
	return out
}

func trustRole(before string, role Role, actions []string) *Document {
	s := Statement{Principal: map[string]string{"AWS": before}, Action: actions}
	equals := map[string]string{}
	if role.ExternalID != "" {
		equals["sts:ExternalId"] = role.ExternalID
	}
	if role.SourceIdentity != "" {
		equals["sts:SourceIdentity"] = role.SourceIdentity
	}
	if len(equals) > 0 {
		s.Condition = map[string]map[string]string{"StringEquals": equals}
	}
	return allow(s)
}

// trustToken trusts one subject of one issuer, for one audience.
func trustToken(role Role, token Claims) *Document {
	_, issuer, found := strings.Cut(token.Issuer, "://")
	if issuer = strings.TrimSuffix(issuer, "/"); !found {
		issuer = "ISSUER"
	}
	subject, audience := token.Subject, "sts.amazonaws.com"
	if subject == "" {
		subject = "SUBJECT"
	}
	if len(token.Audience) > 0 {
		audience = token.Audience[0]
	}
	partition, account := "aws", "ACCOUNT"
	if p, err := cred.ParseRole(role.ARN); err == nil {
		partition, account = p.Partition, p.Account
	}
	operator := "StringEquals"
	if strings.ContainsAny(subject, "*?") {
		operator = "StringLike"
	}
	condition := map[string]map[string]string{"StringEquals": {issuer + ":aud": audience}}
	if condition[operator] == nil {
		condition[operator] = map[string]string{}
	}
	condition[operator][issuer+":sub"] = subject
	return allow(Statement{
		Principal: map[string]string{"Federated": "arn:" + partition + ":iam::" + account + ":oidc-provider/" + issuer},
		Action:    []string{"sts:AssumeRoleWithWebIdentity"},
		Condition: condition,
	})
}

// Known is what can be said of a plan's token without asking anybody for one: a
// file's or a variable's own claims, and what every token of GitHub has
// (https://docs.github.com/en/actions/reference/security/oidc).
func (p *Plan) Known(env func(string) string) Claims {
	var token string
	switch p.First.From {
	case IRSA, File:
		token, _ = p.First.File.Read() // what can't be read stays to be filled in
	case GitLab:
		token, _ = TokenVariable{p.First.Variable, env(p.First.Variable)}.read()
	case GitHub:
		repository := env("GITHUB_REPOSITORY")
		if repository == "" {
			repository = "OWNER/REPOSITORY"
		}
		return Claims{Issuer: "https://token.actions.githubusercontent.com", Subject: "repo:" + repository + ":*", Audience: []string{p.First.Audience}}
	}
	claims, _ := ParseClaims(token)
	return claims
}

package source

import (
	"fmt"
	"strings"
	"time"
)

// From is a kind of first credential. The names are those of `from` in
// holdfast.hcl.
type From string

// The kinds. Auto is a wish only: a plan has another.
const (
	Auto        From = "auto"
	IRSA        From = "irsa"         // the token file of the environment
	File        From = "token_file"   // a token file that was named
	GitHub      From = "github"       // GitHub's token endpoint
	GitLab      From = "gitlab"       // a token in a variable
	Command     From = "command"      // a command that prints a token or a credential
	PodIdentity From = "pod_identity" // the agent of EKS Pod Identity
	Profile     From = "profile"      // a profile of the configuration files
	Environment From = "environment"  // the keys in the environment
	Default     From = "default"      // whatever else the SDK finds
)

// First is the first credential of a plan, without any secret: what is secret
// stays in the environment until it is used.
type First struct {
	From     From
	File     TokenFile // IRSA, File
	Audience string    // GitHub: whom the token shall be for
	Variable string    // GitLab: where the token stands
	Command  []string  // Command
	Profile  string    // Profile, Default
}

// Web reports whether the first credential is a token that is exchanged for the
// first role.
func (f First) Web() bool {
	return f.From == IRSA || f.From == File || f.From == GitHub || f.From == GitLab
}

// TakesRole reports whether the first hop is the first role already: a token's
// exchange, or a command's, which may print either.
func (f First) TakesRole() bool { return f.Web() || f.From == Command }

// surroundings are what the environment shows of each source.
type surroundings struct {
	env func(string) string
}

func (s surroundings) keys() bool {
	return s.env("AWS_ACCESS_KEY_ID") != "" && s.env("AWS_SECRET_ACCESS_KEY") != ""
}

func (s surroundings) tokenFile() string { return s.env("AWS_WEB_IDENTITY_TOKEN_FILE") }

// github reports whether the job may ask GitHub for a token. The variables are
// there only with `permissions: id-token: write`
// (https://docs.github.com/en/actions/reference/security/oidc).
func (s surroundings) github() bool {
	return s.env("ACTIONS_ID_TOKEN_REQUEST_URL") != "" && s.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN") != ""
}

func (s surroundings) githubJob() bool { return s.env("GITHUB_ACTIONS") == "true" }

// pod reports whether the EKS Pod Identity webhook was here: an address of its
// agent and a token file (credentials of other containers have no such file).
func (s surroundings) pod() bool {
	return s.env("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "" && s.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") != ""
}

// mayNotAsk says why a job of GitHub has no token, and the cure.
func mayNotAsk() (what, cure string) {
	return "this job may not ask GitHub for a token (ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN aren't set)",
		"give the job `permissions: id-token: write`, and its caller too if the workflow is a reusable one; pull requests from forks never get it, and a container needs both variables passed in"
}

// audienceOf is what AWS's partitions want as aud
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html;
// configure-aws-credentials has the same default).
func audienceOf(roleARN string) string {
	if strings.HasPrefix(roleARN, "arn:aws-cn:") {
		return "sts.amazonaws.com.cn"
	}
	return "sts.amazonaws.com"
}

// keysEnd finds when keys in the environment end. `aws configure
// export-credentials` and others say it in AWS_CREDENTIAL_EXPIRATION.
func (p *Plan) keysEnd(env func(string) string) error {
	if env("AWS_SESSION_TOKEN") == "" {
		return nil
	}
	p.Mortal = true
	text := env("AWS_CREDENTIAL_EXPIRATION")
	if text == "" {
		return nil
	}
	end, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return &NoIdentityError{fmt.Sprintf("AWS_CREDENTIAL_EXPIRATION is %q", text), "it is a time of the form 2026-11-22T10:00:00Z; unset it if nobody knows"}
	}
	p.Ends = end
	return nil
}

// tokenEnds finds when the token in a variable ends.
func (p *Plan) tokenEnds(env func(string) string) error {
	name := p.First.Variable
	value := env(name)
	if value == "" {
		return &NoIdentityError{"the variable " + name + ", which should hold a web identity token, isn't set",
			"in GitLab the job names it:  id_tokens: { " + name + ": { aud: sts.amazonaws.com } }"}
	}
	token, err := TokenVariable{name, value}.read()
	if err != nil {
		bad := err.(*TokenError)
		return &NoIdentityError{bad.Error(), bad.Cure}
	}
	claims, err := ParseClaims(token)
	if err != nil {
		return err
	}
	p.Mortal, p.Ends = true, claims.Expires
	return nil
}

// Warnings say when what was found ends, if nobody can renew it.
func (p *Plan) Warnings(now time.Time) []string {
	if !p.Mortal {
		return nil
	}
	what := "the keys in the environment are a session's: they"
	why := "and nobody can renew them from here"
	if p.First.From == GitLab {
		what, why = "the token in "+p.First.Variable, "and nobody can make another in this job"
	}
	switch {
	case p.Ends.IsZero():
		return []string{what + " end at a time that isn't known, " + why}
	case !p.Ends.After(now):
		return []string{fmt.Sprintf("%s ended at %s, %s", what, p.Ends.UTC().Format(time.RFC3339), why)}
	}
	verb := "end"
	if p.First.From == GitLab {
		verb = "ends"
	}
	return []string{fmt.Sprintf("%s %s at %s (in %s), %s; sessions made before last their own time", what, verb,
		p.Ends.UTC().Format(time.RFC3339), strings.TrimSuffix(p.Ends.Sub(now).Round(time.Minute).String(), "0s"), why)}
}

package source

import (
	"fmt"
	"strconv"
	"time"
)

// Wish is what somebody asked for, in flags or in a file. Empty fields are
// found in the environment.
type Wish struct {
	From        string // auto, irsa, token_file, profile, environment; see package config
	Profile     string
	TokenFile   string
	SessionName string // for roles that name none
	Roles       []Role // SessionName may be empty
}

// Plan is how an identity will be had: a first credential, and roles from
// there.
type Plan struct {
	TokenFile  TokenFile // not empty: the first role is taken with it
	Profile    string    // for the SDK's default chain, when there is no token file
	Roles      []Role
	Found      string   // what the first credential is, in words
	PassedOver []string // what was there too, and why it wasn't taken
	KeysOnly   bool     // the first credential is keys that nobody can renew
}

// NoIdentityError is an identity that can't be planned; Cure says what would
// do.
type NoIdentityError struct{ What, Cure string }

func (e *NoIdentityError) Error() string { return e.What }

// Resolve plans an identity: what was wished for, and where that says nothing,
// what the environment holds, in the order of the AWS SDKs: keys before a web
// identity token before a profile (facts and sources: docs/PRECEDENCE.md).
// AWS_ROLE_ARN and TG_IAM_ASSUME_ROLE are the roles if none is wished for.
// Name is the session name for roles that have none.
func Resolve(w Wish, env func(string) string, name string) (Plan, error) {
	p := Plan{Roles: append([]Role(nil), w.Roles...)}
	keys := env("AWS_ACCESS_KEY_ID") != "" && env("AWS_SECRET_ACCESS_KEY") != ""
	file := env("AWS_WEB_IDENTITY_TOKEN_FILE")
	switch from := w.From; {
	case from == "token_file" || w.TokenFile != "":
		p.TokenFile, p.Found = TokenFile(w.TokenFile), "token file"
	case from == "profile" || w.Profile != "":
		p.Profile, p.Found = w.Profile, "profile "+w.Profile
	case from == "irsa":
		if file == "" {
			return Plan{}, &NoIdentityError{"from is irsa, but AWS_WEB_IDENTITY_TOKEN_FILE isn't set",
				"does the pod's service account carry the annotation eks.amazonaws.com/role-arn?"}
		}
		p.TokenFile, p.Found = TokenFile(file), "irsa"
	case from == "environment" && !keys:
		return Plan{}, &NoIdentityError{"from is environment, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY aren't set", "set them, or name another source"}
	case keys:
		p.Found, p.KeysOnly = "keys in the environment", true
		if file != "" {
			p.PassedOver = append(p.PassedOver, "AWS_WEB_IDENTITY_TOKEN_FILE ("+file+"): keys in the environment win in every SDK; unset AWS_ACCESS_KEY_ID to use it, it can be renewed and they can't")
		}
	case file != "":
		p.TokenFile, p.Found = TokenFile(file), "irsa"
	default:
		p.Profile, p.Found = env("AWS_PROFILE"), "what the SDK finds"
		if p.Profile != "" {
			p.Found = "profile " + p.Profile
		}
	}
	if err := p.addRoles(env); err != nil {
		return Plan{}, err
	}
	return p, p.complete(w.SessionName, env, name)
}

// addRoles takes the roles that the environment names, where they belong: the
// role of the web identity comes first, Terragrunt's last and only if none was
// asked for.
func (p *Plan) addRoles(env func(string) string) error {
	asked := len(p.Roles) > 0
	first := env("AWS_ROLE_ARN")
	if p.Found == "irsa" && first != "" && (!asked || p.Roles[0].ARN != first) {
		p.Roles = append([]Role{{ARN: first, SessionName: env("AWS_ROLE_SESSION_NAME")}}, p.Roles...)
	}
	if p.TokenFile != "" && !asked && len(p.Roles) == 0 && first != "" {
		p.Roles = []Role{{ARN: first, SessionName: env("AWS_ROLE_SESSION_NAME")}}
	}
	last := env("TG_IAM_ASSUME_ROLE")
	if !asked && last != "" && (len(p.Roles) == 0 || p.Roles[len(p.Roles)-1].ARN != last) {
		role, err := TerragruntRole(env, last, "")
		if err != nil {
			return err
		}
		p.Roles = append(p.Roles, role)
	}
	if p.TokenFile != "" && len(p.Roles) == 0 {
		return &NoIdentityError{"there is a web identity token, but no role to exchange it for",
			"name one: --role-arn ARN, a role block in holdfast.hcl, or AWS_ROLE_ARN"}
	}
	return nil
}

// TerragruntRole is the role that Terragrunt would assume, with the session name
// and the duration that it was told.
func TerragruntRole(env func(string) string, arn, name string) (Role, error) {
	role := Role{ARN: arn, SessionName: env("TG_IAM_ASSUME_ROLE_SESSION_NAME")}
	if role.SessionName == "" {
		role.SessionName = name
	}
	if text := env("TG_IAM_ASSUME_ROLE_DURATION"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return Role{}, &NoIdentityError{fmt.Sprintf("TG_IAM_ASSUME_ROLE_DURATION is %q", text), "it is a number of seconds"}
		}
		role.Duration = time.Duration(seconds) * time.Second
	}
	return role, nil
}

func (p *Plan) complete(wished string, env func(string) string, name string) error {
	for i := range p.Roles {
		r := &p.Roles[i]
		for _, candidate := range []string{r.SessionName, wished, env("AWS_ROLE_SESSION_NAME"), name} {
			if r.SessionName = candidate; candidate != "" {
				break
			}
		}
		if err := r.Check(); err != nil {
			return &NoIdentityError{fmt.Sprintf("hop %d of %d: %v", i+1, len(p.Roles), err), "correct it in the flags, in holdfast.hcl or in the environment"}
		}
	}
	return nil
}

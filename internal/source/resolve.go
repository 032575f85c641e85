package source

import (
	"fmt"
	"path/filepath"
	"strconv"
	"time"
)

// Wish is what somebody asked for, in flags or in a file. Empty fields are
// found in the environment.
type Wish struct {
	From        string // a From; see package config
	Profile     string
	TokenFile   string
	Audience    string   // of GitHub's token
	Variable    string   // with a token
	Command     []string // that prints one
	SessionName string   // for roles that name none
	Roles       []Role   // SessionName may be empty

	// ProfileGives says where the profile that the SDKs would select gives
	// credentials; empty if it gives none. Only `auto` asks.
	ProfileGives string
}

// Plan is how an identity will be had: a first credential, and roles from
// there.
type Plan struct {
	First      First
	Roles      []Role
	Found      string   // what the first credential is, in words
	PassedOver []string // what was there too, and why it wasn't taken

	// Mortal says that the first credential ends and can't be had anew; Ends is
	// when, zero if nobody knows.
	Mortal bool
	Ends   time.Time
}

// NoIdentityError is an identity that can't be planned; Cure says what would
// do.
type NoIdentityError struct{ What, Cure string }

func (e *NoIdentityError) Error() string { return e.What }

// Resolve plans an identity: what was wished for, and where that says nothing,
// what the environment holds, in the order of the AWS SDKs: keys, a web identity
// token, a profile, a container's credentials (facts and sources:
// docs/PRECEDENCE.md). GitHub, which no SDK knows, comes after all of them.
// AWS_ROLE_ARN and TG_IAM_ASSUME_ROLE are the roles if none is wished for.
// Name is the session name for roles that have none.
func Resolve(w Wish, env func(string) string, name string) (Plan, error) {
	p := Plan{Roles: append([]Role(nil), w.Roles...)}
	around := surroundings{env}
	from := From(w.From)
	switch {
	case w.TokenFile != "":
		from = File
	case w.Profile != "":
		from = Profile
	}
	if from == "" || from == Auto {
		p.find(w, around)
	} else {
		p.First.From = from
	}
	if err := p.settle(w, around); err != nil {
		return Plan{}, err
	}
	if err := p.addRoles(env); err != nil {
		return Plan{}, err
	}
	if p.First.From == GitHub {
		p.First.Audience = w.Audience
		if w.Audience == "" {
			p.First.Audience = audienceOf(p.Roles[0].ARN)
		}
	}
	return p, p.complete(w.SessionName, env, name)
}

// settle fills in what the kind of source needs, and refuses where it isn't
// there.
func (p *Plan) settle(w Wish, s surroundings) error {
	f := &p.First
	switch f.From {
	case File:
		f.File, p.Found = TokenFile(w.TokenFile), "token file"
	case Profile:
		f.Profile, p.Found = first(w.Profile, f.Profile), "profile "+first(w.Profile, f.Profile)
	case IRSA:
		if s.tokenFile() == "" {
			return &NoIdentityError{"from is irsa, but AWS_WEB_IDENTITY_TOKEN_FILE isn't set",
				"does the pod's service account carry the annotation eks.amazonaws.com/role-arn?"}
		}
		f.File, p.Found = TokenFile(s.tokenFile()), "irsa"
	case Environment:
		if !s.keys() {
			return &NoIdentityError{"from is environment, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY aren't set", "set them, or name another source"}
		}
		p.Found = "keys in the environment"
		return p.keysEnd(s.env)
	case GitHub:
		if !s.github() {
			what, cure := mayNotAsk()
			return &NoIdentityError{"from is github, but " + what, cure}
		}
		p.Found = "github"
	case GitLab:
		f.Variable, p.Found = w.Variable, "token in "+w.Variable
		return p.tokenEnds(s.env)
	case Command:
		f.Command, p.Found = w.Command, "command "+filepath.Base(w.Command[0])
	case PodIdentity:
		if !s.pod() {
			return &NoIdentityError{"from is pod_identity, but AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE aren't set",
				"has the service account a pod identity association, made before the pod was?  aws eks list-pod-identity-associations --cluster-name CLUSTER"}
		}
		p.Found = "pod identity"
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
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
	if p.First.TakesRole() && !asked && len(p.Roles) == 0 && first != "" {
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
	if p.First.Web() && len(p.Roles) == 0 {
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

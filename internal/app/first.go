package app

import (
	"time"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/credcmd"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/keeper"
	"github.com/holdfast/holdfast/internal/oidc"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/profile"
	"github.com/holdfast/holdfast/internal/source"
)

// begin makes the first hop of a plan, and says how many of the plan's roles it
// is already. What is secret comes out of the process's environment here and
// isn't kept in the plan.
func begin(plan source.Plan, aws *identity.AWS, p Process, emit event.Sink) (hop, keeper.Source, int) {
	env := precedence.NewEnv(p.Environ)
	f := plan.First
	h := hop{name: plan.Found}
	if f.TakesRole() && len(plan.Roles) > 0 {
		h = hop{name: roleName(plan.Roles[0].ARN), arn: plan.Roles[0].ARN}
	}
	web := func(token source.Tokens) (hop, keeper.Source, int) {
		return h, &source.WebIdentity{STS: aws, Token: token, Role: plan.Roles[0]}, 1
	}
	switch f.From {
	case source.IRSA, source.File:
		return web(f.File)
	case source.GitLab:
		return web(source.TokenVariable{Name: f.Variable, Value: env[f.Variable]})
	case source.GitHub:
		return web(oidc.GitHub{URL: env["ACTIONS_ID_TOKEN_REQUEST_URL"], Token: env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"], Audience: f.Audience})
	case source.Command:
		c := &source.Printed{
			Command: credcmd.Command{Args: f.Command, Env: p.Environ, Dir: p.Dir},
			Name:    plan.Found, STS: aws, Emit: emit, Now: time.Now,
		}
		if len(plan.Roles) == 0 {
			return h, c, 0
		}
		c.Role = &plan.Roles[0]
		return h, c, 1
	case source.PodIdentity:
		return h, &identity.Pod{URL: env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], TokenFile: env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]}, 0
	}
	if !plan.Ends.IsZero() {
		return h, &source.Ending{From: &identity.Default{AWS: aws}, At: plan.Ends}, 0
	}
	return h, &identity.Default{AWS: aws}, 0
}

// profileGives says where the profile that Terraform's SDK would select gives
// credentials; empty if it gives none, or if something else wins anyway.
func profileGives(p Process, env precedence.Env) string {
	files, _ := profile.Read(env, p.Home, nil) // what can't be read is empty to the SDK too
	switch w := precedence.Decide(precedence.Go, precedence.Facts{Env: bare(env), Home: p.Home, Files: files}); w.Source {
	case precedence.ProfileKeys, precedence.ProfileRole, precedence.ProfileWeb, precedence.ProfileSSO, precedence.ProfileLogin, precedence.ProfileProcess:
		return w.Where.String()
	}
	return ""
}

// bare is the environment without the credentials that win over a profile.
func bare(env precedence.Env) precedence.Env {
	out := precedence.Env{}
	for name, value := range env {
		switch name {
		case "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE":
		default:
			out[name] = value
		}
	}
	return out
}

package precedence

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/tf/code"
)

// decideGo follows aws-sdk-go-v2 config/resolve_credentials.go and, for code,
// aws-sdk-go-base aws_config.go and credentials.go.
func decideGo(f Facts) Winner {
	if w, hidden := goHidden(f.Client); hidden {
		return w
	}
	name, from := goProfileName(f)
	load := goLoad{sections: goFiles(f), seen: map[string]bool{}}
	p, err := load.profile(name)
	switch {
	case errors.Is(err, errNoProfile) && from.File == "" && from.Variable != "AWS_PROFILE":
		// The default profile may be missing, and so may one that
		// AWS_DEFAULT_PROFILE names (config/config.go resolveConfigLoaders).
		p = &goProfile{name: name}
	case errors.Is(err, errNoProfile):
		return failure(from, name, "no file has this profile")
	case err != nil:
		return failure(load.where, name, err.Error())
	}
	if from.File == "" {
		if w, done := goVariables(f.Env); done {
			return goCode(f, w)
		}
	}
	return goCode(f, goFromProfile(f.Env, p))
}

// goHidden finds settings whose value only an evaluation would show.
func goHidden(client *code.Client) (Winner, bool) {
	if client == nil {
		return Winner{}, false
	}
	for _, name := range []string{
		"config", "access_key", "secret_key", "token", "profile", "assume_role_with_web_identity",
		"shared_credentials_file", "shared_credentials_files", "shared_config_files",
	} {
		if s, ok := client.Setting(name); ok && !s.Known {
			return Winner{Source: Unknown, Where: codeWhere(s), Note: name + " is an expression"}, true
		}
	}
	return Winner{}, false
}

// goCode handles keys and web identity in code. Both take the place of
// whatever was found, but files and variables must have been read without an
// error.
func goCode(f Facts, found Winner) Winner {
	const block = "assume_role_with_web_identity"
	if f.Client == nil {
		return found
	}
	for _, name := range []string{"access_key", "secret_key", "token"} {
		if s, ok := f.Client.Setting(name); ok {
			return Winner{Source: CodeKeys, Where: codeWhere(s)}
		}
	}
	if found.Source == Failure {
		return found
	}
	i := slices.IndexFunc(f.Client.Settings, func(s code.Setting) bool { return strings.HasPrefix(s.Name, block) })
	if i < 0 {
		return found
	}
	for _, name := range []string{"web_identity_token", "web_identity_token_file"} {
		if s, ok := f.Client.Setting(block + "." + name); ok {
			return Winner{Source: CodeWebIdentity, Where: codeWhere(s), Renewable: name == "web_identity_token_file"}
		}
	}
	where := codeWhere(f.Client.Settings[i])
	// Provider and backend fall back to the SDK's variables here
	// (opentofu internal/backend/remote-state/s3/backend.go).
	from := first(f.Env, "AWS_WEB_IDENTITY_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE")
	if from == "" {
		return failure(where, "", block+" has no token, and the variables have none")
	}
	return Winner{Source: CodeWebIdentity, Where: where, Renewable: from == "AWS_WEB_IDENTITY_TOKEN_FILE"}
}

func codeWhere(s code.Setting) Where {
	return Where{File: s.Range.File, Line: s.Range.Line, Column: s.Range.Column}
}

// goProfileName also says where the name comes from: from nowhere for the
// default, from a file for code, which then hides the variables' keys.
func goProfileName(f Facts) (name string, from Where) {
	if f.Client != nil {
		if s, ok := f.Client.Setting("profile"); ok {
			return s.Value(), codeWhere(s)
		}
	}
	if v := first(f.Env, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"); v != "" {
		return f.Env[v], variable(v)
	}
	return "default", Where{}
}

// goVariables reads keys under their new and their old names, even mixed,
// then web identity (config/env_config.go).
func goVariables(env Env) (Winner, bool) {
	id, secret := first(env, "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), first(env, "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
	if id != "" && secret != "" {
		return Winner{Source: EnvKeys, Where: variable(id)}, true
	}
	const token = "AWS_WEB_IDENTITY_TOKEN_FILE"
	if env[token] == "" {
		return Winner{}, false
	}
	if env["AWS_ROLE_ARN"] == "" {
		return failure(variable(token), "", "AWS_ROLE_ARN is not set"), true
	}
	return Winner{Source: EnvWebIdentity, Where: variable(token)}, true
}

func first(env Env, names ...string) string {
	for _, name := range names {
		if env[name] != "" {
			return name
		}
	}
	return ""
}

func goFromProfile(env Env, p *goProfile) Winner {
	w := goBase(env, p)
	if w.Source == Failure || w.Source == ProfileWeb {
		return w
	}
	role, ok := p.get("role_arn")
	if !ok {
		return w
	}
	if _, mfa := p.get("mfa_serial"); mfa {
		return failure(role.where, p.name, "mfa_serial needs a person, and this SDK has nobody to ask")
	}
	base := w.Source
	if w.Source == ProfileRole {
		base = w.Base
	}
	return Winner{Source: ProfileRole, Base: base, Profile: p.name, Where: role.where}
}

func goBase(env Env, p *goProfile) Winner {
	if p.source != nil {
		return goFromProfile(env, p.source)
	}
	if id, ok := p.static(); ok {
		return Winner{Source: ProfileKeys, Profile: p.name, Where: id.where}
	}
	if s, ok := p.get("credential_source"); ok {
		return goNamedSource(env, p, s)
	}
	if s, ok := p.get("web_identity_token_file"); ok {
		if _, role := p.get("role_arn"); !role {
			return failure(s.where, p.name, "role_arn is not set")
		}
		return Winner{Source: ProfileWeb, Profile: p.name, Where: s.where}
	}
	if s, ok := p.sso(); ok {
		if problem := p.ssoProblem(); problem != "" {
			return failure(s.where, p.name, problem)
		}
		return Winner{Source: ProfileSSO, Profile: p.name, Where: s.where}
	}
	if s, ok := p.get("login_session"); ok {
		return Winner{Source: ProfileLogin, Profile: p.name, Where: s.where}
	}
	if s, ok := p.get("credential_process"); ok {
		return Winner{Source: ProfileProcess, Profile: p.name, Where: s.where}
	}
	return goContainer(env)
}

func goContainer(env Env) Winner {
	if w, ok := container(env); ok {
		return w
	}
	if metadataOff(env) {
		return Winner{Source: None, Where: variable("AWS_EC2_METADATA_DISABLED")}
	}
	return Winner{Source: InstanceMetadata}
}

// metadataOff is the rule that Go and botocore share.
func metadataOff(env Env) bool { return strings.EqualFold(env["AWS_EC2_METADATA_DISABLED"], "true") }

// container is the rule that Go and JavaScript share: blank is unset, and the
// relative URI comes first.
func container(env Env) (Winner, bool) {
	if env[relativeURI] != "" {
		return Winner{Source: ContainerRelative, Where: variable(relativeURI)}, true
	}
	if env[fullURI] != "" {
		return Winner{Source: ContainerFull, Where: variable(fullURI)}, true
	}
	return Winner{}, false
}

func goNamedSource(env Env, p *goProfile, s value) Winner {
	switch s.text {
	case "Environment":
		if w, ok := goVariables(env); ok && w.Source == EnvKeys {
			return Winner{Source: EnvKeys, Profile: p.name, Where: w.Where}
		}
		return failure(s.where, p.name, "credential_source = Environment, and the variables hold no keys")
	case "EcsContainer":
		if w, ok := container(env); ok {
			return w
		}
		return failure(s.where, p.name, "credential_source = EcsContainer, and no container URI is set")
	case "Ec2InstanceMetadata":
		if metadataOff(env) {
			return failure(s.where, p.name, "credential_source = Ec2InstanceMetadata, and instance metadata is off")
		}
		return Winner{Source: InstanceMetadata, Where: s.where}
	}
	return failure(s.where, p.name, "credential_source must be EcsContainer, Ec2InstanceMetadata or Environment")
}

// goFiles merges the files that count: those that code names, else those that
// variables name, else the usual ones.
func goFiles(f Facts) map[string]goSection {
	configs, credentials := goPaths(f)
	var merged goMerge
	for _, path := range configs {
		merged.add(f.file(path, Config))
	}
	for _, path := range credentials {
		merged.add(f.file(path, Credentials))
	}
	return merged.sections()
}

func goPaths(f Facts) (configs, credentials []string) {
	config, credential := f.location("AWS_CONFIG_FILE"), f.location("AWS_SHARED_CREDENTIALS_FILE")
	if f.Client == nil {
		return []string{config.Path}, []string{credential.Path}
	}
	paths := ClientPaths(*f.Client, f.Env)
	if len(paths[Config]) == 0 {
		paths[Config] = []string{config.Path}
	}
	if len(paths[Credentials]) == 0 {
		paths[Credentials] = []string{credential.Path}
	}
	return paths[Config], paths[Credentials]
}

// ClientPaths are the files that a client reads instead of the usual ones.
// Variables and ~ are expanded in them, which the SDK itself doesn't do
// (aws-sdk-go-base internal/expand).
func ClientPaths(c code.Client, env Env) map[Kind][]string {
	out := map[Kind][]string{}
	if c.Kind != code.Provider {
		for kind, name := range map[Kind]string{Config: "AWS_SHARED_CONFIG_FILE", Credentials: "AWS_SHARED_CREDENTIALS_FILE"} {
			if env[name] != "" {
				out[kind] = []string{expand(env, env[name])}
			}
		}
	}
	for name, kind := range map[string]Kind{
		"shared_config_files":      Config,
		"shared_credentials_file":  Credentials,
		"shared_credentials_files": Credentials,
	} {
		if s, ok := c.Setting(name); ok {
			out[kind] = nil
			for _, path := range s.Values {
				out[kind] = append(out[kind], expand(env, path))
			}
		}
	}
	return out
}

func expand(env Env, path string) string {
	path = os.Expand(path, func(name string) string { return env[name] })
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(env["HOME"], rest)
	}
	return path
}

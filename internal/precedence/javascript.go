package precedence

import (
	"slices"
	"strings"
)

type jsProfile map[string]value

// jsView merges the two files setting by setting, credentials last
// (@smithy/core config: parseIni, getConfigData, mergeConfigFiles). A blank
// setting isn't there at all.
type jsView struct {
	profiles map[string]jsProfile
	sessions map[string]jsProfile
}

func (f Facts) javascript() jsView {
	v := jsView{profiles: map[string]jsProfile{}, sessions: map[string]jsProfile{}}
	place := f.location("AWS_CONFIG_FILE")
	if file := f.file(place.Expanded, Config); file != nil {
		// [profile default] takes the whole place of [default].
		twin := slices.ContainsFunc(file.Sections, func(s Section) bool { return s.Name == "profile default" })
		for _, s := range file.Sections {
			kind, name, ok := strings.Cut(s.Name, " ")
			name = strings.Trim(name, `"'`)
			switch {
			case ok && kind == "profile":
				v.add(v.profiles, name, file, s)
			case ok && kind == "sso-session" && place.Path == place.Expanded:
				// loadSsoSessionData, unlike the rest, doesn't expand ~/.
				v.add(v.sessions, name, file, s)
			case s.Name == "default" && !twin:
				v.add(v.profiles, "default", file, s)
			}
		}
	}
	if file := f.file(f.location("AWS_SHARED_CREDENTIALS_FILE").Expanded, Credentials); file != nil {
		for _, s := range file.Sections {
			v.add(v.profiles, s.Name, file, s)
		}
	}
	return v
}

func (v jsView) add(into map[string]jsProfile, name string, f *File, s Section) {
	for _, k := range s.Keys {
		if k.Blank {
			continue
		}
		if into[name] == nil {
			into[name] = jsProfile{}
		}
		into[name][k.Name] = value{text: k.Value, where: Where{File: f.Path, Line: k.Line, Column: k.Column}}
	}
}

// decideJavaScript follows @aws-sdk/credential-provider-node defaultProvider:
// nearly every objection only moves it on to the next source. AWS_PROFILE
// turns the variables' keys off, and the variables' web identity comes after
// the profile.
func decideJavaScript(f Facts) Winner {
	view, env := f.javascript(), f.Env
	name := env["AWS_PROFILE"]
	if name == "" {
		if w, ok := jsVariables(env); ok {
			return w
		}
		name = "default"
	}
	if w, ok := jsProfileData(env, view, name, nil, false); ok {
		return w
	}
	const file = "AWS_WEB_IDENTITY_TOKEN_FILE"
	if env[file] != "" && env["AWS_ROLE_ARN"] != "" {
		return Winner{Source: EnvWebIdentity, Where: variable(file)}
	}
	if w, ok := container(env); ok {
		return w
	}
	const disabled = "AWS_EC2_METADATA_DISABLED"
	if env[disabled] != "" && env[disabled] != "false" {
		return Winner{Source: None, Where: variable(disabled)}
	}
	return Winner{Source: InstanceMetadata}
}

func jsVariables(env Env) (Winner, bool) {
	if env["AWS_ACCESS_KEY_ID"] == "" || env["AWS_SECRET_ACCESS_KEY"] == "" {
		return Winner{}, false
	}
	return Winner{Source: EnvKeys, Where: variable("AWS_ACCESS_KEY_ID")}, true
}

// jsProfileData is resolveProfileData of @aws-sdk/credential-provider-ini. It
// says false where the chain moves on.
func jsProfileData(env Env, view jsView, name string, visited []string, source bool) (Winner, bool) {
	p := view.profiles[name]
	id, static := p["aws_access_key_id"]
	if _, secret := p["aws_secret_access_key"]; !secret {
		static = false
	}
	keys := Winner{Source: ProfileKeys, Profile: name, Where: id.where}
	if len(visited) > 0 && static {
		return keys, true
	}
	if source || jsAssumes(p) {
		return jsRole(env, view, name, visited)
	}
	if static {
		return keys, true
	}
	_, role := p["role_arn"]
	if v, ok := p["web_identity_token_file"]; ok && role {
		return Winner{Source: ProfileWeb, Profile: name, Where: v.where}, true
	}
	if v, ok := p["credential_process"]; ok {
		return Winner{Source: ProfileProcess, Profile: name, Where: v.where}, true
	}
	if w, ok := jsSSO(view, p, name); ok {
		return w, true
	}
	if v, ok := p["login_session"]; ok {
		return Winner{Source: ProfileLogin, Profile: name, Where: v.where}, true
	}
	return Winner{}, false
}

func jsAssumes(p jsProfile) bool {
	_, role := p["role_arn"]
	_, source := p["source_profile"]
	_, named := p["credential_source"]
	return role && source != named
}

// jsRole follows resolveAssumeRoleCredentials: a source profile may name a
// credential_source without a role of its own.
func jsRole(env Env, view jsView, name string, visited []string) (Winner, bool) {
	p := view.profiles[name]
	source, hasSource := p["source_profile"]
	var base Winner
	var ok bool
	if hasSource {
		if slices.Contains(visited, source.text) {
			return Winner{}, false
		}
		from := view.profiles[source.text]
		_, role := from["role_arn"]
		_, named := from["credential_source"]
		base, ok = jsProfileData(env, view, source.text, append(visited, source.text), named && !role)
	} else {
		base, ok = jsNamed(env, p["credential_source"])
	}
	role, hasRole := p["role_arn"]
	if !hasRole {
		return base, ok
	}
	if mfa, asks := p["mfa_serial"]; asks {
		return failure(mfa.where, name, "mfa_serial needs a person, and there is nobody to ask"), true
	}
	if !ok || base.Source == Failure {
		return base, ok
	}
	if base.Source == ProfileRole {
		base.Source = base.Base
	}
	return Winner{Source: ProfileRole, Base: base.Source, Profile: name, Where: role.where}, true
}

func jsNamed(env Env, named value) (Winner, bool) {
	switch named.text {
	case "Environment":
		return jsVariables(env)
	case "EcsContainer":
		return container(env)
	case "Ec2InstanceMetadata":
		return Winner{Source: InstanceMetadata, Where: named.where}, true
	}
	return Winner{}, false
}

// jsSSO: an incomplete profile ends the search with an error.
func jsSSO(view jsView, p jsProfile, name string) (Winner, bool) {
	w := Winner{Source: ProfileSSO, Profile: name}
	for _, key := range []string{"sso_start_url", "sso_account_id", "sso_session", "sso_region", "sso_role_name"} {
		if v, ok := p[key]; ok {
			w.Where = v.where
		}
	}
	if w.Where == (Where{}) {
		return Winner{}, false
	}
	all := jsProfile{}
	if s, ok := p["sso_session"]; ok {
		for key, v := range view.sessions[s.text] {
			all[key] = v
		}
	}
	for key, v := range p {
		all[key] = v
	}
	for _, key := range []string{"sso_start_url", "sso_account_id", "sso_region", "sso_role_name"} {
		if _, ok := all[key]; !ok {
			return failure(w.Where, name, key+" is not set"), true
		}
	}
	return w, true
}

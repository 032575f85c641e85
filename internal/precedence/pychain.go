package precedence

// pyProfileChain is ProfileProviderBuilder.providers: what one profile can
// give, in botocore's order. Variables count only at the start of a chain.
func pyProfileChain(env Env, view pyView, name string, variables bool) (Winner, bool) {
	p := view.profiles[name]
	if w, done := pyWeb(env, p, name, variables); done {
		return w, true
	}
	if w, done := pySSO(view, p, name); done {
		return w, true
	}
	if w, done := pyKeyPair(view.credentials[name], name); done {
		return w, true
	}
	if v, ok := p["login_session"]; ok {
		return Winner{Source: ProfileLogin, Profile: name, Where: v.where}, true
	}
	if v, ok := p["credential_process"]; ok {
		if v.blank {
			return failure(v.where, name, "credential_process is blank"), true
		}
		return Winner{Source: ProfileProcess, Profile: name, Where: v.where}, true
	}
	return pyKeyPair(view.config[name], name)
}

// pyWeb takes the token file from a variable or from the profile, and the
// role likewise, each by itself: a variable set to "" hides the profile's.
func pyWeb(env Env, p pyProfile, name string, variables bool) (Winner, bool) {
	find := func(key, variableName string) (value, Source) {
		if text, ok := env[variableName]; ok && variables {
			return value{text: text, blank: text == "", where: variable(variableName)}, EnvWebIdentity
		}
		if v, ok := p[key]; ok {
			return v, ProfileWeb
		}
		return value{blank: true}, ProfileWeb
	}
	file, source := find("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE")
	if file.blank {
		return Winner{}, false
	}
	if role, _ := find("role_arn", "AWS_ROLE_ARN"); role.blank {
		return failure(file.where, name, "a web identity token, and no role for it"), true
	}
	if source == EnvWebIdentity {
		return Winner{Source: source, Where: file.where}, true
	}
	return Winner{Source: source, Profile: name, Where: file.where}, true
}

func pySSO(view pyView, p pyProfile, name string) (Winner, bool) {
	role, hasRole := p["sso_role_name"]
	account, hasAccount := p["sso_account_id"]
	if !hasRole && !hasAccount {
		return Winner{}, false
	}
	where := role.where
	if !hasRole {
		where = account.where
	}
	resolved := pyProfile{}
	for key, v := range p {
		resolved[key] = v
	}
	if session, ok := p["sso_session"]; ok {
		found, ok := view.sessions[session.text]
		if !ok {
			return failure(session.where, name, "sso-session "+session.text+" does not exist"), true
		}
		for key, v := range found {
			if own, ok := p[key]; ok && own.text != v.text {
				return failure(own.where, name, key+" differs between the profile and its sso-session"), true
			}
			resolved[key] = v
		}
	}
	for _, key := range []string{"sso_role_name", "sso_account_id", "sso_start_url", "sso_region"} {
		if _, ok := resolved[key]; !ok {
			return failure(where, name, key+" is not set"), true
		}
	}
	return Winner{Source: ProfileSSO, Profile: name, Where: where}, true
}

func pyKeyPair(p pyProfile, name string) (Winner, bool) {
	id, ok := p["aws_access_key_id"]
	if !ok {
		return Winner{}, false
	}
	if _, ok := p["aws_secret_access_key"]; !ok {
		return failure(id.where, name, "only one half of the key pair is set"), true
	}
	return Winner{Source: ProfileKeys, Profile: name, Where: id.where}, true
}

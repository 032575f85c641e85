package precedence

// Overlay is what can be put over an environment that nothing can be taken out
// of, so that the endpoint wins: for Terragrunt's auth provider commands and for
// GITHUB_ENV. Variables that would win are blanked where every SDK takes a blank
// one for unset; AWS_PROFILE, the relative URI and a token file aren't, because
// botocore chokes on them (tried with botocore 1.43). Winner is what the Go SDK
// then finds: the endpoint, or what blanking can't undo.
func Overlay(f Facts, d Delivery) (over Env, winner Winner) {
	over = Env{
		fullURI: d.FullURI, token: d.Token, tokenFile: d.TokenFile, "AWS_EC2_METADATA_DISABLED": "true",
	}
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
	} {
		if f.Env[name] != "" {
			over[name] = ""
		}
	}
	if d.Region != "" && first(f.Env, "AWS_REGION", "AWS_DEFAULT_REGION") == "" {
		over["AWS_REGION"] = d.Region
	}
	after := f
	after.Env = Env{}
	for name, value := range f.Env {
		after.Env[name] = value
	}
	for name, value := range over {
		after.Env[name] = value
	}
	return over, Decide(Go, after)
}

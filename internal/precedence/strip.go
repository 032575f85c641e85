package precedence

import (
	"slices"
	"strings"
)

// GivesCredentials says of a key in a profile that it gives credentials, or
// shapes those that another key gives. Everything else is kept: region,
// output, services, endpoint_url, ca_bundle, retries and the rest.
func GivesCredentials(key string) bool {
	switch key {
	case "aws_access_key_id", "aws_secret_access_key", "aws_session_token",
		"aws_security_token", "aws_credential_scope",
		"credential_process", "login_session", "web_identity_token_file",
		"source_profile", "credential_source",
		"role_arn", "role_session_name", "external_id", "mfa_serial", "duration_seconds":
		return true
	}
	return strings.HasPrefix(key, "sso_")
}

// SelectsSection says whether a section of a file holds one of the profiles.
// It takes every spelling that one SDK or another knows; a bare [x] in the
// config file was the profile x to aws-sdk-go v1, which Terraform 1.5 links.
func SelectsSection(kind Kind, section string, profiles []string) bool {
	name := section
	if kind == Config {
		if rest, ok := strings.CutPrefix(section, "profile "); ok {
			name = strings.Trim(rest, `"'`)
		}
	}
	return slices.Contains(profiles, name)
}

// Copy is a private copy of a file that the child is to read instead.
type Copy struct {
	From     string
	To       string
	Kind     Kind
	Profiles []string // those that lose what gives credentials
	Keys     []string // what they lose, as file:line:column name
}

// gives lists the settings in a file that give credentials to the profiles.
func gives(f File, profiles []string) []string {
	var out []string
	for _, s := range f.Sections {
		if !SelectsSection(f.Kind, s.Name, profiles) {
			continue
		}
		for _, k := range s.Keys {
			if GivesCredentials(k.Name) {
				out = append(out, Where{File: f.Path, Line: k.Line, Column: k.Column}.String()+" "+k.Name)
			}
		}
	}
	return out
}

// strip is what a copy will say.
func strip(f File, path string, profiles []string) File {
	out := File{Path: path, Kind: f.Kind, Problems: f.Problems}
	for _, s := range f.Sections {
		if SelectsSection(f.Kind, s.Name, profiles) {
			s.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(k Key) bool { return GivesCredentials(k.Name) })
		}
		out.Sections = append(out.Sections, s)
	}
	return out
}

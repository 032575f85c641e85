package precedence

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pyProfile is one profile as botocore sees it. Unlike the other SDKs it
// takes a blank setting for a set one nearly everywhere.
type pyProfile map[string]value

// pyView is what botocore/session.py full_config and configloader.py make of
// the two files.
type pyView struct {
	profiles    map[string]pyProfile
	config      map[string]pyProfile // the config file alone
	credentials map[string]pyProfile // the credentials file alone, raw names
	sessions    map[string]pyProfile
	broken      *Problem
}

func (f Facts) python() pyView {
	v := pyView{profiles: map[string]pyProfile{}, config: map[string]pyProfile{},
		credentials: map[string]pyProfile{}, sessions: map[string]pyProfile{}}
	if file := f.pyFile("AWS_CONFIG_FILE", Config); file != nil {
		v.problem(file)
		for _, s := range file.Sections {
			v.addConfig(file, s)
		}
	}
	if file := f.pyFile("AWS_SHARED_CREDENTIALS_FILE", Credentials); file != nil {
		v.problem(file)
		for _, s := range file.Sections {
			v.credentials[s.Name] = pyKeys(file, s)
		}
	}
	for name, p := range v.credentials {
		if v.profiles[name] == nil {
			v.profiles[name] = pyProfile{}
		}
		for key, value := range p {
			v.profiles[name][key] = value
		}
	}
	return v
}

// pyFile finds a file as botocore does: a variable that is set to "" leads to
// no file, ~ and variables are expanded (configloader.py raw_config_parse).
func (f Facts) pyFile(name string, kind Kind) *File {
	path, set := f.Env[name]
	if !set {
		return f.file(f.location(name).Path, kind)
	}
	path = os.Expand(path, func(n string) string {
		if v, ok := f.Env[n]; ok {
			return v
		}
		return "$" + n
	})
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		path = filepath.Join(f.Env["HOME"], rest)
	}
	return f.file(path, kind)
}

func (v *pyView) problem(f *File) {
	if v.broken == nil && len(f.Problems) > 0 {
		v.broken = &f.Problems[0]
	}
}

// addConfig reads a section's name the way build_profile_map does, with the
// shell's quotes, so that [profile "a"] is the profile a.
func (v *pyView) addConfig(f *File, s Section) {
	keys := pyKeys(f, s)
	if s.Name == "default" {
		v.profiles["default"], v.config["default"] = keys, pyKeys(f, s)
		return
	}
	kind, name, ok := strings.Cut(s.Name, " ")
	if name, ok = shellWord(name, ok); !ok {
		return
	}
	switch {
	case strings.HasPrefix(kind, "profile"):
		v.profiles[name], v.config[name] = keys, pyKeys(f, s)
	case strings.HasPrefix(kind, "sso-session"):
		v.sessions[name] = keys
	}
}

// shellWord is shlex.split for the simple case of one word.
func shellWord(word string, ok bool) (string, bool) {
	word = strings.TrimSpace(word)
	if !ok || word == "" {
		return "", false
	}
	if q := word[0]; (q == '"' || q == '\'') && len(word) > 1 && word[len(word)-1] == q {
		return word[1 : len(word)-1], true
	}
	return word, !strings.ContainsAny(word, " \t\"'")
}

func pyKeys(f *File, s Section) pyProfile {
	out := pyProfile{}
	for _, k := range s.Keys {
		out[k.Name] = value{text: k.Value, blank: k.Blank, where: Where{File: f.Path, Line: k.Line, Column: k.Column}}
	}
	return out
}

// pyProfileName reads AWS_DEFAULT_PROFILE first, the reverse of Go
// (configprovider.py BOTOCORE_DEFAUT_SESSION_VARIABLES), and takes "" for a
// name.
func pyProfileName(env Env) (name, from string, set bool) {
	for _, v := range []string{"AWS_DEFAULT_PROFILE", "AWS_PROFILE"} {
		if name, ok := env[v]; ok {
			return name, v, true
		}
	}
	return "default", "", false
}

// decidePython follows botocore/credentials.py create_credential_resolver:
// the first provider that answers wins, and one that objects ends the search.
func decidePython(f Facts) Winner {
	view := f.python()
	if view.broken != nil {
		p := view.broken
		return failure(Where{File: p.Path, Line: p.Line, Column: p.Column}, "", p.Message)
	}
	name, from, set := pyProfileName(f.Env)
	if _, ok := view.profiles[name]; set && !ok {
		return failure(variable(from), name, "no file has this profile")
	}
	steps := []func() (Winner, bool){
		func() (Winner, bool) { return pyVariables(f.Env) },
		func() (Winner, bool) { return pyRole(f, view, name, []string{name}) },
		func() (Winner, bool) { return pyProfileChain(f.Env, view, name, true) },
		func() (Winner, bool) {
			return Winner{Source: LegacyFile, Where: variable("AWS_CREDENTIAL_FILE")}, f.Env["AWS_CREDENTIAL_FILE"] != ""
		},
		func() (Winner, bool) { return pyContainer(f.Env) },
	}
	for _, step := range steps {
		if w, done := step(); done {
			return w
		}
	}
	if metadataOff(f.Env) {
		return Winner{Source: None, Where: variable("AWS_EC2_METADATA_DISABLED")}
	}
	return Winner{Source: InstanceMetadata}
}

// pyVariables knows none of the legacy names for the two keys.
func pyVariables(env Env) (Winner, bool) {
	const id, secret = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
	if env[id] == "" {
		return Winner{}, false
	}
	if env[secret] == "" {
		return failure(variable(id), "", secret+" is not set"), true
	}
	return Winner{Source: EnvKeys, Where: variable(id)}, true
}

func pyContainer(env Env) (Winner, bool) {
	if _, ok := env[relativeURI]; ok {
		return Winner{Source: ContainerRelative, Where: variable(relativeURI)}, true
	}
	if uri, ok := env[fullURI]; ok {
		if uri == "" {
			return failure(variable(fullURI), "", "it is set and blank"), true
		}
		return Winner{Source: ContainerFull, Where: variable(fullURI)}, true
	}
	return Winner{}, false
}

func pyHasRole(p pyProfile) bool {
	_, role := p["role_arn"]
	_, web := p["web_identity_token_file"]
	return role && !web
}

func pyHasKeys(p pyProfile) bool {
	_, id := p["aws_access_key_id"]
	_, secret := p["aws_secret_access_key"]
	return id || secret
}

// pyRole is AssumeRoleProvider.
func pyRole(f Facts, view pyView, name string, visited []string) (Winner, bool) {
	p := view.profiles[name]
	if !pyHasRole(p) {
		return Winner{}, false
	}
	role := p["role_arn"]
	source, hasSource := p["source_profile"]
	named, hasNamed := p["credential_source"]
	switch {
	case hasSource && hasNamed:
		return failure(named.where, name, "source_profile and credential_source in one profile"), true
	case hasNamed:
		w, ok := pyNamed(f.Env, named)
		if !ok {
			return failure(named.where, name, "credential_source "+named.text+" has nothing to give"), true
		}
		return Winner{Source: ProfileRole, Base: w.Source, Profile: name, Where: role.where}, true
	case !hasSource:
		return failure(role.where, name, "role_arn needs source_profile or credential_source"), true
	}
	from, ok := view.profiles[source.text]
	if !ok {
		return failure(source.where, name, "source_profile "+source.text+" does not exist"), true
	}
	if slices.Contains(visited, source.text) && (source.text != name || !pyHasKeys(from)) {
		return failure(source.where, name, "source_profile goes round in a circle"), true
	}
	w, ok := Winner{}, false
	if pyHasKeys(from) || !pyHasRole(from) {
		w, ok = pyProfileChain(f.Env, view, source.text, false)
	} else {
		w, ok = pyRole(f, view, source.text, append(visited, source.text))
	}
	switch {
	case !ok:
		return failure(source.where, name, "source_profile "+source.text+" has no credentials"), true
	case w.Source == Failure:
		return w, true
	case w.Source == ProfileRole:
		w.Source = w.Base
	}
	return Winner{Source: ProfileRole, Base: w.Source, Profile: name, Where: role.where}, true
}

func pyNamed(env Env, named value) (Winner, bool) {
	switch named.text {
	case "Environment":
		w, ok := pyVariables(env)
		return w, ok && w.Source == EnvKeys
	case "EcsContainer":
		w, ok := pyContainer(env)
		return w, ok && w.Source != Failure
	case "Ec2InstanceMetadata":
		return Winner{Source: InstanceMetadata}, !metadataOff(env)
	}
	return Winner{}, false
}

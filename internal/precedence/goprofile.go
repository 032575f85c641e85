package precedence

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

// The rules of this file are those of aws-sdk-go-v2 config/shared_config.go:
// mergeSections, setFromIniSections and the validations around them.

type value struct {
	text  string
	blank bool
	where Where
}

type goSection struct {
	keys    map[string]value
	partial bool // one half of a key pair
}

// goMerge collects files; a later one wins, setting by setting, except that
// keys come as a pair.
type goMerge struct {
	config, credentials map[string]goSection
}

func (m *goMerge) add(f *File) {
	if f == nil {
		return
	}
	into := &m.config
	if f.Kind == Credentials {
		into = &m.credentials
	}
	if *into == nil {
		*into = map[string]goSection{}
	}
	mergeSections(*into, collect(f))
}

func collect(f *File) map[string]goSection {
	out := map[string]goSection{}
	for _, s := range f.Sections {
		if _, ok := out[s.Name]; !ok {
			out[s.Name] = goSection{keys: map[string]value{}}
		}
		for _, k := range s.Keys {
			out[s.Name].keys[k.Name] = value{text: k.Value, blank: k.Blank, where: Where{File: f.Path, Line: k.Line, Column: k.Column}}
		}
	}
	return out
}

func mergeSections(dst, src map[string]goSection) {
	for name, s := range src {
		_, id := s.keys["aws_access_key_id"]
		_, secret := s.keys["aws_secret_access_key"]
		s.partial = s.partial || id != secret
		d, ok := dst[name]
		if !ok {
			dst[name] = s
			continue
		}
		d.partial = s.partial
		for key, v := range s.keys {
			if !pairKey(key) || id && secret {
				d.keys[key] = v
			}
		}
		dst[name] = d
	}
}

func pairKey(key string) bool {
	return key == "aws_access_key_id" || key == "aws_secret_access_key" || key == "aws_session_token"
}

// sections is the view that remains: in a config file only [default],
// [profile x] and [sso-session x] count, in a credentials file everything but
// [profile x].
func (m *goMerge) sections() map[string]goSection {
	out := map[string]goSection{}
	for name, s := range m.config {
		if name == "default" || strings.HasPrefix(name, "sso-session ") {
			out[name] = s
		}
	}
	for name, s := range m.config {
		if x, ok := strings.CutPrefix(name, "profile "); ok {
			out[x] = s
		}
	}
	credentials := maps.Clone(m.credentials)
	maps.DeleteFunc(credentials, func(name string, _ goSection) bool { return strings.HasPrefix(name, "profile ") })
	mergeSections(out, credentials)
	return out
}

type goProfile struct {
	name    string
	keys    map[string]value
	source  *goProfile
	session map[string]value
}

// get finds a setting that isn't blank: to this SDK, blank is unset.
func (p *goProfile) get(key string) (value, bool) {
	v, ok := p.keys[key]
	return v, ok && !v.blank
}

func (p *goProfile) static() (value, bool) {
	id, ok := p.get("aws_access_key_id")
	_, secret := p.get("aws_secret_access_key")
	return id, ok && secret
}

func (p *goProfile) sso() (value, bool) {
	for _, key := range []string{"sso_session", "sso_start_url", "sso_account_id", "sso_region", "sso_role_name"} {
		if v, ok := p.get(key); ok {
			return v, true
		}
	}
	return value{}, false
}

func (p *goProfile) ssoProblem() string {
	need, have := []string{"sso_start_url", "sso_region", "sso_account_id", "sso_role_name"}, p.keys
	if p.session != nil {
		need, have = need[:2], p.session
	}
	for _, key := range need {
		v, ok := have[key]
		if !ok || v.blank {
			return key + " is not set"
		}
		if own, ok := p.get(key); ok && own.text != v.text {
			return key + " differs between the profile and its sso-session"
		}
	}
	return ""
}

// hasCredentials leaves login_session out, as the SDK does: a profile with
// nothing else can't be a source_profile.
func (p *goProfile) hasCredentials() bool {
	for _, key := range []string{"source_profile", "credential_source", "credential_process", "web_identity_token_file"} {
		if _, ok := p.get(key); ok {
			return true
		}
	}
	_, sso := p.sso()
	_, static := p.static()
	return sso || static
}

func (p *goProfile) clear(keys ...string) {
	for _, key := range keys {
		delete(p.keys, key)
	}
}

var errNoProfile = errors.New("no such profile")

// goLoad follows source_profile from profile to profile.
type goLoad struct {
	sections map[string]goSection
	seen     map[string]bool
	where    Where // of the setting that an error is about
}

func (l *goLoad) profile(name string) (*goProfile, error) {
	section, ok := l.sections[name]
	if !ok {
		return nil, errNoProfile
	}
	if section.partial {
		l.where = section.place("aws_access_key_id", "aws_secret_access_key")
		return nil, errors.New("only one half of the key pair is set")
	}
	p := &goProfile{name: name, keys: maps.Clone(section.keys)}
	if l.seen[name] {
		// A profile may be its own source: the second time only its keys count.
		p.clear("role_arn", "mfa_serial", "source_profile")
	} else if err := l.needsRole(p); err != nil {
		return nil, err
	}
	if _, static := p.static(); static && len(l.seen) > 0 {
		return p, nil
	}
	l.seen[name] = true
	if err := l.oneType(p); err != nil {
		return nil, err
	}
	if err := l.linkSource(p); err != nil {
		return nil, err
	}
	return p, l.linkSession(p)
}

func (l *goLoad) needsRole(p *goProfile) error {
	for _, key := range []string{"source_profile", "credential_source", "web_identity_token_file"} {
		if v, ok := p.get(key); ok {
			l.where = v.where
			if _, role := p.get("role_arn"); !role {
				return fmt.Errorf("%s needs role_arn", key)
			}
			return nil
		}
	}
	return nil
}

func (l *goLoad) oneType(p *goProfile) error {
	found := ""
	for _, key := range []string{"source_profile", "credential_source", "credential_process", "web_identity_token_file"} {
		v, ok := p.get(key)
		if ok && found != "" {
			l.where = v.where
			return fmt.Errorf("%s and %s in one profile", found, key)
		}
		if ok {
			found = key
		}
	}
	return nil
}

func (l *goLoad) linkSource(p *goProfile) error {
	source, ok := p.get("source_profile")
	if !ok {
		return nil
	}
	p.clear("credential_source", "credential_process", "web_identity_token_file",
		"aws_access_key_id", "aws_secret_access_key", "aws_session_token",
		"sso_account_id", "sso_region", "sso_role_name", "sso_start_url")
	from, err := l.profile(source.text)
	if errors.Is(err, errNoProfile) {
		l.where = source.where
		return fmt.Errorf("source_profile %s does not exist", source.text)
	}
	if err != nil {
		return err
	}
	if !from.hasCredentials() {
		l.where = source.where
		return fmt.Errorf("source_profile %s has no credentials", source.text)
	}
	p.source = from
	return nil
}

func (l *goLoad) linkSession(p *goProfile) error {
	s, ok := p.get("sso_session")
	if !ok {
		return nil
	}
	session, ok := l.sections["sso-session "+strings.TrimSpace(s.text)]
	if !ok {
		l.where = s.where
		return fmt.Errorf("sso-session %s does not exist", s.text)
	}
	p.session = session.keys
	return nil
}

func (s goSection) place(keys ...string) Where {
	for _, key := range keys {
		if v, ok := s.keys[key]; ok {
			return v.where
		}
	}
	return Where{}
}

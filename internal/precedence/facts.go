// Package precedence (logic) decides which credential source wins in which AWS
// SDK, given variables, configuration files and Terraform code, and what a
// child process's environment must be for holdfast's endpoint to win.
//
// It promises that a Decision names the variable or the line it comes from,
// that nothing it returns or prints holds a secret's value, and that what the
// facts don't show is said to be unknown. Its rules are those of
// aws-sdk-go-v2 config v1.33, botocore 1.43 and @aws-sdk/credential-providers
// 3.1169; its tests ask these three themselves.
//
// It doesn't read files, ask the network or know whether a source works: the
// winner is the source that an SDK would use, even if that source then fails.
package precedence

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/tf/code"
)

// SDK is a family of clients that share one credential chain.
type SDK string

// The SDKs that are judged.
const (
	Go         SDK = "Go"         // aws-sdk-go-v2: Terraform, OpenTofu, Terragrunt, providers
	Python     SDK = "Python"     // botocore: the AWS CLI, boto3
	JavaScript SDK = "JavaScript" // @aws-sdk/credential-providers: CDK, actions
)

// SDKs lists them in the order in which they are shown.
func SDKs() []SDK { return []SDK{Go, Python, JavaScript} }

// Env is a process environment. A name that is present with "" is not the
// same as one that is absent: botocore chokes on some of the former.
type Env map[string]string

// NewEnv reads what os.Environ returns.
func NewEnv(environ []string) Env {
	env := Env{}
	for _, entry := range environ {
		// Windows keeps variables named "=C:"; the name is never empty.
		if i := strings.Index(entry, "="); i > 0 {
			env[entry[:i]] = entry[i+1:]
		}
	}
	return env
}

// Environ is the form that os/exec takes, sorted.
func (e Env) Environ() []string {
	out := make([]string, 0, len(e))
	for name, value := range e {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}

// Facts are what a decision is made from.
type Facts struct {
	Env   Env
	Home  string // the home directory, for the files' default places
	Files []File // every file that the environment or the code leads to

	// Client is the AWS client in Terraform code whose chain is judged. With
	// nil it is a plain process, which knows variables and files only.
	Client *code.Client
}

// Kind says which of the two dialects a file is read as.
type Kind string

// The kinds of files.
const (
	Config      Kind = "config"
	Credentials Kind = "credentials"
)

// File is one AWS configuration file as it is written. A file that isn't
// there is absent from Facts.
type File struct {
	Path     string
	Kind     Kind
	Sections []Section // in order; a name may come twice
	Problems []Problem
}

// Problem is something in a file that the Go and JavaScript SDKs pass over
// and for which botocore refuses the whole file.
type Problem struct {
	Path    string
	Line    int
	Column  int
	Excerpt string // the first word of the line: the rest may be a secret
	Message string
}

// Error makes a Problem usable as an error.
func (p Problem) Error() string {
	return Where{File: p.Path, Line: p.Line, Column: p.Column}.String() + ": " + p.Message + ": " + p.Excerpt
}

// Section is one [header] and what follows it. Name is the header with its
// inner space made single: "default", "profile a", "sso-session b".
type Section struct {
	Name   string
	Line   int
	Column int
	Keys   []Key // in order; a name may come twice
}

// Key is one setting. Values that are secrets, or may hold one, aren't kept.
type Key struct {
	Name   string // lower case
	Value  string // "" unless KeepsValue
	Blank  bool   // nothing follows the equals sign
	Line   int
	Column int
}

// KeepsValue says of a key in a configuration file that its value is known to
// be no secret. Everything else is kept as set or blank only: other programs
// store passwords in these files, and a credential_process often holds one.
func KeepsValue(key string) bool {
	switch key {
	case "region", "output", "ca_bundle", "services",
		"role_arn", "role_session_name", "external_id", "mfa_serial", "duration_seconds",
		"source_profile", "credential_source", "web_identity_token_file",
		"sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name":
		return true
	}
	return false
}

// Locations are the variables that lead to AWS configuration files, with the
// place that counts when they are unset. AWS_SHARED_CONFIG_FILE is known to
// the S3 backend only (opentofu internal/backend/remote-state/s3/backend.go).
func Locations(env Env, home string) []Location {
	return []Location{
		locate(env, "AWS_CONFIG_FILE", Config, filepath.Join(home, ".aws", "config")),
		locate(env, "AWS_SHARED_CREDENTIALS_FILE", Credentials, filepath.Join(home, ".aws", "credentials")),
		locate(env, "AWS_SHARED_CONFIG_FILE", Config, ""),
	}
}

// Location is one place where SDKs look for a file. botocore and JavaScript
// expand a leading ~/, Go doesn't; Expanded is the path that they read.
type Location struct {
	Variable string
	Kind     Kind
	Path     string
	Expanded string
}

func locate(env Env, variable string, kind Kind, fallback string) Location {
	path := env[variable]
	if path == "" {
		path = fallback
	}
	l := Location{Variable: variable, Kind: kind, Path: path, Expanded: path}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		l.Expanded = filepath.Join(env["HOME"], rest)
	}
	return l
}

func (f Facts) file(path string, kind Kind) *File {
	for i := range f.Files {
		if f.Files[i].Path == path && f.Files[i].Kind == kind {
			return &f.Files[i]
		}
	}
	return nil
}

func (f Facts) location(variable string) Location {
	for _, l := range Locations(f.Env, f.Home) {
		if l.Variable == variable {
			return l
		}
	}
	return Location{}
}

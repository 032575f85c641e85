// Package config (composition) reads holdfast.hcl into plain structs that keep
// the range of what they came from, so that every complaint can point at file,
// line and column. With package app it is the only reader of configuration.
//
// It checks what can be checked without asking anybody; it doesn't resolve an
// identity and reads no environment.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/finding"
)

// Name is what the file is called, wherever it lies.
const Name = "holdfast.hcl"

// File is one configuration file. The zero File is an empty one.
type File struct {
	Path       string // empty if there is none
	Identities []Identity
	Units      []Unit
	Clusters   []Cluster
	Run        Run
	Alerts     []Alert
	Waivers    []finding.Waiver
	Naming     []Naming
}

// Identity is an `identity` block.
type Identity struct {
	Name          string
	From          From
	Profile       string
	TokenFile     string
	Audience      string
	TokenVariable string
	Command       []string
	Region        string
	SessionName   string
	Roles         []Role
	Range         hcl.Range
}

// From says where the first credential of an identity comes from.
type From string

// The sources that an identity may name.
const (
	Auto        From = "auto"         // what is there, in the SDKs' order
	IRSA        From = "irsa"         // AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN
	PodIdentity From = "pod_identity" // the agent of EKS Pod Identity
	GitHub      From = "github"       // GitHub Actions; the attribute audience
	GitLab      From = "gitlab"       // the attribute token_variable
	Profile     From = "profile"      // the attribute profile
	Environment From = "environment"  // the keys in the environment
	Command     From = "command"      // the attribute command
	TokenFile   From = "token_file"   // the attribute token_file
)

// Role is a `role` block: one hop.
type Role struct {
	ARN            string
	SessionName    string
	ExternalID     string
	Duration       time.Duration
	Tags           map[string]string
	TransitiveTags []string
	SourceIdentity string
	Policy         string
	Range          hcl.Range
}

// Run is the `run` block.
type Run struct {
	AllowOther bool // go on where the code names other credentials

	WarnAfter time.Duration // say that a run goes on for longer; 0 for never
	Timeout   time.Duration // drain after that time; 0 for never
	OnExpiry  Expiry        // what to do when credentials end for good
	RescueTo  string        // a directory, or s3://bucket/prefix, for states that couldn't be uploaded
}

// Expiry is what happens to a running Terraform whose credentials can't be
// renewed any more.
type Expiry string

// The policies; Drain is the one of a file that says nothing.
const (
	Drain Expiry = "drain" // one interrupt, as late as a state can still be written
	Warn  Expiry = "warn"  // words only
	Kill  Expiry = "kill"  // an end at once, when they are over
)

// Identity returns the block of that name.
func (f File) Identity(name string) (Identity, bool) {
	for _, i := range f.Identities {
		if i.Name == name {
			return i, true
		}
	}
	return Identity{}, false
}

// Find looks for the file from dir upwards to the root of its repository (the
// directory that holds .git), then in userDir. Path is empty if there is none.
func Find(dir, userDir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if path, err := exists(filepath.Join(dir, Name)); path != "" || err != nil {
			return path, err
		}
		_, err := os.Stat(filepath.Join(dir, ".git"))
		parent := filepath.Dir(dir)
		if err == nil || parent == dir {
			break
		}
		dir = parent
	}
	if userDir == "" {
		return "", nil
	}
	return exists(filepath.Join(userDir, "holdfast", Name))
}

func exists(path string) (string, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return path, err
}

// Read reads one file. The error is a *cure.Error of class Usage with file,
// line, column and the excerpt of each complaint.
func Read(path string) (File, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return File{}, &cure.Error{What: "can't read " + path, Why: []string{err.Error()}, Class: cure.Usage, Err: err}
	}
	return Parse(path, src)
}

// Parse reads the text of a file; path is for its complaints.
func Parse(path string, src []byte) (File, error) {
	parsed, diags := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
	f := File{Path: path}
	if !diags.HasErrors() {
		diags = append(diags, f.decode(parsed.Body)...)
	}
	if diags.HasErrors() {
		return File{}, complaint(path, src, diags)
	}
	for i := range f.Identities {
		f.Identities[i].locate(filepath.Dir(path))
	}
	if to := f.Run.RescueTo; to != "" && !strings.HasPrefix(to, "s3://") && !filepath.IsAbs(to) {
		f.Run.RescueTo = filepath.Join(filepath.Dir(path), to)
	}
	return f, nil
}

// locate makes paths of what a file names: it lies where the file lies,
// wherever that is read from. A command without a slash is one of PATH.
func (i *Identity) locate(dir string) {
	if i.TokenFile != "" && !filepath.IsAbs(i.TokenFile) {
		i.TokenFile = filepath.Join(dir, i.TokenFile)
	}
	if len(i.Command) > 0 && strings.ContainsRune(i.Command[0], '/') && !filepath.IsAbs(i.Command[0]) {
		// Never a bare name, which would be looked up in PATH.
		i.Command[0] = dir + string(filepath.Separator) + i.Command[0]
	}
}

// complaint makes one error of all the diagnostics, in the form that
// docs/CONFIGURATION.md shows.
func complaint(path string, src []byte, diags hcl.Diagnostics) error {
	lines := strings.Split(string(src), "\n")
	var why []string
	for _, d := range diags {
		text := d.Summary
		if d.Detail != "" {
			text += ": " + d.Detail
		}
		if d.Subject == nil {
			why = append(why, text)
			continue
		}
		at := d.Subject.Start
		why = append(why, fmt.Sprintf("%s:%d:%d: %s", path, at.Line, at.Column, text))
		if at.Line >= 1 && at.Line <= len(lines) {
			number := fmt.Sprintf("%4d | ", at.Line)
			why = append(why, number+strings.TrimRight(lines[at.Line-1], "\r"), strings.Repeat(" ", len(number)+max(at.Column-1, 0))+"^")
		}
	}
	return &cure.Error{What: "the configuration can't be used", Why: why, Class: cure.Usage, Err: diags}
}

// Alert is an `alert` block: where people are told.
type Alert struct {
	Name           string
	To             AlertTo
	URL            string
	URLVariable    string // a variable that holds the address, which is a secret
	SecretVariable string // a variable that holds what a webhook is signed with
	Topic          string // of SNS
	Events         []string
	Severity       string // the least one; empty for warning
	Range          hcl.Range
}

// AlertTo is a kind of place.
type AlertTo string

// The places.
const (
	ToWebhook AlertTo = "webhook"
	ToSlack   AlertTo = "slack"
	ToGitHub  AlertTo = "github"
	ToSNS     AlertTo = "sns"
)

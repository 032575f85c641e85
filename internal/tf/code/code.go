// Package code (logic) reads Terraform and OpenTofu code as far as holdfast
// needs it: today, which AWS clients a directory configures (provider, backend
// and terraform_remote_state) and which of their settings decide where their
// credentials come from.
//
// It promises a source range for everything it returns, that no value of a
// secret is kept, and that what it couldn't read comes back as a Problem:
// nothing that is unreadable looks like nothing that is there.
//
// It doesn't evaluate: a value that isn't a literal is known to be set and
// nothing more. It needs no init, no provider and no network, and doesn't
// look into modules that aren't on the disk beside the code.
package code

import (
	"fmt"
	"slices"

	"github.com/holdfast/holdfast/internal/finding"
)

// Range is a piece of a file.
type Range = finding.Range

// Kind is the sort of block that configures an AWS client.
type Kind string

// The blocks that configure an AWS client of their own.
const (
	Provider    Kind = "provider"     // provider "aws"
	Backend     Kind = "backend"      // terraform { backend "s3" }
	RemoteState Kind = "remote state" // data "terraform_remote_state" with backend = "s3"
	Initialised Kind = "init"         // the backend as `init` wrote it down
)

// Client is one AWS client that the code configures.
type Client struct {
	Kind     Kind
	Name     string // provider: its alias; remote state: its name; else empty
	Range    Range
	Settings []Setting
}

// Setting is one argument of a Client. An argument of a nested block has its
// block's name in front: assume_role_with_web_identity.web_identity_token.
type Setting struct {
	Name   string
	Range  Range
	Known  bool     // its value is a literal
	Secret bool     // Values is always empty
	Values []string // the literal strings; one, except for lists
	Blank  bool     // Known, and null, "" or an empty list: it sets nothing
}

// Value is the first literal string, or "".
func (s Setting) Value() string {
	if len(s.Values) == 0 {
		return ""
	}
	return s.Values[0]
}

// Setting finds a setting that isn't blank.
func (c Client) Setting(name string) (Setting, bool) {
	for _, s := range c.Settings {
		if s.Name == name && !s.Blank {
			return s, true
		}
	}
	return Setting{}, false
}

// Title names the client as its author would.
func (c Client) Title() string {
	switch c.Kind {
	case Provider:
		if c.Name == "" {
			return `provider "aws"`
		}
		return fmt.Sprintf(`provider "aws" (alias %s)`, c.Name)
	case RemoteState:
		return fmt.Sprintf(`data "terraform_remote_state" %q`, c.Name)
	case Initialised:
		return "the initialised backend"
	default:
		return `backend "s3"`
	}
}

// Problem is something that couldn't be looked at.
type Problem struct {
	Range   Range
	Message string
}

// Code is what a directory, and the local modules it calls, say.
type Code struct {
	Clients []Client

	// ClusterAuth is where a cluster's token is read, which is fixed for the
	// whole run: data "aws_eks_cluster_auth".
	ClusterAuth []Range

	Problems []Problem
	Files    []string
}

func (c *Code) sort() {
	slices.SortStableFunc(c.Clients, func(a, b Client) int { return a.Range.Compare(b.Range) })
	slices.SortStableFunc(c.Problems, func(a, b Problem) int { return a.Range.Compare(b.Range) })
}

// Package policy (lab) reads IAM policy documents, as far as trust policies and
// session policies need it, and decides what they say about one request.
//
// It promises that nothing in a document is silently skipped: an element, an
// operator or a condition key that it doesn't know is an ErrUnsupported when
// the document is read, never a condition that quietly holds.
//
// It doesn't know NotPrincipal, set operators (ForAllValues:, ForAnyValue:),
// policy variables, or conditions in session policies.
package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrMalformed is what AWS refuses with MalformedPolicyDocument.
	ErrMalformed = errors.New("malformed policy document")
	// ErrUnsupported is good IAM that this package doesn't know.
	ErrUnsupported = errors.New("unsupported in a policy document")
)

// malformed is ErrMalformed with AWS's own words, its capitals and full stops
// included, because clients and people search for them.
func malformed(format string, words ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, words...)...)
}

// Verdict is what a document says about a request.
type Verdict int

// A document can allow, deny, or not speak of a request at all.
const (
	Silent Verdict = iota
	Allow
	Deny
)

// Principal is one entry of a trust policy's Principal element. Type "*" is
// everybody.
type Principal struct{ Type, ID string }

// Document is a policy that was read completely.
type Document struct{ statements []statement }

type statement struct {
	deny       bool
	principals []Principal
	actions    []string
	notActions []string
	resources  []string
	notRes     []string
	conditions []condition
}

// Query is one request as the document sees it.
type Query struct {
	Action   string
	Resource string                    // session policies
	Is       func(Principal) bool      // trust policies: is the caller this one?
	Keys     func(key string) []string // values of a condition key, lower case
}

// Decide applies IAM's rule: a Deny that matches wins over any Allow.
func (d *Document) Decide(q Query) Verdict {
	verdict := Silent
	for _, s := range d.statements {
		if !s.matches(q) {
			continue
		}
		if s.deny {
			return Deny
		}
		verdict = Allow
	}
	return verdict
}

func (s statement) matches(q Query) bool {
	if len(s.actions) > 0 && !anyWild(s.actions, q.Action, strings.EqualFold) {
		return false
	}
	if len(s.notActions) > 0 && anyWild(s.notActions, q.Action, strings.EqualFold) {
		return false
	}
	if len(s.resources) > 0 && !anyWild(s.resources, q.Resource, equal) {
		return false
	}
	if len(s.notRes) > 0 && anyWild(s.notRes, q.Resource, equal) {
		return false
	}
	if len(s.principals) > 0 && !slices.ContainsFunc(s.principals, q.Is) {
		return false
	}
	return !slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(q.Keys(c.key)) })
}

// ParseTrust reads a role's trust policy. known says which condition keys the
// caller of Decide can answer.
func ParseTrust(text string, known func(key string) bool) (*Document, error) {
	raw, err := decode(text)
	if err != nil {
		return nil, err
	}
	d := &Document{}
	for _, r := range raw {
		if r.Resource != nil || r.NotResource != nil {
			return nil, malformed("Has prohibited field Resource")
		}
		if r.Principal == nil {
			return nil, malformed("Missing required field Principal")
		}
		s, err := r.statement()
		if err != nil {
			return nil, err
		}
		if s.principals, err = principals(r.Principal); err != nil {
			return nil, err
		}
		for _, action := range slices.Concat(s.actions, s.notActions) {
			if action != "*" && !strings.HasPrefix(strings.ToLower(action), "sts:") {
				return nil, malformed("AssumeRole policy may only specify STS AssumeRole actions.")
			}
		}
		if s.conditions, err = conditions(r.Condition, known); err != nil {
			return nil, err
		}
		d.statements = append(d.statements, s)
	}
	return d, nil
}

// ParseSession reads a session policy.
func ParseSession(text string) (*Document, error) {
	raw, err := decode(text)
	if err != nil {
		return nil, err
	}
	d := &Document{}
	for _, r := range raw {
		if r.Principal != nil {
			return nil, malformed("Policy document should not specify a principal.")
		}
		if len(r.Condition) > 0 {
			return nil, fmt.Errorf("%w: Condition in a session policy", ErrUnsupported)
		}
		s, err := r.statement()
		if err != nil {
			return nil, err
		}
		if len(s.resources)+len(s.notRes) == 0 {
			return nil, malformed("Policy statement must contain resources.")
		}
		d.statements = append(d.statements, s)
	}
	return d, nil
}

func (r rawStatement) statement() (statement, error) {
	s := statement{actions: r.Action, notActions: r.NotAction, resources: r.Resource, notRes: r.NotResource}
	switch r.Effect {
	case "Allow":
	case "Deny":
		s.deny = true
	default:
		return s, malformed("Syntax errors in policy. (Effect %q)", r.Effect)
	}
	if (len(s.actions) == 0) == (len(s.notActions) == 0) {
		return s, malformed("Policy statement must contain actions.")
	}
	if len(s.resources) > 0 && len(s.notRes) > 0 {
		return s, malformed("Syntax errors in policy. (Resource and NotResource)")
	}
	for _, v := range slices.Concat(r.Resource, r.NotResource) {
		if strings.Contains(v, "${") {
			return s, fmt.Errorf("%w: the policy variable in %q", ErrUnsupported, v)
		}
	}
	return s, nil
}

func anyWild(patterns []string, s string, same func(a, b string) bool) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return wild(p, s, same) })
}

func equal(a, b string) bool { return a == b }

// wild matches * and ? as IAM does; same compares single characters.
func wild(pattern, s string, same func(a, b string) bool) bool {
	for i := range len(pattern) {
		switch {
		case pattern[i] == '*':
			for j := i; j <= len(s); j++ {
				if wild(pattern[i+1:], s[j:], same) {
					return true
				}
			}
			return false
		case i >= len(s):
			return false
		case pattern[i] != '?' && !same(pattern[i:i+1], s[i:i+1]):
			return false
		}
	}
	return len(pattern) == len(s)
}

func principals(raw json.RawMessage) ([]Principal, error) {
	var everybody string
	if json.Unmarshal(raw, &everybody) == nil {
		if everybody != "*" {
			return nil, malformed("Invalid principal in policy.")
		}
		return []Principal{{Type: "*"}}, nil
	}
	var byType map[string]oneOrMore
	if err := json.Unmarshal(raw, &byType); err != nil {
		return nil, malformed("Syntax errors in policy. (Principal)")
	}
	var out []Principal
	for kind, ids := range byType {
		switch kind {
		case "AWS", "Federated", "Service":
		default:
			return nil, fmt.Errorf("%w: the principal type %q", ErrUnsupported, kind)
		}
		for _, id := range ids {
			if kind == "AWS" && id == "*" {
				out = append(out, Principal{Type: "*"})
				continue
			}
			out = append(out, Principal{Type: kind, ID: id})
		}
	}
	if len(out) == 0 {
		return nil, malformed("Missing required field Principal")
	}
	return out, nil
}

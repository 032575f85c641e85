package access

import (
	"encoding/json"
	"strings"
)

// trust is whom a role's trust policy lets assume it, one element for each
// statement that allows
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html).
type trust []trusted

// trusted are the principals of a statement by their kind: AWS, Service,
// Federated. Anybody is "*", or all but some.
type trusted struct {
	anybody bool
	kinds   map[string][]string
}

// oneOrMore is a JSON value that may stand without its list.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, (*[]T)(o)) == nil {
		return nil
	}
	*o = make([]T, 1)
	return json.Unmarshal(b, &(*o)[0])
}

// parseTrust reads a trust policy. One that can't be read trusts nobody.
func parseTrust(policy string) (t trust) {
	var document struct {
		Statement oneOrMore[struct {
			Effect       string
			Principal    json.RawMessage
			NotPrincipal json.RawMessage
		}]
	}
	if json.Unmarshal([]byte(policy), &document) != nil {
		return nil
	}
	for _, s := range document.Statement {
		if s.Effect == "Deny" {
			continue
		}
		var kinds map[string]oneOrMore[string]
		one := trusted{anybody: s.NotPrincipal != nil || json.Unmarshal(s.Principal, &kinds) != nil, kinds: map[string][]string{}}
		for kind, names := range kinds {
			one.kinds[kind] = names
		}
		t = append(t, one)
	}
	return t
}

// trustsPeople looks for principals of IAM in a trust policy. What it can't
// read it doesn't judge.
func trustsPeople(policy string) bool {
	for _, s := range parseTrust(policy) {
		if s.anybody || len(s.kinds["AWS"]) > 0 {
			return true
		}
	}
	return false
}

// brokenTrust says whether a trust policy names somebody who is gone: IAM shows
// the unique ID of a principal without an ARN.
func brokenTrust(policy string) bool {
	for _, s := range parseTrust(policy) {
		for _, name := range s.kinds["AWS"] {
			if strings.HasPrefix(name, "AROA") || strings.HasPrefix(name, "AIDA") {
				return true
			}
		}
	}
	return false
}

// forServices reports whether a trust policy lets nobody but AWS's services
// assume its role. What can't be read doesn't.
func forServices(policy string) bool {
	t := parseTrust(policy)
	for _, s := range t {
		if s.anybody || len(s.kinds) != 1 || len(s.kinds["Service"]) == 0 {
			return false
		}
	}
	return len(t) > 0
}

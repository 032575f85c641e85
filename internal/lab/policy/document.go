package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

type rawDocument struct {
	Version   string
	ID        string `json:"Id"`
	Statement json.RawMessage
}

type rawStatement struct {
	Sid         string
	Effect      string
	Principal   json.RawMessage
	Action      oneOrMore
	NotAction   oneOrMore
	Resource    oneOrMore
	NotResource oneOrMore
	Condition   map[string]map[string]oneOrMore
}

// oneOrMore is IAM's habit of writing a single value without its list.
type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

func decode(text string) ([]rawStatement, error) {
	var doc rawDocument
	if err := strict([]byte(text), &doc); err != nil {
		return nil, malformed("This policy contains invalid Json (%v)", err)
	}
	if doc.Version != "2012-10-17" && doc.Version != "2008-10-17" && doc.Version != "" {
		return nil, malformed("The policy must contain a valid version string")
	}
	var list []rawStatement
	if bytes.HasPrefix(bytes.TrimSpace(doc.Statement), []byte("{")) {
		list = make([]rawStatement, 1)
		if err := strict(doc.Statement, &list[0]); err != nil {
			return nil, malformed("Syntax errors in policy. (%v)", err)
		}
	} else if err := strict(doc.Statement, &list); err != nil || len(list) == 0 {
		return nil, malformed("Syntax errors in policy. (Statement: %v)", err)
	}
	return list, nil
}

// strict refuses members that nobody reads: NotPrincipal, and typing errors.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("data after the end")
	}
	return nil
}

type condition struct {
	operator string
	ifExists bool
	key      string // lower case: condition keys aren't case-sensitive
	values   []string
}

func conditions(raw map[string]map[string]oneOrMore, known func(string) bool) ([]condition, error) {
	var out []condition
	for _, operator := range slices.Sorted(maps.Keys(raw)) {
		name, ifExists := strings.CutSuffix(operator, "IfExists")
		switch name {
		case "StringEquals", "StringNotEquals", "StringLike", "StringNotLike",
			"StringEqualsIgnoreCase", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike":
		default:
			return nil, fmt.Errorf("%w: the condition operator %q", ErrUnsupported, operator)
		}
		for _, key := range slices.Sorted(maps.Keys(raw[operator])) {
			c := condition{operator: name, ifExists: ifExists, key: strings.ToLower(key), values: raw[operator][key]}
			if !known(c.key) {
				return nil, fmt.Errorf("%w: the condition key %q", ErrUnsupported, key)
			}
			if slices.ContainsFunc(c.values, func(v string) bool { return strings.Contains(v, "${") }) {
				return nil, fmt.Errorf("%w: the policy variable in the condition on %q", ErrUnsupported, key)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// holds: an absent key fails a positive operator and satisfies a negated one.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func (c condition) holds(actual []string) bool {
	if len(actual) == 0 && c.ifExists {
		return true
	}
	switch c.operator {
	case "StringEquals":
		return c.any(actual, equal)
	case "StringNotEquals":
		return !c.any(actual, equal)
	case "StringEqualsIgnoreCase":
		return c.any(actual, strings.EqualFold)
	case "StringNotLike", "ArnNotLike", "ArnNotEquals":
		return !c.any(actual, like)
	default: // StringLike, ArnLike and ArnEquals, which is the same as ArnLike
		return c.any(actual, like)
	}
}

func like(pattern, s string) bool { return wild(pattern, s, equal) }

func (c condition) any(actual []string, match func(pattern, s string) bool) bool {
	return slices.ContainsFunc(c.values, func(v string) bool {
		return slices.ContainsFunc(actual, func(a string) bool { return match(v, a) })
	})
}

// MapAWS rewrites every AWS principal of a document: IAM stores a role's unique
// ID where its ARN was written, and shows the ARN as long as the role exists.
func MapAWS(text string, rewrite func(id string) (string, error)) (string, error) {
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return "", malformed("This policy contains invalid Json (%v)", err)
	}
	statements, ok := doc["Statement"].([]any)
	if !ok {
		statements = []any{doc["Statement"]}
	}
	for _, s := range statements {
		fields, _ := s.(map[string]any)
		byType, _ := fields["Principal"].(map[string]any)
		if byType["AWS"] == nil {
			continue
		}
		mapped, err := mapStrings(byType["AWS"], rewrite)
		if err != nil {
			return "", err
		}
		byType["AWS"] = mapped
	}
	out, err := json.Marshal(doc)
	return string(out), err
}

func mapStrings(v any, rewrite func(string) (string, error)) (any, error) {
	switch v := v.(type) {
	case string:
		return rewrite(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			mapped, err := mapStrings(e, rewrite)
			if err != nil {
				return nil, err
			}
			out[i] = mapped
		}
		return out, nil
	default:
		return nil, malformed("Syntax errors in policy. (Principal)")
	}
}

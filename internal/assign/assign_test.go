package assign_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/assign"
)

const (
	deploy  = "arn:aws:iam::222222222222:role/teams/deploy"
	session = "arn:aws:sts::222222222222:assumed-role/deploy/terragrunt-1"
)

func TestDecide(t *testing.T) {
	says := func(s string) func() (string, error) { return func() (string, error) { return s, nil } }
	fails := func() (string, error) { return "", errors.New("no terragrunt here") }
	never := func() (string, error) { t.Error("asked though it doesn't decide"); return "", nil }
	for name, row := range map[string]struct {
		facts assign.Facts
		want  assign.Decision
		note  string
	}{
		"nothing":                         {assign.Facts{Rendered: never, Caller: never}, assign.Decision{}, ""},
		"the keys of the run itself":      {assign.Facts{AccessKeyID: "A", Ambient: "A", Terragrunt: deploy, Rendered: never, Caller: never}, assign.Decision{}, ""},
		"terragrunt was told the role":    {assign.Facts{AccessKeyID: "B", Ambient: "A", Terragrunt: deploy, Unit: "x", Rendered: never, Caller: never}, assign.Decision{Role: deploy}, ""},
		"told, but it put no keys there":  {assign.Facts{Terragrunt: deploy, Rendered: never, Caller: never}, assign.Decision{}, ""},
		"a unit block":                    {assign.Facts{AccessKeyID: "B", Unit: "payments", Rendered: never, Caller: never}, assign.Decision{Identity: "payments"}, ""},
		"a unit block without keys":       {assign.Facts{Unit: "payments", Rendered: never, Caller: never}, assign.Decision{Identity: "payments"}, ""},
		"the unit's own files":            {assign.Facts{AccessKeyID: "B", Rendered: says(deploy), Caller: never}, assign.Decision{Role: deploy}, ""},
		"whose keys they are":             {assign.Facts{AccessKeyID: "B", Rendered: fails, Caller: says(session), Declared: []string{deploy}}, assign.Decision{Role: deploy}, ""},
		"of a role that isn't declared":   {assign.Facts{AccessKeyID: "B", Rendered: says(""), Caller: says(session)}, assign.Decision{KeepKeys: true}, "isn't declared: it keeps them"},
		"the unit couldn't be asked":      {assign.Facts{AccessKeyID: "B", Rendered: fails, Caller: says(session)}, assign.Decision{KeepKeys: true}, "no terragrunt here"},
		"two paths, one name":             {assign.Facts{AccessKeyID: "B", Rendered: says(""), Caller: says(session), Declared: []string{deploy, "arn:aws:iam::222222222222:role/deploy"}}, assign.Decision{KeepKeys: true}, ""},
		"another account":                 {assign.Facts{AccessKeyID: "B", Rendered: says(""), Caller: says(session), Declared: []string{"arn:aws:iam::333333333333:role/deploy"}}, assign.Decision{KeepKeys: true}, ""},
		"a user's keys":                   {assign.Facts{AccessKeyID: "B", Rendered: says(""), Caller: says("arn:aws:iam::222222222222:user/deploy"), Declared: []string{deploy}}, assign.Decision{KeepKeys: true}, ""},
		"keys that have ended by now":     {assign.Facts{AccessKeyID: "B", Rendered: says(""), Caller: func() (string, error) { return "", errors.New("ExpiredToken") }}, assign.Decision{KeepKeys: true}, "ExpiredToken"},
		"started by its user":             {assign.Facts{Direct: true, Terragrunt: deploy, Rendered: never, Caller: never}, assign.Decision{Role: deploy}, ""},
		"nobody asked whose they are yet": {assign.Facts{AccessKeyID: "B", Rendered: says(""), Caller: says("")}, assign.Decision{NeedsCaller: true}, ""},
		"no declared role and no session": {assign.Facts{AccessKeyID: "B", Rendered: says(""), Caller: says("nonsense")}, assign.Decision{KeepKeys: true}, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			got := assign.Decide(row.facts)
			note := got.Note
			got.Note = ""
			if got != row.want || !strings.Contains(note, row.note) || (note == "") != !row.want.KeepKeys {
				t.Errorf("%+v, %q", got, note)
			}
		})
	}
}

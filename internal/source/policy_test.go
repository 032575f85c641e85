package source_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/source"
)

func TestNeeds(t *testing.T) {
	irsa := source.First{From: source.IRSA}
	token := source.Claims{Issuer: "https://oidc.example/id/1", Subject: "system:serviceaccount:ci:runner", Audience: []string{"sts.amazonaws.com"}}
	for _, row := range []struct {
		name  string
		plan  source.Plan
		token source.Claims
		want  []string
		not   string
	}{
		{"a token and a role", source.Plan{First: irsa, Roles: []source.Role{{ARN: ci}}}, token,
			[]string{`"Federated":"arn:aws:iam::111111111111:oidc-provider/oidc.example/id/1"`, `"oidc.example/id/1:sub":"system:serviceaccount:ci:runner"`, `"Action":["sts:AssumeRoleWithWebIdentity"]`}, "identity_policy"},
		{"a chain", source.Plan{First: irsa, Roles: []source.Role{{ARN: ci, Duration: 4 * time.Hour}, {ARN: deploy, ExternalID: "payments"}}}, token,
			[]string{`"max_session_duration":14400`, `"identity_policy":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole"],"Resource":"` + deploy + `"}]}`,
				`"Principal":{"AWS":"` + ci + `"},"Action":["sts:AssumeRole"],"Condition":{"StringEquals":{"sts:ExternalId":"payments"}}`}, "TagSession"},
		{"inherited", source.Plan{First: irsa, Roles: []source.Role{{ARN: ci}, {ARN: deploy, Tags: map[string]string{"a": "b"}, TransitiveTags: []string{"a"}, SourceIdentity: "me"}, {ARN: ci}}}, token,
			[]string{`"Principal":{"AWS":"` + deploy + `"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}`}, ""},
		{"keys", source.Plan{First: source.First{From: source.Environment}, Roles: []source.Role{{ARN: deploy}}}, source.Claims{},
			[]string{`"principal":"arn:aws:iam::ACCOUNT:role/NAME","identity_policy"`}, "Federated"},
		{"an unknown token", source.Plan{First: irsa, Roles: []source.Role{{ARN: ci}}}, source.Claims{}, []string{"oidc-provider/ISSUER", `"ISSUER:sub":"SUBJECT"`}, ""},
		{"a pattern", source.Plan{First: irsa, Roles: []source.Role{{ARN: ci}}}, source.Claims{Issuer: "https://g", Subject: "repo:a/b:*"}, []string{`"StringLike":{"g:sub":"repo:a/b:*"}`, `"StringEquals":{"g:aud":"sts.amazonaws.com"}`}, ""},
	} {
		b, err := json.Marshal(source.Needs(row.plan, row.token))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range row.want {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: %s\nlacks %s", row.name, b, want)
			}
		}
		if row.not != "" && strings.Contains(string(b), row.not) {
			t.Errorf("%s: %s\nhas %s", row.name, b, row.not)
		}
	}
}

func TestKnown(t *testing.T) {
	for _, row := range []struct {
		first source.First
		env   map[string]string
		want  string
	}{
		{source.First{From: source.GitHub, Audience: "a"}, map[string]string{"GITHUB_REPOSITORY": "acme/infra"}, "repo:acme/infra:*"},
		{source.First{From: source.GitHub}, nil, "repo:OWNER/REPOSITORY:*"},
		{source.First{From: source.GitLab, Variable: "T"}, map[string]string{"T": jwt("me", 1)}, "me"},
		{source.First{From: source.IRSA, File: "/none"}, nil, ""},
	} {
		p := source.Plan{First: row.first}
		if got := p.Known(func(name string) string { return row.env[name] }); got.Subject != row.want {
			t.Errorf("%+v: %+v", row.first, got)
		}
	}
}

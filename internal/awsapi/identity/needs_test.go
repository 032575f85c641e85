package identity_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/source"
)

// chainOf has everything that a trust policy may have to allow.
func chainOf() source.Plan {
	return source.Plan{First: source.First{From: source.File}, Roles: []source.Role{
		{ARN: account + "one", SessionName: "me"},
		{ARN: account + "two", SessionName: "me", ExternalID: "payments", Tags: map[string]string{"team": "a"}, TransitiveTags: []string{"team"}, SourceIdentity: "alice"},
		{ARN: account + "three", SessionName: "me"},
	}}
}

// world makes roles of printed trust policies, changed by change.
func world(t *testing.T, change func(string) string) *lab.World {
	t.Helper()
	// The issuer's address isn't known before the lab has started.
	token := source.Claims{Issuer: "https://ISSUER", Subject: subject, Audience: []string{"sts.amazonaws.com"}}
	w := lab.ZeroWorld()
	for _, n := range source.Needs(chainOf(), token) {
		b, err := json.Marshal(n.TrustPolicy)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("arn:aws:iam::111111111111:oidc-provider/ISSUER", "${provider}", "ISSUER", "${issuer}").Replace(string(b))
		w.Accounts[0].Roles = append(w.Accounts[0].Roles, lab.Role{Name: strings.TrimPrefix(n.Principal, account), TrustPolicy: change(text)})
	}
	return w
}

// TestPrintedTrustPoliciesAreEnoughAndNoMore: roles that have what is printed let
// the chain through, and without any of its parts they don't.
func TestPrintedTrustPoliciesAreEnoughAndNoMore(t *testing.T) {
	for name, row := range map[string]struct {
		change func(string) string
		hops   int // that can be become
	}{
		"as printed":           {func(s string) string { return s }, 3},
		"another subject":      {func(s string) string { return strings.ReplaceAll(s, subject, subject+"x") }, 0},
		"another external ID":  {func(s string) string { return strings.ReplaceAll(s, "payments", "other") }, 1},
		"no tags":              {func(s string) string { return strings.ReplaceAll(s, `,"sts:TagSession"`, "") }, 1},
		"no source identity":   {func(s string) string { return strings.ReplaceAll(s, `,"sts:SetSourceIdentity"`, "") }, 1},
		"another role as base": {func(s string) string { return strings.ReplaceAll(s, account+"two", account+"ci") }, 2},
	} {
		aws, l := load(t, lab.Options{World: world(t, row.change)})
		token := l.WebIdentityToken(subject, "sts.amazonaws.com", time.Minute)
		roles, hops := chainOf().Roles, 0
		set, err := aws.AssumeRoleWithWebIdentity(t.Context(), token, roles[0])
		for err == nil {
			if hops++; hops == len(roles) {
				break
			}
			set, err = (&source.Assume{STS: aws, From: got(set), Role: roles[hops], Emit: discard}).Fetch(t.Context())
		}
		if hops != row.hops {
			t.Errorf("%s: %d hops, want %d: %v", name, hops, row.hops, err)
		}
	}
}

package source_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/source"
)

// environment joins what single sources put there.
func environment(parts ...map[string]string) func(string) string {
	all := map[string]string{}
	for _, m := range parts {
		for k, v := range m {
			all[k] = v
		}
	}
	return func(k string) string { return all[k] }
}

// kinds are what each source puts into the environment, in the order in which
// `auto` takes them.
func kinds() []struct {
	from source.From
	name string // how PassedOver calls it
	env  map[string]string
} {
	return []struct {
		from source.From
		name string
		env  map[string]string
	}{
		{source.Environment, "keys", map[string]string{"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}},
		{source.IRSA, "AWS_WEB_IDENTITY_TOKEN_FILE", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}},
		{source.Profile, "AWS_PROFILE", map[string]string{"AWS_PROFILE": "p"}},
		{source.PodIdentity, "EKS Pod Identity", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/p"}},
		{source.GitHub, "GitHub", map[string]string{"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://g/x?a=b", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret"}},
	}
}

// TestAutoTakesTheFirstAndSaysWhatItPassedOver: every subset of the sources.
func TestAutoTakesTheFirstAndSaysWhatItPassedOver(t *testing.T) {
	all := kinds()
	for set := range 1 << len(all) {
		var there []map[string]string
		want := source.Default
		var over []string
		for i, k := range all {
			if set&(1<<i) == 0 {
				continue
			}
			if there = append(there, k.env); want == source.Default {
				want = k.from
			} else {
				over = append(over, k.name)
			}
		}
		p, err := source.Resolve(source.Wish{From: "auto", Roles: []source.Role{{ARN: ci}}}, environment(there...), "test")
		if err != nil || p.First.From != want || len(p.PassedOver) != len(over) {
			t.Errorf("%05b: %+v, %v; want %s, over %q", set, p, err, want, over)
			continue
		}
		for i, name := range over {
			if !strings.Contains(p.PassedOver[i], name) || strings.Contains(p.PassedOver[i], "secret") {
				t.Errorf("%05b: %q, want %s", set, p.PassedOver[i], name)
			}
		}
	}
}

func TestResolveOfEachSource(t *testing.T) {
	all := kinds()
	github, pod, keys := all[4].env, all[3].env, all[0].env
	end := time.Now().Add(90 * time.Minute).Truncate(time.Second)
	role := []source.Role{{ARN: ci}}
	for _, row := range []struct {
		name  string
		wish  source.Wish
		env   func(string) string
		first source.First
		found string
		ends  time.Time
		over  string
		fails string
	}{
		{name: "github", wish: source.Wish{From: "github", Roles: role}, env: environment(github, keys), first: source.First{From: source.GitHub, Audience: "sts.amazonaws.com"}, found: "github"},
		{name: "github in China", wish: source.Wish{From: "github", Roles: []source.Role{{ARN: "arn:aws-cn:iam::111111111111:role/ci"}}}, env: environment(github), first: source.First{From: source.GitHub, Audience: "sts.amazonaws.com.cn"}, found: "github"},
		{name: "github for another audience", wish: source.Wish{From: "github", Audience: "me", Roles: role}, env: environment(github), first: source.First{From: source.GitHub, Audience: "me"}, found: "github"},
		{name: "github without permission", wish: source.Wish{From: "github", Roles: role}, env: environment(map[string]string{"GITHUB_ACTIONS": "true"}), fails: "id-token: write"},
		{name: "github without a role", wish: source.Wish{From: "github"}, env: environment(github), fails: "no role to exchange it for"},
		{name: "auto without permission", env: environment(map[string]string{"GITHUB_ACTIONS": "true"}), first: source.First{From: source.Default}, found: "what the SDK finds", over: "id-token: write"},
		{name: "auto with github and no role", env: environment(github), first: source.First{From: source.Default}, found: "what the SDK finds", over: "no role to exchange"},
		{name: "auto with github and the environment's role", env: environment(github, map[string]string{"AWS_ROLE_ARN": ci}), first: source.First{From: source.GitHub, Audience: "sts.amazonaws.com"}, found: "github"},
		{name: "auto with github and a profile's credentials", wish: source.Wish{ProfileGives: "/c:1:1", Roles: role}, env: environment(github), first: source.First{From: source.Default}, found: "what the SDK finds", over: "a profile wins"},
		{name: "gitlab", wish: source.Wish{From: "gitlab", Variable: "T", Roles: role}, env: environment(map[string]string{"T": jwt("s", end.Unix())}), first: source.First{From: source.GitLab, Variable: "T"}, found: "token in T", ends: end},
		{name: "gitlab's variable is empty", wish: source.Wish{From: "gitlab", Variable: "T", Roles: role}, env: environment(), fails: "id_tokens: { T:"},
		{name: "gitlab's variable is something else", wish: source.Wish{From: "gitlab", Variable: "T", Roles: role}, env: environment(map[string]string{"T": "hunter2"}), fails: "the variable T: that isn't a JWT"},
		{name: "auto in gitlab", env: environment(map[string]string{"GITLAB_CI": "true"}), first: source.First{From: source.Default}, found: "what the SDK finds", over: "token_variable"},
		{name: "command", wish: source.Wish{From: "command", Command: []string{"/bin/get", "x"}}, env: environment(keys), first: source.First{From: source.Command, Command: []string{"/bin/get", "x"}}, found: "command get"},
		{name: "pod identity over keys", wish: source.Wish{From: "pod_identity"}, env: environment(pod, keys), first: source.First{From: source.PodIdentity}, found: "pod identity"},
		{name: "pod identity that isn't there", wish: source.Wish{From: "pod_identity"}, env: environment(), fails: "pod identity association"},
		{name: "session keys with an end", env: environment(keys, map[string]string{"AWS_SESSION_TOKEN": "t", "AWS_CREDENTIAL_EXPIRATION": end.UTC().Format(time.RFC3339)}), first: source.First{From: source.Environment}, found: "keys in the environment", ends: end},
		{name: "session keys with a broken end", env: environment(keys, map[string]string{"AWS_SESSION_TOKEN": "t", "AWS_CREDENTIAL_EXPIRATION": "noon"}), fails: `AWS_CREDENTIAL_EXPIRATION is "noon"`},
	} {
		p, err := source.Resolve(row.wish, row.env, "test")
		if row.fails != "" {
			var no *source.NoIdentityError
			if !errors.As(err, &no) || !strings.Contains(no.What+no.Cure, row.fails) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v, want %q", row.name, err, row.fails)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(p.First, row.first) || p.Found != row.found || !p.Ends.Equal(row.ends) || p.Mortal != !row.ends.IsZero() {
			t.Errorf("%s: %+v, %v", row.name, p, err)
		}
		if !strings.Contains(strings.Join(p.PassedOver, "\n"), row.over) {
			t.Errorf("%s: passed over %q, want %q", row.name, p.PassedOver, row.over)
		}
	}
}

func TestWarningsSayTheEnd(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		plan source.Plan
		want string
	}{
		{source.Plan{First: source.First{From: source.IRSA}}, ""},
		{source.Plan{First: source.First{From: source.Environment}, Mortal: true}, "they end at a time"},
		{source.Plan{First: source.First{From: source.Environment}, Mortal: true, Ends: now.Add(time.Hour)}, "they end at 2026-11-22T11:00:00Z (in 1h0m), and nobody can renew"},
		{source.Plan{First: source.First{From: source.Environment}, Mortal: true, Ends: now}, "they ended at 2026-11-22T10:00:00Z"},
		{source.Plan{First: source.First{From: source.GitLab, Variable: "T"}, Mortal: true, Ends: now.Add(time.Hour)}, "the token in T ends at 2026-11-22T11:00:00Z"},
	} {
		if got := strings.Join(row.plan.Warnings(now), "\n"); (got == "") != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%+v: %q, want %q", row.plan, got, row.want)
		}
	}
}

type prints struct {
	text string
	err  error
}

func (p prints) Run(context.Context) ([]byte, error) { return []byte(p.text), p.err }

func TestPrinted(t *testing.T) {
	now := time.Now()
	role := &source.Role{ARN: ci, SessionName: "me"}
	const json = `{"Version":1,"AccessKeyId":"ASIAX","SecretAccessKey":"hunter2","SessionToken":"t","Expiration":"2036-11-22T10:00:00Z"}`
	for _, row := range []struct {
		name, text string
		role       *source.Role
		key, fails string
		exchanged  int
	}{
		{name: "a JWT", text: jwt("s", 1) + "\n", role: role, key: "ASIA", exchanged: 1},
		{name: "a JWT without a role", text: jwt("s", 1), fails: "no role to exchange it for"},
		{name: "keys", text: json, key: "ASIAX"},
		{name: "keys and a role", text: json, role: role, key: "ASIA"},
		{name: "html", text: "<html>hunter2</html>", role: role, fails: "it printed 20 bytes that are neither"},
		{name: "nothing", role: role, fails: "it printed 0 bytes"},
		{name: "two lines", text: "token:\n" + jwt("s", 1), role: role, fails: "neither a JWT"},
		{name: "broken JSON", text: `{"SecretAccessKey":"hunter2"`, fails: "isn't JSON"},
		{name: "another version", text: `{"Version":2,"SecretAccessKey":"hunter2"}`, fails: "Version 2"},
		{name: "no key", text: `{"Version":1,"SecretAccessKey":"hunter2"}`, fails: "lacks AccessKeyId"},
		{name: "a time that is none", text: `{"Version":1,"AccessKeyId":"A","SecretAccessKey":"hunter2","Expiration":"hunter2"}`, fails: "Expiration isn't a time"},
	} {
		aws := &sts{}
		p := &source.Printed{Command: prints{text: row.text}, Name: "get", STS: aws, Role: row.role, Emit: event.Discard, Now: func() time.Time { return now }}
		set, err := p.Fetch(t.Context())
		if row.fails != "" {
			var bad *source.TokenError
			if !errors.As(err, &bad) || !bad.Permanent() || bad.Cure == "" || !strings.Contains(err.Error(), row.fails) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "sIgNaTuRe") {
				t.Errorf("%s: %v, want %q", row.name, err, row.fails)
			}
			continue
		}
		if err != nil || set.AccessKeyID() != row.key || len(aws.tokens) != row.exchanged {
			t.Errorf("%s: %v, %v, %d tokens", row.name, set, err, len(aws.tokens))
		}
	}
}

type fetch cred.Set

func (f fetch) Fetch(context.Context) (cred.Set, error) { return cred.Set(f), nil }

func TestEndingKnowsTheEndThatTheSourceDoesNotTell(t *testing.T) {
	end, sooner := time.Now().Add(time.Hour), time.Now().Add(time.Minute)
	if set, err := (&source.Ending{From: fetch(cred.New("A", "s", "t")), At: end}).Fetch(t.Context()); err != nil || !set.Expires.Equal(end) {
		t.Errorf("%v, %v", set, err)
	}
	var over *source.TokenError
	if _, err := (&source.Ending{From: fetch(cred.New("A", "s", "t")), At: time.Now()}).Fetch(t.Context()); !errors.As(err, &over) || !over.Permanent() {
		t.Errorf("%v: what has ended is nothing to wait for", err)
	}
	known := cred.New("A", "s", "t")
	known.Expires = sooner
	if set, err := (&source.Ending{From: fetch(known), At: end}).Fetch(t.Context()); err != nil || !set.Expires.Equal(sooner) {
		t.Errorf("%v, %v: the source knows better", set, err)
	}
}

func TestExplainATokenByWhoMadeIt(t *testing.T) {
	now := time.Now()
	claims := &source.Claims{Issuer: "i", Subject: "s", Audience: []string{"a"}, Expires: now.Add(-time.Minute)}
	expired := &source.Refusal{Operation: "AssumeRoleWithWebIdentity", Code: "ExpiredTokenException", Message: "Token expired", Token: claims}
	audience := &source.Refusal{Operation: "AssumeRoleWithWebIdentity", Code: "InvalidIdentityToken", Message: "Incorrect token audience", Token: claims}
	for _, row := range []struct {
		from source.From
		err  error
		want string
	}{
		{source.GitLab, expired, "the job's timeout"}, {source.Command, expired, "a new token each time"},
		{source.GitHub, expired, "clock right"}, {source.IRSA, expired, "kubelet"},
		{source.GitHub, audience, "audience = "}, {source.GitLab, audience, "id_tokens"}, {source.File, audience, "IAM OIDC provider"},
	} {
		p := source.Plan{First: source.First{From: row.from}, Found: string(row.from), Roles: []source.Role{{ARN: ci}}}
		if got := source.Explain(p, 1, row.err, now); !strings.Contains(got.Cure, row.want) || !strings.Contains(got.Error(), "expired at") {
			t.Errorf("%s: %v, want %q", row.from, got, row.want)
		}
	}
}

func FuzzParseClaims(f *testing.F) {
	f.Add(jwt("s", 1000))
	f.Add("a.e30.c")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := source.ParseClaims(token)
		if err != nil && len(token) > 12 && strings.Contains(err.Error(), token) {
			t.Errorf("the error shows %q", token)
		}
		_ = c.Describe(time.Now())
	})
}

func FuzzParseProcess(f *testing.F) {
	f.Add([]byte(`{"Version":1,"AccessKeyId":"A","SecretAccessKey":"B","Expiration":"2026-11-22T10:00:00Z"}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		if set, err := source.ParseProcess(out, time.Now()); err == nil && (set.IsZero() || set.Secret() == "") {
			t.Errorf("%q: half a credential", out)
		}
	})
}

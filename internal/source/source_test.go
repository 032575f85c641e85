package source_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/source"
)

const (
	ci     = "arn:aws:iam::111111111111:role/ci"
	deploy = "arn:aws:iam::222222222222:role/teams/deploy"
)

// jwt is a token with claims and a signature that nobody may see.
func jwt(sub string, exp int64) string {
	claims := fmt.Sprintf(`{"iss":"https://i","sub":%q,"aud":["a","b"],"exp":%d}`, sub, exp)
	return "x." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sIgNaTuRe"
}

func arns(roles []source.Role) (all []string) {
	for _, r := range roles {
		all = append(all, r.ARN)
	}
	return all
}

func TestResolve(t *testing.T) {
	keys := map[string]string{"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
	irsa := map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": ci}
	with := func(maps ...map[string]string) func(string) string {
		all := map[string]string{}
		for _, m := range maps {
			for k, v := range m {
				all[k] = v
			}
		}
		return func(k string) string { return all[k] }
	}
	tg := map[string]string{"TG_IAM_ASSUME_ROLE": deploy, "TG_IAM_ASSUME_ROLE_DURATION": "3600"}
	for _, row := range []struct {
		name  string
		wish  source.Wish
		env   func(string) string
		token string
		roles []string
		found string
		fails string
	}{
		{name: "nothing at all", env: with(), found: "what the SDK finds"},
		{name: "irsa", env: with(irsa), token: "/t", roles: []string{ci}, found: "irsa"},
		{name: "irsa and terragrunt", env: with(irsa, tg), token: "/t", roles: []string{ci, deploy}, found: "irsa"},
		{name: "irsa, terragrunt, and a role by flag", wish: source.Wish{Roles: []source.Role{{ARN: deploy}}}, env: with(irsa, map[string]string{"TG_IAM_ASSUME_ROLE": "arn:aws:iam::333333333333:role/x"}), token: "/t", roles: []string{ci, deploy}, found: "irsa"},
		{name: "irsa with the same role by flag", wish: source.Wish{Roles: []source.Role{{ARN: ci}, {ARN: deploy}}}, env: with(irsa), token: "/t", roles: []string{ci, deploy}, found: "irsa"},
		{name: "irsa without a role", env: with(map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}), fails: "no role to exchange it for"},
		{name: "irsa without a role but terragrunt's", env: with(map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, tg), token: "/t", roles: []string{deploy}, found: "irsa"},
		{name: "keys win over irsa", env: with(irsa, keys), found: "keys in the environment"},
		{name: "keys and terragrunt", env: with(keys, tg), roles: []string{deploy}, found: "keys in the environment"},
		{name: "token file by flag over keys", wish: source.Wish{TokenFile: "/f", Roles: []source.Role{{ARN: ci}}}, env: with(keys), token: "/f", roles: []string{ci}, found: "token file"},
		{name: "token file by flag, role of the environment", wish: source.Wish{TokenFile: "/f"}, env: with(irsa), token: "/f", roles: []string{ci}, found: "token file"},
		{name: "irsa asked for, keys there", wish: source.Wish{From: "irsa"}, env: with(irsa, keys), token: "/t", roles: []string{ci}, found: "irsa"},
		{name: "irsa asked for and absent", wish: source.Wish{From: "irsa"}, env: with(keys), fails: "AWS_WEB_IDENTITY_TOKEN_FILE isn't set"},
		{name: "environment asked for and absent", wish: source.Wish{From: "environment"}, env: with(irsa), fails: "aren't set"},
		{name: "profile", wish: source.Wish{Profile: "p"}, env: with(irsa), found: "profile p"},
		{name: "profile of the environment", env: with(map[string]string{"AWS_PROFILE": "p"}), found: "profile p"},
		{name: "not a role", wish: source.Wish{Roles: []source.Role{{ARN: "deploy"}}}, env: with(keys), fails: `"deploy" is not the ARN`},
		{name: "duration too short", wish: source.Wish{Roles: []source.Role{{ARN: ci, Duration: time.Minute}}}, env: with(keys), fails: "15m to 12h"},
		{name: "transitive tag without a tag", wish: source.Wish{Roles: []source.Role{{ARN: ci, TransitiveTags: []string{"x"}}}}, env: with(keys), fails: "transitive tag"},
		{name: "terragrunt's duration isn't one", env: with(irsa, tg, map[string]string{"TG_IAM_ASSUME_ROLE_DURATION": "1h"}), fails: "number of seconds"},
	} {
		p, err := source.Resolve(row.wish, row.env, "holdfast-test")
		if row.fails != "" {
			var no *source.NoIdentityError
			if !errors.As(err, &no) || !strings.Contains(no.What+no.Cure, row.fails) {
				t.Errorf("%s: %v, want %q", row.name, err, row.fails)
			}
			continue
		}
		if err != nil || string(p.First.File) != row.token || !reflect.DeepEqual(arns(p.Roles), row.roles) || p.Found != row.found {
			t.Errorf("%s: %+v, %v", row.name, p, err)
		}
		for _, r := range p.Roles {
			if r.SessionName == "" {
				t.Errorf("%s: %s has no session name", row.name, r.ARN)
			}
		}
		if row.name == "keys win over irsa" && len(p.PassedOver) != 1 {
			t.Errorf("%s: passed over %q", row.name, p.PassedOver)
		}
	}
}

func TestSessionName(t *testing.T) {
	for want, words := range map[string][]string{
		"holdfast-root-pod.x": {"holdfast", "root", "pod.x"}, "holdfast-a-b": {"holdfast", "a b"}, "holdfast": {"", "é"},
		strings.Repeat("a", 64): {strings.Repeat("a", 100)},
	} {
		if got := source.SessionName(words...); got != want {
			t.Errorf("%q: %q, want %q", words, got, want)
		}
	}
}

func TestSessionNamesThatAWSTakes(t *testing.T) {
	for name, ok := range map[string]bool{
		"ab": true, "a_b+c=d,e.f@g-h": true, "Ab9": true, strings.Repeat("a", 64): true,
		"": false, "a": false, "a b": false, "a/b": false, "aé": false, strings.Repeat("a", 65): false,
	} {
		if err := (source.Role{ARN: ci, SessionName: name}).Check(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// sts plays AWS: it answers what it is told to, and keeps what it was asked.
type sts struct {
	asked   []source.Role
	tokens  []string
	answers []error
}

func (s *sts) next(role source.Role) (cred.Set, error) {
	s.asked = append(s.asked, role)
	if n := len(s.asked); n <= len(s.answers) && s.answers[n-1] != nil {
		return cred.Set{}, s.answers[n-1]
	}
	return cred.New("ASIA", "s", "t"), nil
}

func (s *sts) AssumeRole(_ context.Context, _ cred.Set, role source.Role) (cred.Set, error) {
	return s.next(role)
}

func (s *sts) AssumeRoleWithWebIdentity(_ context.Context, token string, role source.Role) (cred.Set, error) {
	s.tokens = append(s.tokens, token)
	return s.next(role)
}

type always cred.Set

func (a always) Get(context.Context) (cred.Set, error) { return cred.Set(a), nil }

type never struct{ error }

func (n never) Get(context.Context) (cred.Set, error) { return cred.Set{}, n.error }

func TestChainedRoleFallsBackToAnHourAndSaysSoOnce(t *testing.T) {
	aws := &sts{answers: []error{&source.Refusal{Code: "ValidationError", Message: "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."}}}
	var told []event.Event
	a := &source.Assume{STS: aws, From: always(cred.New("A", "s", "t")), Role: source.Role{ARN: deploy, SessionName: "s", Duration: 4 * time.Hour, Tags: map[string]string{"a": "b"}},
		Emit: func(e event.Event) { told = append(told, e) }}
	for range 3 {
		set, err := a.Fetch(t.Context())
		if err != nil || set.Origin != "role/teams/deploy" {
			t.Fatalf("%v, %v", set, err)
		}
	}
	var asked []time.Duration
	for _, r := range aws.asked {
		asked = append(asked, r.Duration)
		if r.Duration = 0; !reflect.DeepEqual(r, source.Role{ARN: deploy, SessionName: "s", Tags: map[string]string{"a": "b"}}) {
			t.Errorf("a renewal asked for something else: %+v", r)
		}
	}
	if !reflect.DeepEqual(asked, []time.Duration{4 * time.Hour, time.Hour, time.Hour, time.Hour}) {
		t.Errorf("asked for %v", asked)
	}
	if len(told) != 1 || told[0].Kind != source.Capped {
		t.Errorf("told %v", told)
	}
}

func TestHopWithoutAHopBefore(t *testing.T) {
	denied := &source.Refusal{Code: "AccessDenied"}
	a := &source.Assume{STS: &sts{}, From: never{denied}, Role: source.Role{ARN: deploy}}
	_, err := a.Fetch(t.Context())
	var up *source.Upstream
	if !errors.As(err, &up) || up.Permanent() || !errors.Is(err, denied) {
		t.Errorf("%v: the hop before may recover, so this isn't for ever", err)
	}
}

func TestTokenIsReadAnewThroughASymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	link, next := filepath.Join(dir, "token"), filepath.Join(dir, "next")
	mount := func(name, token string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, next); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, link); err != nil {
			t.Fatal(err)
		}
	}
	aws := &sts{}
	w := &source.WebIdentity{STS: aws, Token: source.TokenFile(link), Role: source.Role{ARN: ci}}
	mount("one", jwt("1", 1000))
	before := w.Version()
	if _, err := w.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Version() != before {
		t.Error("the version changed by reading")
	}
	mount("two", jwt("2", 1000))
	if w.Version() == before {
		t.Error("a swap isn't seen")
	}
	if _, err := w.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(aws.tokens, []string{jwt("1", 1000), jwt("2", 1000)}) {
		t.Errorf("exchanged %q", aws.tokens)
	}
}

func TestTokenThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "html": "<html>secret</html>"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"none", "empty", "html"} {
		_, err := source.TokenFile(filepath.Join(dir, name)).Read()
		var bad *source.TokenError
		if !errors.As(err, &bad) || !bad.Permanent() || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusalPermanence(t *testing.T) {
	for _, row := range []struct {
		code, message string
		want          bool
	}{
		{"AccessDenied", "", true}, {"ValidationError", "", true}, {"ExpiredTokenException", "", true},
		{"InvalidIdentityToken", "Incorrect token audience", true},
		{"InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider", false},
		{"IDPCommunicationError", "", false}, {"Throttling", "", false}, {"InternalFailure", "", false}, {"", "connection refused", false},
		{"SignatureDoesNotMatch", "Signature expired: 20261122T100000Z is now earlier than 20261122T101000Z", false},
		{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.", true},
	} {
		if got := (&source.Refusal{Code: row.code, Message: row.message}).Permanent(); got != row.want {
			t.Errorf("%s %s: permanent %v", row.code, row.message, got)
		}
	}
}

func TestExplain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	token, err := source.ParseClaims(jwt("s", 1000))
	if err != nil {
		t.Fatal(err)
	}
	p := source.Plan{First: source.First{From: source.IRSA, File: source.TokenFile(path)}, Found: "irsa", Roles: []source.Role{{ARN: ci}, {ARN: deploy, ExternalID: "payments"}}}
	for _, row := range []struct {
		hop  int
		err  error
		want []string
	}{
		{1, &source.Refusal{Operation: "AssumeRoleWithWebIdentity", Code: "AccessDenied", Message: "Not authorized", Token: &token},
			[]string{"can't become " + ci + " (hop 1 of 2, from irsa)", "AWS said: AccessDenied: Not authorized", "iss https://i, sub s, aud a and b, expired at 1970-01-01T00:16:40Z", "trust policy"}},
		{2, &source.Refusal{Operation: "AssumeRole", Code: "AccessDenied", Message: "no"}, []string{"hop 2 of 2, from role ci", "must allow " + ci, "external ID sent: payments"}},
		{1, &source.Refusal{Operation: "AssumeRoleWithWebIdentity", Code: "InvalidIdentityToken", Message: "Incorrect token audience"}, []string{"aud must be one"}},
		{1, &source.TokenError{From: "token file", Err: os.ErrPermission, Cure: "try  ls -lL " + path}, []string{"permission denied", "ls -lL " + path}},
		{2, &source.Refusal{Operation: "AssumeRole", Message: "dial tcp: connection refused"}, []string{"connection refused", "reach STS"}},
		{0, &source.Refusal{Operation: "x", Message: "no keys", Final: true}, []string{"no credential from irsa", "no keys", "log in, or name a source"}},
	} {
		got := source.Explain(p, row.hop, row.err, time.Now()).Error()
		for _, want := range row.want {
			if !strings.Contains(got, want) {
				t.Errorf("hop %d, %v:\n%s\nlacks %q", row.hop, row.err, got, want)
			}
		}
		if strings.Contains(got, "sIgNaTuRe") {
			t.Error("the token's signature is shown")
		}
	}
}

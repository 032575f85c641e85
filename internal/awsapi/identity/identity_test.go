package identity_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/source"
)

const (
	account = "arn:aws:iam::111111111111:role/"
	subject = "system:serviceaccount:ci:runner"
)

// worldText has a role for each thing that a hop may send.
const worldText = `
account "111111111111" {
  oidc {
    audiences = ["sts.amazonaws.com"]
  }
  role "ci" {
    max_session_duration = "12h"
    trust {
      web_identity = true
    }
  }
}
`

// load points the SDK at a lab and loads it.
func load(t *testing.T, o lab.Options) (*identity.AWS, *lab.Server) {
	t.Helper()
	l, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	clean(t)
	for _, e := range l.Env() {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	aws, err := identity.Load(t.Context(), identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return aws, l
}

// clean takes away what this machine's own AWS set-up would add.
func clean(t *testing.T) {
	t.Helper()
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func first(t *testing.T, aws *identity.AWS, l *lab.Server, role source.Role) (cred.Set, error) {
	t.Helper()
	return aws.AssumeRoleWithWebIdentity(t.Context(), l.WebIdentityToken(subject, "sts.amazonaws.com", time.Hour), role)
}

func TestEveryThingThatAHopSendsArrives(t *testing.T) {
	aws, l := load(t, lab.Options{})
	ci, err := first(t, aws, l, source.Role{ARN: account + "ci", SessionName: "one"})
	if err != nil {
		t.Fatal(err)
	}
	full := source.Role{
		ARN: account + "deploy", SessionName: "two", Duration: 15 * time.Minute, ExternalID: "payments",
		Tags: map[string]string{"team": "a", "env": "b"}, TransitiveTags: []string{"team"}, SourceIdentity: "alice",
		Policy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`,
	}
	set, err := aws.AssumeRole(t.Context(), ci, full)
	if err != nil {
		t.Fatal(err)
	}
	if life := set.Lifetime(); life < 14*time.Minute || life > 15*time.Minute {
		t.Errorf("asked for 15m, got %v", life)
	}
	// The session policy allows nothing but s3:GetObject, so a further hop is
	// refused: it arrived.
	if _, err := aws.AssumeRole(t.Context(), set, source.Role{ARN: account + "ci", SessionName: "three"}); code(err) != "AccessDenied" {
		t.Errorf("a hop that the session policy doesn't allow: %v", err)
	}
	// The other parts show in what AWS refuses about them.
	for want, change := range map[string]func(*source.Role){
		"MalformedPolicyDocument": func(r *source.Role) { r.Policy = "{" },
		"ValidationError":         func(r *source.Role) { r.Duration = 2 * time.Hour },
	} {
		r := full
		change(&r)
		if _, err := aws.AssumeRole(t.Context(), ci, r); code(err) != want {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

func TestChainingRefusalIsRecognised(t *testing.T) {
	aws, l := load(t, lab.Options{})
	ci, err := first(t, aws, l, source.Role{ARN: account + "ci", SessionName: "one"})
	if err != nil {
		t.Fatal(err)
	}
	hop := &source.Assume{STS: aws, From: got(ci), Role: source.Role{ARN: account + "deploy", SessionName: "two", Duration: 4 * time.Hour}, Emit: discard}
	set, err := hop.Fetch(t.Context())
	if err != nil || set.Lifetime() < 59*time.Minute || set.Lifetime() > time.Hour {
		t.Errorf("%v, %v; want the hour that AWS allows", set, err)
	}
}

func TestLongFirstHop(t *testing.T) {
	w, err := lab.ParseWorld([]byte(worldText), "world.hcl")
	if err != nil {
		t.Fatal(err)
	}
	aws, l := load(t, lab.Options{World: w})
	set, err := first(t, aws, l, source.Role{ARN: account + "ci", SessionName: "long", Duration: 12 * time.Hour})
	if err != nil || set.Lifetime() < 11*time.Hour {
		t.Errorf("%v, %v", set, err)
	}
}

func TestServersClock(t *testing.T) {
	for _, skew := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		aws, l := load(t, lab.Options{Session: 10 * time.Minute})
		l.Fault(lab.Fault{Service: "sts", Kind: lab.FaultSkew, Offset: skew})
		set, err := first(t, aws, l, source.Role{ARN: account + "ci", SessionName: "one"})
		if err != nil {
			t.Fatal(err)
		}
		if d := set.Skew - skew; d > 2*time.Second || d < -2*time.Second {
			t.Errorf("the server's clock is %v off, seen as %v", skew, set.Skew)
		}
		if left := set.Left(time.Now()); left < 9*time.Minute || left > 10*time.Minute+2*time.Second {
			t.Errorf("server %v off: a session of 10m has %v left by our clock", skew, left)
		}
		// A signed request is refused at first, and the SDK learns from the
		// answer: the keeper's next attempt succeeds.
		_, err = aws.AssumeRole(t.Context(), set, source.Role{ARN: account + "deploy", SessionName: "one"})
		var refusal *source.Refusal
		if errors.As(err, &refusal) && refusal.Permanent() {
			t.Errorf("a clock that is off counts as final: %v", err)
		}
		if err != nil {
			if _, err = aws.AssumeRole(t.Context(), set, source.Role{ARN: account + "deploy", SessionName: "one"}); err != nil {
				t.Errorf("server %v off, second attempt: %v", skew, err)
			}
		}
	}
}

func TestRefusalsKeepTheirWords(t *testing.T) {
	aws, l := load(t, lab.Options{})
	for name, row := range map[string]struct {
		token     string
		role      string
		code      string
		message   string
		permanent bool
	}{
		"audience":  {l.WebIdentityToken(subject, "vault", time.Hour), "ci", "InvalidIdentityToken", "Incorrect token audience", true},
		"expired":   {l.WebIdentityToken(subject, "sts.amazonaws.com", -time.Hour), "ci", "ExpiredTokenException", "expiration", true},
		"no role":   {l.WebIdentityToken(subject, "sts.amazonaws.com", time.Hour), "none", "AccessDenied", "AssumeRoleWithWebIdentity", true},
		"not a JWT": {"nonsense", "ci", "InvalidIdentityToken", "", true},
	} {
		_, err := aws.AssumeRoleWithWebIdentity(t.Context(), row.token, source.Role{ARN: account + row.role, SessionName: "one"})
		var r *source.Refusal
		if !errors.As(err, &r) || r.Code != row.code || !strings.Contains(r.Message, row.message) || r.Permanent() != row.permanent || r.Status == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), row.token) {
			t.Errorf("%s: the error shows the token", name)
		}
	}
}

func TestTroubleOnTheWayPasses(t *testing.T) {
	for name, fault := range map[string]lab.Fault{
		"500":      {Kind: lab.FaultStatus, Status: 500},
		"throttle": {Kind: lab.FaultThrottle},
		"drop":     {Kind: lab.FaultDrop},
		"hang":     {Kind: lab.FaultHang},
	} {
		aws, l := load(t, lab.Options{})
		fault.Service = "sts"
		l.Fault(fault)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := aws.AssumeRoleWithWebIdentity(ctx, l.WebIdentityToken(subject, "sts.amazonaws.com", time.Hour), source.Role{ARN: account + "ci", SessionName: "one"})
		cancel()
		var r *source.Refusal
		if !errors.As(err, &r) || r.Permanent() {
			t.Errorf("%s: %v counts as final", name, err)
		}
		if n := len(l.Calls()); n > 1 {
			t.Errorf("%s: %d attempts; when to try again is the keeper's decision", name, n)
		}
	}
	clean(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_REGION", "eu-west-1")
	aws, err := identity.Load(t.Context(), identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = aws.AssumeRoleWithWebIdentity(t.Context(), "a.b.c", source.Role{ARN: account + "ci", SessionName: "one"})
	var r *source.Refusal
	if !errors.As(err, &r) || r.Permanent() || !strings.Contains(r.Message, "connection refused") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestDefaultChain(t *testing.T) {
	aws, _ := load(t, lab.Options{})
	set, err := (&identity.Default{AWS: aws}).Fetch(t.Context())
	if err != nil || !set.Expires.IsZero() || set.Origin != "EnvConfigCredentials" {
		t.Errorf("%v from %q, %v", set, set.Origin, err)
	}

	clean(t)
	aws, err = identity.Load(t.Context(), identity.Options{Region: "eu-west-1"})
	if err != nil || aws.Region() != "eu-west-1" {
		t.Fatal(aws, err)
	}
	_, err = (&identity.Default{AWS: aws}).Fetch(t.Context())
	var r *source.Refusal
	if !errors.As(err, &r) || !r.Permanent() {
		t.Errorf("nothing to ask with: %v", err)
	}
	if _, err := identity.Load(t.Context(), identity.Options{Profile: "none"}); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a profile that isn't there: %v", err)
	}
}

type got cred.Set

func (g got) Get(context.Context) (cred.Set, error) { return cred.Set(g), nil }

func discard(event.Event) {}

func code(err error) string {
	var r *source.Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

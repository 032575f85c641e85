package cred_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

func TestSetRedactsItselfEverywhere(t *testing.T) {
	const secret, token = "sEcReTsEcReT", "tOkEntOkEn"
	s := cred.New("ASIAABCDEFGHWXYZ", secret, token)
	s.Expires = time.Now().Add(time.Hour)
	wrapped := struct {
		Set  cred.Set
		Ptr  *cred.Set
		Many []cred.Set
		Map  map[string]cred.Set
	}{s, &s, []cred.Set{s}, map[string]cred.Set{"k": s}}

	var out bytes.Buffer
	for _, v := range []any{s, &s, wrapped, &wrapped} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("x", "v", v)
		}
	}
	fmt.Fprint(&out, fmt.Errorf("wrapped: %v", s))
	for _, leak := range []string{secret, token, "ASIAABCDEFGH", fmt.Sprintf("%x", secret), fmt.Sprintf("%x", token)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the output shows %q:\n%s", leak, out.String())
		}
	}
	if !strings.Contains(out.String(), "…WXYZ") {
		t.Error("the redacted form should keep the end of the access key's ID")
	}
}

func TestLeftTakesTheStricterClock(t *testing.T) {
	now := time.Now()
	s := cred.New("AKIA", "s", "t")
	s.Issued, s.Expires = now, now.Add(time.Hour)

	if got := s.Left(now.Add(20 * time.Minute)); got != 40*time.Minute {
		t.Errorf("both clocks run: left %v, want 40m", got)
	}
	// The wall clock was set two hours back: only the monotonic reading of now
	// still tells the truth, and Round(0) on one side would lose it.
	if got := s.Left(now.Add(90 * time.Minute)); got > 0 {
		t.Errorf("after 90 minutes: left %v, want none", got)
	}
	// The machine slept: the wall clock says more than the monotonic one.
	slept := now.Add(2 * time.Hour).Round(0)
	if s.Valid(slept) {
		t.Error("a set is valid two hours later by the wall clock, though it lasts one")
	}
	var none cred.Set
	if none.Valid(now) {
		t.Error("the zero Set is valid")
	}
}

func TestParsePrincipal(t *testing.T) {
	for _, c := range []struct{ in, want, session string }{
		{"arn:aws:iam::111111111111:role/ci", "arn:aws:iam::111111111111:role/ci", ""},
		{"arn:aws:iam::111111111111:role/teams/ops/ci", "arn:aws:iam::111111111111:role/teams/ops/ci", ""},
		{"arn:aws-cn:iam::111111111111:user/u", "arn:aws-cn:iam::111111111111:user/u", ""},
		{"arn:aws:iam::111111111111:root", "arn:aws:iam::111111111111:root", ""},
		{"arn:aws:sts::111111111111:assumed-role/ci/run-1", "arn:aws:iam::111111111111:role/ci", "run-1"},
	} {
		p, err := cred.ParsePrincipal(c.in)
		if err != nil || p.ARN() != c.want || p.Session != c.session {
			t.Errorf("%s: %v, session %q, %v; want %s, %q", c.in, p, p.Session, err, c.want, c.session)
		}
	}
	for _, bad := range []string{"", "deploy", "arn:aws:iam::1:role/x", "arn:aws:iam::111111111111:role/", "arn:aws:iam::111111111111:role",
		"arn:aws:iam::111111111111:group/x", "arn:aws:sts::111111111111:assumed-role/ci", "arn:aws:s3:::bucket", "arn::iam::111111111111:role/x",
		"arn:aws:iam:eu-west-1:111111111111:role/x", "arn:aws:iam::11111111111a:role/x"} {
		if p, err := cred.ParsePrincipal(bad); err == nil {
			t.Errorf("%q was read as %v", bad, p)
		}
	}
	for _, bad := range []string{"arn:aws:iam::111111111111:user/u", "arn:aws:iam::111111111111:root", "arn:aws:sts::111111111111:assumed-role/ci/s"} {
		if _, err := cred.ParseRole(bad); err == nil {
			t.Errorf("ParseRole took %q", bad)
		}
	}
}

func FuzzParsePrincipal(f *testing.F) {
	f.Add("arn:aws:iam::111111111111:role/teams/ops/ci")
	f.Add("arn:aws:sts::111111111111:assumed-role/ci/s")
	f.Fuzz(func(t *testing.T, in string) {
		p, err := cred.ParsePrincipal(in)
		if err != nil || p.Session != "" {
			return
		}
		if p.ARN() != in {
			t.Errorf("%q became %q", in, p.ARN())
		}
	})
}

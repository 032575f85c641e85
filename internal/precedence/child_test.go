package precedence_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/profile"
	"github.com/holdfast/holdfast/internal/tf/code"
)

func delivery(t *testing.T, sc scene, s stubs) precedence.Delivery {
	t.Helper()
	dir := filepath.Join(sc.home, "private")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	tokenFile := filepath.Join(dir, "token")
	write(t, tokenFile, "bearer", 0o600)
	return precedence.Delivery{FullURI: s.url + "/ours", Token: "bearer", TokenFile: tokenFile, CopyDir: dir}
}

// After Child, and with its copies really written, the real SDK reaches our
// endpoint in every row, unless Shadowed names the setting in code.
func TestAfterChildTheEndpointWins(t *testing.T) {
	s := serve(t)
	shadowed := 0
	for _, r := range rows() {
		sc := layOut(t, r, s)
		plan := precedence.Child(sc.facts, delivery(t, sc, s))
		if err := profile.Write(plan.Copies); err != nil {
			t.Fatalf("%s\n %v", r, err)
		}
		for _, sdk := range precedence.SDKs() {
			w := precedence.Decide(sdk, plan.After)
			if sdk == precedence.Python && r["x"] == "twice" {
				continue // botocore refuses the file, before and after
			}
			if !w.Endpoint() {
				t.Errorf("%s\n %s ends in %+v", r, sdk, w)
			}
		}
		if got, err := askGo(t, plan.Env, sc.home, nil, s); got != "AKOURS" {
			t.Errorf("%s\n without code the SDK uses %s (%v)", r, got, err)
		}
		client := sc.client()
		if client == nil {
			continue
		}
		shadows := precedence.Shadowed(plan.After, []code.Client{*client})
		if r["code"] == "expression" {
			if len(shadows) != 1 || shadows[0].Certain {
				t.Errorf("%s\n an expression must be reported as unknown: %v", r, shadows)
			}
			continue
		}
		got, err := askGo(t, plan.Env, sc.home, client, s)
		if (got == "AKOURS") != (len(shadows) == 0) {
			t.Errorf("%s\n in code the SDK uses %s (%v), Shadowed says %v", r, got, err, shadows)
		}
		shadowed += len(shadows)
	}
	if shadowed == 0 {
		t.Error("no row is shadowed: the table doesn't test it")
	}
}

func TestCopiesAgreeWithTheFactsAfterwards(t *testing.T) {
	s := serve(t)
	for _, r := range rows() {
		sc := layOut(t, r, s)
		plan := precedence.Child(sc.facts, delivery(t, sc, s))
		if err := profile.Write(plan.Copies); err != nil {
			t.Fatal(err)
		}
		files, err := profile.Read(plan.Env, sc.home, nil)
		if err != nil {
			t.Fatal(err)
		}
		again := precedence.Facts{Env: plan.Env, Home: sc.home, Files: files}
		for _, sdk := range precedence.SDKs() {
			read, computed := precedence.Decide(sdk, again), precedence.Decide(sdk, plan.After)
			if read.Source != computed.Source {
				t.Errorf("%s\n %s: the copy gives %+v, the facts say %+v", r, sdk, read, computed)
			}
		}
	}
}

func TestChildSaysWhatItDoesAndNoSecret(t *testing.T) {
	const hidden = "hunter2"
	env := precedence.Env{
		"AWS_ACCESS_KEY_ID": hidden, "AWS_SECRET_ACCESS_KEY": hidden, "AWS_SESSION_TOKEN": hidden, "AWS_SECURITY_TOKEN": hidden,
		"AWS_WEB_IDENTITY_TOKEN": hidden, "AWS_CONTAINER_AUTHORIZATION_TOKEN": hidden, "AWS_CREDENTIAL_SCOPE": hidden,
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/" + hidden,
		"AWS_ROLE_ARN":                       "arn:aws:iam::111111111111:role/pod", "AWS_PROFILE": "", "AWS_ENDPOINT_URL": "http://lab", "PATH": "/bin",
	}
	d := precedence.Delivery{FullURI: "http://127.0.0.1:1/" + hidden, Token: hidden + "new", TokenFile: "/run/token"}
	plan := precedence.Child(precedence.Facts{Env: env, Home: "/nobody"}, d)
	text := fmt.Sprintf("%v %+v %#v", plan.Changes, plan.Changes, plan.Changes)
	if strings.Contains(text, hidden) {
		t.Errorf("a secret shows: %s", text)
	}
	want := precedence.Env{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": d.FullURI, "AWS_CONTAINER_AUTHORIZATION_TOKEN": d.Token,
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/run/token", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL": "http://lab", "PATH": "/bin",
	}
	if got := strings.Join(plan.Env.Environ(), "\n"); got != strings.Join(want.Environ(), "\n") {
		t.Errorf("environment:\n%s", got)
	}
	changed := map[string]bool{}
	for _, c := range plan.Changes {
		changed[c.Name] = true
		if c.Why == "" {
			t.Errorf("%s changes without a reason", c.Name)
		}
	}
	for name := range env {
		if got, ok := plan.Env[name]; (!ok || got != env[name]) && !changed[name] {
			t.Errorf("%s changes, and nobody says so", name)
		}
	}
	if env["AWS_ACCESS_KEY_ID"] != hidden {
		t.Error("the caller's environment was changed")
	}
}

func TestRegion(t *testing.T) {
	files := []precedence.File{profile.Parse("/h/.aws/config", precedence.Config, []byte("[profile x]\nregion = eu-west-1\n[profile y]\noutput = json\n"))}
	for _, c := range []struct {
		name, why string
		env       precedence.Env
		want      string
	}{
		{"a variable has it", "stays", precedence.Env{"AWS_REGION": "a"}, "a"},
		{"the other variable has it", "the SDK reads both", precedence.Env{"AWS_DEFAULT_REGION": "a"}, ""},
		{"the profile has it", "exporting it would beat another profile's region", precedence.Env{"AWS_PROFILE": "x"}, ""},
		{"nobody has it", "metadata had", precedence.Env{"AWS_PROFILE": "y"}, "metadata"},
	} {
		plan := precedence.Child(precedence.Facts{Env: c.env, Home: "/h", Files: files}, precedence.Delivery{Region: "metadata"})
		if got := plan.Env["AWS_REGION"]; got != c.want {
			t.Errorf("%s (%s): AWS_REGION = %q, want %q", c.name, c.why, got, c.want)
		}
	}
}

func TestShadowsSayWhereWhyAndWhatToDo(t *testing.T) {
	src := `
terraform {
  backend "s3" {
    profile = "holds-keys"
  }
}
provider "aws" {
  alias      = "b"
  access_key = "AKIA-hunter2"
  secret_key = "hunter2"
}
provider "aws" {
  alias = "c"
  assume_role_with_web_identity {
    role_arn           = "arn:aws:iam::111111111111:role/x"
    web_identity_token = "hunter2"
  }
}
provider "aws" {
  alias = "d"
  assume_role {
    role_arn = "arn:aws:iam::111111111111:role/x"
  }
}
provider "aws" {
  alias   = "e"
  profile = "region-only"
}
provider "aws" {
  alias   = "f"
  profile = "nowhere"
}
provider "aws" {
  alias               = "g"
  shared_config_files = ["~/other"]
}
provider "aws" {
  alias   = "h"
  profile = var.profile
}
`
	config := "[profile holds-keys]\naws_access_key_id = A\naws_secret_access_key = hunter2\n[profile region-only]\nregion = eu-west-1\n"
	facts := precedence.Facts{Env: precedence.Env{"HOME": "/h"}, Home: "/h", Files: []precedence.File{
		profile.Parse("/h/.aws/config", precedence.Config, []byte(config)),
		profile.Parse("/h/other", precedence.Config, []byte("[default]\ncredential_process = x hunter2\n")),
	}}
	plan := precedence.Child(facts, precedence.Delivery{FullURI: "http://127.0.0.1:1/", CopyDir: "/p"})
	shadows := precedence.Shadowed(plan.After, code.Parse("main.tf", []byte(src)).Clients)
	got := fmt.Sprintf("%+v", shadows)
	if strings.Contains(got, "hunter2") {
		t.Errorf("a secret shows: %s", got)
	}
	want := []struct{ place, setting string }{
		{"main.tf:4:5", "profile"},
		{"main.tf:9:3", "access_key"},
		{"main.tf:16:5", "assume_role_with_web_identity.web_identity_token"},
		{"main.tf:31:3", "profile"},
		{"main.tf:35:3", "shared_config_files"},
		{"main.tf:39:3", "profile"},
	}
	if len(shadows) != len(want) {
		t.Fatalf("%d shadows, want %d: %v", len(shadows), len(want), shadows)
	}
	for i, w := range want {
		s := shadows[i]
		if s.Range.String() != w.place || s.Setting != w.setting || s.Why == "" || s.Cure == "" {
			t.Errorf("got %s %s (%s; %s), want %s %s", s.Range, s.Setting, s.Why, s.Cure, w.place, w.setting)
		}
	}
	if shadows[5].Certain {
		t.Error("an expression is taken for certain")
	}
}

func TestNoOtherEndpointsTokenIsLeft(t *testing.T) {
	env := precedence.Env{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/pod", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod"}
	plan := precedence.Child(precedence.Facts{Env: env}, precedence.Delivery{FullURI: "http://127.0.0.1:1/", Token: "ours"})
	if _, ok := plan.Env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]; ok || plan.Env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] != "ours" {
		t.Errorf("environment: %v", plan.Env.Environ())
	}
}

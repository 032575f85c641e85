package lab_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/lab"
)

const twoAccounts = `
region  = "eu-central-1"
session = "30s"
latency = "1ms"

account "111111111111" {
  oidc {
    audiences = ["sts.amazonaws.com", "other"]
  }
  role "ci" {
    trust {
      web_identity = true
      audience     = ["other"]
      subject      = ["repo:org/*:ref:refs/heads/main"]
    }
  }
  bucket "state" {
    versioning = true
  }
  table "locks" {}
}

account "222222222222" {
  role "deploy-prod" {
    path                 = "/team/"
    max_session_duration = "2h"
    session              = "6s"
    trust {
      principals  = ["arn:aws:iam::111111111111:role/ci"]
      external_id = "payments"
    }
  }
}
`

func TestWorldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "world.hcl")
	if err := os.WriteFile(path, []byte(twoAccounts), 0o600); err != nil {
		t.Fatal(err)
	}
	world, err := lab.LoadWorld(path)
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, lab.Options{World: world})
	if f.env["AWS_REGION"] != "eu-central-1" || f.env["HOLDFAST_LAB_BUCKET"] != "state" || f.env["HOLDFAST_LAB_TABLE"] != "locks" {
		t.Errorf("%v", f.env)
	}
	role := f.env["HOLDFAST_LAB_ROLE_DEPLOY_PROD"]
	if role != "arn:aws:iam::222222222222:role/team/deploy-prod" {
		t.Error(role)
	}
	web, err := f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(ciRole), RoleSessionName: aws.String("main"),
		WebIdentityToken: aws.String(f.WebIdentityToken("repo:org/app:ref:refs/heads/main", "other", time.Minute)),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.assume(keys(web.Credentials), role)
	refused(t, err, "AccessDenied", 403, "")
	out, err := f.assume(keys(web.Credentials), role, func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("payments") })
	if err != nil {
		t.Fatal(err)
	}
	if life := time.Until(*out.Credentials.Expiration); life > 6*time.Second {
		t.Errorf("the role's session lives %s", life)
	}
	if !strings.Contains(*out.AssumedRoleUser.Arn, "::222222222222:assumed-role/deploy-prod/") {
		t.Error(*out.AssumedRoleUser.Arn)
	}
}

func TestWorldFileErrors(t *testing.T) {
	for name, test := range map[string]struct{ from, to, want string }{
		"syntax":        {`account "2`, `account = "2`, "w.hcl:23:26: Missing newline after argument"},
		"attribute":     {"versioning", "versions", "w.hcl:18:5: Unsupported argument"},
		"type":          {`versioning = true`, `versioning = "x"`, "w.hcl:18:19: "},
		"duration":      {`"30s"`, `"thirty"`, `w.hcl:3:11: "thirty" isn't a duration`},
		"short session": {`"30s"`, `"1s"`, "w.hcl:3:11: session 1s must be between 2s and 12h0m0s"},
		"max session":   {`"2h"`, `"13h"`, "w.hcl:24:3: max_session_duration 13h0m0s must be between"},
		"account":       {"222222222222", "2222", `w.hcl:23:1: an account ID has twelve digits, not "2222"`},
		"twice":         {"222222222222", "111111111111", "w.hcl:23:1: account 111111111111 stands twice"},
		"principal":     {":role/ci", ":role/none", `w.hcl:24:3: MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:role/none"`},
		"bucket":        {`"state"`, `"lab"`, `w.hcl:17:3: bucket name "lab"`},
		"table":         {`"locks"`, `"x"`, `w.hcl:20:3: table name "x"`},
		"trust":         {"web_identity = true", "web_identity = false", "w.hcl:10:3: a trust needs either principals or web_identity"},
		"path":          {`"/team/"`, `"team"`, `w.hcl:24:3: path "team" must begin and end with a slash`},
		"role name":     {`"deploy-prod"`, `"deploy prod"`, "w.hcl:24:3: ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(twoAccounts, test.from, test.to, 1)
			_, err := lab.ParseWorld([]byte(text), "w.hcl")
			if err == nil || !strings.HasPrefix(err.Error(), test.want) || !strings.Contains(err.Error(), " | ") {
				t.Errorf("got %v\nwant %s and the line", err, test.want)
			}
		})
	}
	if _, err := lab.ParseWorld([]byte(""), "w.hcl"); err == nil || !strings.Contains(err.Error(), `w.hcl: a world without an account; add account "111111111111" {}`) {
		t.Error(err)
	}
	if _, err := lab.LoadWorld(filepath.Join(t.TempDir(), "none.hcl")); err == nil {
		t.Error("no file and no error")
	}
}

func TestAsAHandler(t *testing.T) {
	s, err := lab.New(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", s.URL()+"/lab/calls", nil))
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != "[]" {
		t.Error(w.Code, w.Body)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	w = httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", s.URL()+"/lab/calls", nil))
	if w.Code != 503 {
		t.Error("after Close:", w.Code)
	}
	if _, err := lab.New(lab.Options{Listen: "127.0.0.1:0"}); err == nil {
		t.Error("New was told to listen and said nothing")
	}
}

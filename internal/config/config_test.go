package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/cure"
)

const whole = `
identity "deploy" {
  from = "irsa"
  role "arn:aws:iam::111111111111:role/ci" {}
  role "arn:aws:iam::222222222222:role/teams/deploy" {
    external_id     = "payments"
    duration        = "1h"
    session_name    = "ci"
    tags            = { team = "payments" }
    transitive_tags = ["team"]
    source_identity = "alice"
  }
}
identity "audit" {
  token_file = "/var/run/token"
  region     = "eu-west-1"
}
unit "live/payments/**" {
  identity = "deploy"
}
unit "live/*/audit" {
  identity = "audit"
}
run {
  allow_other_credentials = true
}
`

func TestParse(t *testing.T) {
	f, err := config.Parse("holdfast.hcl", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	deploy, ok := f.Identity("deploy")
	if !ok || deploy.From != config.IRSA || len(deploy.Roles) != 2 {
		t.Fatalf("%+v", deploy)
	}
	r := deploy.Roles[1]
	if r.ExternalID != "payments" || r.Duration != time.Hour || r.Tags["team"] != "payments" || r.TransitiveTags[0] != "team" || r.SourceIdentity != "alice" || r.Range.Start.Line != 5 {
		t.Errorf("%+v", r)
	}
	if audit, _ := f.Identity("audit"); audit.From != config.TokenFile || audit.Region != "eu-west-1" {
		t.Errorf("%+v", audit)
	}
	if _, ok := f.Identity("none"); ok || !f.Run.AllowOther {
		t.Errorf("%+v", f)
	}
}

func TestUnitOf(t *testing.T) {
	f, err := config.Parse("../holdfast.hcl", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"/r/live/payments": "deploy", "/r/live/payments/rds": "deploy", "/r/live/payments/a/b": "deploy", "/r/live/paymentsx": "",
		"/r/live/shop/audit": "audit", "/r/live/shop/x/audit": "", "/r": "", "/elsewhere": "", "/r/live": "",
	} {
		if got := f.UnitOf("/r/sub", dir); got != want {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
}

func TestComplaintsPointAtTheirPlace(t *testing.T) {
	for name, row := range map[string]struct{ in, want string }{
		"syntax":             {"identity \"a\" {", "f.hcl:1:14"},
		"waive, a name":      {"waive \"entries\" {\n  reason = \"r\"\n  until = \"2027-01-31\"\n}", "f.hcl:1:7"},
		"waive, no reason":   {"waive \"HF201\" {\n  reason = \" \"\n  until = \"2027-01-31\"\n}", "f.hcl:1:1"},
		"waive, no end":      {"waive \"HF201\" {\n  reason = \"r\"\n}", "f.hcl:1:1"},
		"waive, no real end": {"waive \"HF201\" {\n  reason = \"r\"\n  until = \"2027-02-31\"\n}", "f.hcl:3:11"},
		"unknown block":      {"identety \"a\" {}", "f.hcl:1:1"},
		"unknown key":        {"identity \"a\" {\n  form = \"irsa\"\n}", "f.hcl:2:3"},
		"source":             {"identity \"a\" {\n  from = \"isra\"\n}", "f.hcl:2:10: no such source: from is one of auto, irsa"},
		"two of a name":      {"identity \"a\" {}\nidentity \"a\" {}", "f.hcl:2:10: two identities of one name: \"a\" stands at f.hcl:1,1-13 already"},
		"name":               {"identity \"a/b\" {}", "f.hcl:1:10: not a name"},
		"dotted name":        {"identity \".a\" {}", "f.hcl:1:10: not a name"},
		"long name":          {"identity \"" + strings.Repeat("a", 65) + "\" {}", "f.hcl:1:10: not a name"},
		"role":               {"identity \"a\" {\n  role \"deploy\" {}\n}", "f.hcl:2:8: not the ARN of a role: \"deploy\" is not"},
		"user":               {"identity \"a\" {\n  role \"arn:aws:iam::111111111111:user/u\" {}\n}", "names a user, not a role"},
		"duration":           {"identity \"a\" {\n  role \"arn:aws:iam::111111111111:role/r\" {\n    duration = \"5m\"\n  }\n}", "f.hcl:3:16: not a duration"},
		"kind":               {"identity \"a\" {\n  region = [1]\n}", "f.hcl:2:12: wrong kind of value: region is a string"},
		"null":               {"identity \"a\" {\n  region = null\n}", "f.hcl:2:12"},
		"variable":           {"identity \"a\" {\n  region = var.x\n}", "f.hcl:2:12"},
		"no profile":         {"identity \"a\" {\n  from = \"profile\"\n}", "needs profile"},
		"no token file":      {"identity \"a\" {\n  from = \"token_file\"\n}", "f.hcl:2:10: no token_file: from = \"token_file\" needs token_file = \"PATH\""},
		"no variable":        {"identity \"a\" {\n  from = \"gitlab\"\n}", "needs token_variable"},
		"no command":         {"identity \"a\" {\n  from = \"command\"\n}", "needs command"},
		"empty command":      {"identity \"a\" {\n  command = []\n}", "f.hcl:2:13: nothing in command"},
		"command text":       {"identity \"a\" {\n  command = \"get token\"\n}", "f.hcl:2:13: wrong kind of value"},
		"not its own":        {"identity \"a\" {\n  from     = \"irsa\"\n  audience = \"x\"\n}", "f.hcl:3:3: audience doesn't belong here: it goes with from = \"github\", and this is irsa"},
		"two of them":        {"identity \"a\" {\n  token_file = \"x\"\n  profile = \"y\"\n}", "f.hcl:3:3: profile doesn't belong here"},
		"unit of none":       {"unit \"a\" {\n  identity = \"x\"\n}", "f.hcl:1:1: no such identity: \"x\" isn't"},
		"unit above":         {"identity \"x\" {}\nunit \"../a\" {\n  identity = \"x\"\n}", "f.hcl:2:6: not a path below"},
		"unit pattern":       {"identity \"x\" {}\nunit \"a[\" {\n  identity = \"x\"\n}", "f.hcl:2:6: not a pattern"},
		"repair, not a bool": {"cluster \"a\" {\n  repair_after_apply = \"yes\"\n}", "f.hcl:2:24: not a truth value"},
		"repair, null":       {"cluster \"a\" {\n  repair_after_apply = null\n}", "f.hcl:2:24: not a truth value"},
		"repair, anywhere":   {"cluster \"*\" {\n  repair_after_apply = true\n}", "f.hcl:2:3: no cluster is named: repair_after_apply needs a name"},
		"repair, of one":     {"cluster \"?*\" {\n  repair_after_apply = true\n}", "f.hcl:2:3: no cluster is named"},
		"repair, of a run":   {"run {\n  repair_after_apply = true\n}", "f.hcl:2:3"},
		"not a bool":         {"run {\n  allow_other_credentials = \"x\"\n}", "f.hcl:2:29: not a truth value"},
	} {
		_, err := config.Parse("f.hcl", []byte(row.in))
		var e *cure.Error
		if !errors.As(err, &e) || e.Class != cure.Usage || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "^") {
			t.Errorf("%s: %v\nwant %s", name, err, row.want)
		}
	}
}

// TestWhichClustersABlockCovers: by name, account and region, each alone.
func TestWhichClustersABlockCovers(t *testing.T) {
	const one, two = "111111111111", "222222222222"
	block := func(rest string) string { return "cluster \"prod-*\" {\n" + rest + "\n}" }
	for text, covered := range map[string][]string{
		block(``):                        {"prod-a " + one + " eu-west-1", "prod-b " + two + " eu-central-1"},
		block(`regions = ["eu-west-1"]`): {"prod-a " + one + " eu-west-1"},
		block(`role = "arn:aws:iam::` + two + `:role/ops"`):                               {"prod-b " + two + " eu-central-1"},
		block("role = \"arn:aws:iam::{account}:role/ops\"\naccounts = [\"" + one + "\"]"): {"prod-a " + one + " eu-west-1"},
		"cluster \"prod-b\" {}": {"prod-b " + two + " eu-central-1"},
	} {
		f, err := config.Parse("f.hcl", []byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, where := range []string{"prod-a " + one + " eu-west-1", "prod-b " + two + " eu-central-1", "dev-a " + one + " eu-west-1"} {
			if w := strings.Fields(where); f.Clusters[0].Covers(w[0], w[1], w[2]) {
				got = append(got, where)
			}
		}
		if !slices.Equal(got, covered) || f.Clusters[0].RepairAfterApply != nil {
			t.Errorf("%s covers %v, want %v", text, got, covered)
		}
	}
}

func TestFindStopsAtTheRepository(t *testing.T) {
	root := t.TempDir()
	repo, deep, user := filepath.Join(root, "repo"), filepath.Join(root, "repo", "a", "b"), filepath.Join(root, "xdg")
	for _, dir := range []string{filepath.Join(repo, ".git"), deep, filepath.Join(user, "holdfast")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	put := func(dir string) string {
		path := filepath.Join(dir, config.Name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	find := func(want string) {
		t.Helper()
		if got, err := config.Find(deep, user); got != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	put(root) // outside of the repository: not ours
	find("")
	find2 := put(filepath.Join(user, "holdfast"))
	find(find2)
	find(put(repo))
	find(put(deep))
}

func TestEachSource(t *testing.T) {
	for text, want := range map[string]config.Identity{
		`from = "github"`:             {From: config.GitHub},
		`audience = "x"`:              {From: config.GitHub, Audience: "x"},
		`token_variable = "T"`:        {From: config.GitLab, TokenVariable: "T"},
		`from = "pod_identity"`:       {From: config.PodIdentity},
		`command = ["get", "x"]`:      {From: config.Command, Command: []string{"get", "x"}},
		`command = ["./get"]`:         {From: config.Command, Command: []string{"etc/./get"}},
		`command = ["/bin/get", "x"]`: {From: config.Command, Command: []string{"/bin/get", "x"}},
		`token_file = "t"`:            {From: config.TokenFile, TokenFile: "etc/t"},
		`from = "environment"`:        {From: config.Environment},
		``:                            {From: config.Auto},
	} {
		f, err := config.Parse("etc/f.hcl", []byte("identity \"a\" {\n"+text+"\n}"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := f.Identities[0]
		if got.From != want.From || got.Audience != want.Audience || got.TokenVariable != want.TokenVariable || got.TokenFile != want.TokenFile || !slices.Equal(got.Command, want.Command) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(_ *testing.T, src []byte) { _, _ = config.Parse("f.hcl", src) })
}

package code

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lines shows clients as a reviewer would write them down.
func lines(clients []Client) []string {
	var out []string
	for _, c := range clients {
		out = append(out, fmt.Sprintf("%s %s", c.Range, c.Title()))
		for _, s := range c.Settings {
			value := "an expression"
			switch {
			case s.Blank:
				value = "blank"
			case s.Secret && s.Known:
				value = "a secret"
			case s.Known:
				value = strings.Join(s.Values, ", ")
			}
			out = append(out, fmt.Sprintf("  %d:%d %s = %s", s.Range.Line, s.Range.Column, s.Name, value))
		}
	}
	return out
}

func check(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const native = `terraform {
  required_version = ">= 1.5"
  backend "s3" {
    bucket                   = "state"
    profile                  = "p"
    shared_credentials_files = ["a", "~/b"]
    assume_role = {
      role_arn = "arn:aws:iam::111111111111:role/x"
    }
  }
}
provider "aws" {
  region     = var.region
  access_key = "AKIAhunter2"
  secret_key = "hunter2"
  token      = null
  default_tags { tags = { a = "b" } }
}
provider "aws" {
  alias = "web"
  assume_role_with_web_identity {
    role_arn                = "arn:aws:iam::111111111111:role/x"
    web_identity_token      = "hunter2"
    web_identity_token_file = ""
  }
}
provider "google" {}
data "terraform_remote_state" "net" {
  backend = "s3"
  config = {
    bucket  = "state"
    profile = local.p
    secret_key = "hunter2"
  }
}
data "terraform_remote_state" "other" {
  backend = "gcs"
}
`

func TestParseNative(t *testing.T) {
	c := Parse("main.tf", []byte(native))
	check(t, lines(c.Clients), []string{
		`main.tf:3:3 backend "s3"`,
		"  5:5 profile = p",
		"  6:5 shared_credentials_files = a, ~/b",
		"  8:7 assume_role.role_arn = arn:aws:iam::111111111111:role/x",
		`main.tf:12:1 provider "aws"`,
		"  13:3 region = an expression",
		"  14:3 access_key = a secret",
		"  15:3 secret_key = a secret",
		"  16:3 token = blank",
		`main.tf:19:1 provider "aws" (alias web)`,
		"  22:5 assume_role_with_web_identity.role_arn = arn:aws:iam::111111111111:role/x",
		"  23:5 assume_role_with_web_identity.web_identity_token = a secret",
		"  24:5 assume_role_with_web_identity.web_identity_token_file = blank",
		`main.tf:28:1 data "terraform_remote_state" "net"`,
		"  32:5 profile = an expression",
		"  33:5 secret_key = a secret",
	})
	if text := fmt.Sprintf("%+v %#v", c, c); strings.Contains(text, "hunter2") {
		t.Errorf("a secret shows: %s", text)
	}
	if len(c.Problems) > 0 {
		t.Errorf("problems: %v", c.Problems)
	}
}

func TestParseJSON(t *testing.T) {
	c := Parse("main.tf.json", []byte(`{
  "terraform": {"backend": {"s3": {"profile": "p", "access_key": "hunter2"}}},
  "provider": {"aws": [{"profile": "${var.p}"}, {"alias": "b", "assume_role": {"role_arn": "r"}}]}
}`))
	check(t, lines(c.Clients), []string{
		`main.tf.json:2:35 backend "s3"`,
		"  2:36 profile = p",
		"  2:52 access_key = a secret",
		`main.tf.json:3:23 provider "aws"`,
		"  3:25 profile = an expression",
		`main.tf.json:3:23 provider "aws" (alias b)`,
		"  3:80 assume_role.role_arn = r",
	})
}

func TestWhatCannotBeReadIsAProblem(t *testing.T) {
	c := Parse("bad.tf", []byte("provider \"aws\" {\n  profile = \"a\n  secret_key = \"hunter2\"\n}\n"))
	if len(c.Problems) == 0 || c.Problems[0].Range.Line != 2 {
		t.Fatalf("problems: %+v", c.Problems)
	}
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, "hunter2") {
		t.Errorf("a secret shows: %s", text)
	}
}

func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	dir := lay(t, map[string]string{
		"main.tf":           "provider \"aws\" {\n  profile = \"a\"\n  region = \"r\"\n}\nterraform {\n  backend \"s3\" { profile = \"a\" }\n}\nmodule \"m\" { source = \"./m\" }\nmodule \"r\" { source = \"./m\" }\n",
		"main_override.tf":  "provider \"aws\" {\n  profile = \"over\"\n}\nterraform {\n  backend \"s3\" {}\n}\n",
		"twin.tf":           "provider \"aws\" {\n  alias = \"terraform\"\n}\n",
		"twin.tofu":         "provider \"aws\" {\n  alias = \"tofu\"\n}\n",
		".hidden.tf":        "provider \"aws\" { alias = \"hidden\" }",
		"m/main.tf":         "provider \"aws\" {\n  alias = \"inside\"\n}\nmodule \"back\" { source = \"../\" }\n",
		"unrelated/main.tf": "provider \"aws\" { alias = \"unrelated\" }",
	})
	for engine, twin := range map[Engine]string{Terraform: "terraform", OpenTofu: "tofu"} {
		c, err := Read(dir, engine)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range lines(c.Clients) {
			got = append(got, strings.TrimPrefix(line, dir+string(filepath.Separator)))
		}
		file := map[string]string{"terraform": "twin.tf", "tofu": "twin.tofu"}[twin]
		check(t, got, []string{
			"m/main.tf:1:1 provider \"aws\" (alias inside)",
			"main.tf:1:1 provider \"aws\"",
			"  3:3 region = r",
			"  2:3 profile = over",
			"main_override.tf:5:3 backend \"s3\"",
			file + ":1:1 provider \"aws\" (alias " + twin + ")",
		})
	}
	if _, err := Read(filepath.Join(dir, "nowhere"), Terraform); err == nil {
		t.Error("a directory that isn't there is read without an error")
	}
}

func TestAMissingLocalModuleIsAProblem(t *testing.T) {
	dir := lay(t, map[string]string{"main.tf": `module "m" { source = "./nowhere" }`})
	c, err := Read(dir, Terraform)
	if err != nil || len(c.Problems) != 1 {
		t.Errorf("got %+v, %v", c.Problems, err)
	}
}

func TestReadInitialised(t *testing.T) {
	dir := lay(t, map[string]string{
		"s3/terraform.tfstate": `{"version":3,"backend":{"type":"s3","config":{"access_key":"AKIAhunter2","secret_key":"hunter2",
			"profile":"p","shared_config_files":["a","b"],"token":null,"assume_role":[{"role_arn":"r"}],"bucket":"state"}}}`,
		"local/terraform.tfstate":  `{"version":3,"backend":{"type":"local","config":{}}}`,
		"broken/terraform.tfstate": `{"backend":{"type":"s3","config":{"secret_key":hunter2}}}`,
	})
	c, ok, err := ReadInitialised(filepath.Join(dir, "s3"))
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	check(t, lines([]Client{c})[1:], []string{
		"  0:0 access_key = a secret",
		"  0:0 assume_role.role_arn = r",
		"  0:0 profile = p",
		"  0:0 secret_key = a secret",
		"  0:0 shared_config_files = a, b",
		"  0:0 token = blank",
	})
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, "hunter2") {
		t.Errorf("a secret shows: %s", text)
	}
	for _, name := range []string{"local", "nowhere"} {
		if _, ok, err := ReadInitialised(filepath.Join(dir, name)); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if _, _, err := ReadInitialised(filepath.Join(dir, "broken")); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("broken: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("main.tf", []byte(native))
	f.Add("main.tf.json", []byte(`{"provider":{"aws":[{"profile":"x","assume_role":[{"role_arn":1}]}]},"data":{"terraform_remote_state":{"a":{"backend":"s3","config":{"profile":[null]}}}}}`))
	f.Fuzz(func(t *testing.T, name string, src []byte) {
		for _, c := range Parse(name, src).Clients {
			for _, s := range c.Settings {
				if s.Secret && len(s.Values) > 0 {
					t.Fatalf("a secret is kept: %s", s.Name)
				}
			}
		}
		_, _, _ = ParseInitialised(name, src)
	})
}

package app

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast/holdfast/internal/precedence"
)

func savedPlan(t *testing.T, name, inside, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	w, err := z.Create(inside)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestKeysInASavedPlan(t *testing.T) {
	with := savedPlan(t, "plan.out", "tfplan", "\x0abackend\x00AKIAIOSFODNN7EXAMPLE\x00")
	without := savedPlan(t, "plan.out", "tfplan", "backend AKIA")
	other := savedPlan(t, "x.zip", "something", "AKIAIOSFODNN7EXAMPLE")
	for _, row := range []struct {
		command []string
		found   bool
	}{
		{[]string{"tofu", "apply", with}, true},
		{[]string{"tofu", "-chdir=" + filepath.Dir(with), "apply", "plan.out"}, true},
		{[]string{"tofu", "apply", without}, false}, {[]string{"tofu", "apply", other}, false},
		{[]string{"tofu", "apply"}, false}, {[]string{"tofu", "apply", "-auto-approve"}, false},
		{[]string{"tofu", "plan", with}, false}, {[]string{"tofu", "apply", "/none"}, false}, {nil, false},
	} {
		if got := planKeys(row.command); (got != "") != row.found {
			t.Errorf("%q: %q", row.command, got)
		}
	}
}

func TestTheWrapperIsThere(t *testing.T) {
	dir := t.TempDir()
	env := precedence.Env{"TERRAFORM_CLI_PATH": dir}
	if got := wrapper(env); got != "" {
		t.Errorf("terraform_wrapper: false has no terraform-bin: %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "terraform-bin"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := wrapper(env); got != filepath.Join(dir, "terraform-bin") {
		t.Errorf("%q", got)
	}
}

func TestWhichRoleTerragruntAssumes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "terragrunt.hcl"), []byte("iam_role = local.role\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := Process{Dir: dir}
	for _, row := range []struct {
		command    []string
		env        precedence.Env
		arn, where string
	}{
		{[]string{"terragrunt", "apply"}, precedence.Env{}, "the role of iam_role", "terragrunt.hcl:1:1"},
		{[]string{"terragrunt", "apply"}, precedence.Env{"TG_IAM_ASSUME_ROLE": "b"}, "b", "TG_IAM_ASSUME_ROLE"},
		{[]string{"terragrunt", "apply", "--iam-assume-role", "c"}, precedence.Env{"TG_IAM_ASSUME_ROLE": "b"}, "c", "--iam-assume-role"},
		{[]string{"terraform", "apply"}, precedence.Env{"TG_IAM_ASSUME_ROLE": "b"}, "", ""},
	} {
		place, unseen := surroundingPlace(row.command, p, row.env)
		if place.Role.ARN != row.arn || place.Role.Where != row.where || len(unseen) > 0 {
			t.Errorf("%q: %+v, %q", row.command, place.Role, unseen)
		}
	}
}

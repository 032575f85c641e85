package tfexec

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]Version{
		`{"terraform_version":"1.12.6"}`:                              {1, 12, 6},
		`{"terraform_version":"1.13.0-dev","platform":"x"}`:           {1, 13, 0},
		"Warning: no such file\n\n{\"terraform_version\": \"1.5.7\"}": {1, 5, 7},
	} {
		if got, err := parseVersion([]byte(in)); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "OpenTofu v1.12.6", "{", `{"terraform_version":"new"}`, `{"terraform_version":"1.2"}`, `{"terraform_version":"1.x.2"}`} {
		if got, err := parseVersion([]byte(in)); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
	if (Version{1, 11, 9}).AtLeast(1, 12) || !(Version{1, 12, 0}).AtLeast(1, 12) || !(Version{2, 0, 0}).AtLeast(1, 12) {
		t.Error("versions don't compare")
	}
}

func TestAskVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tofu")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n[ \"$1 $2\" = 'version -json' ] && echo '{\"terraform_version\":\"1.12.6\"}'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if v, err := AskVersion(t.Context(), path, os.Environ()); err != nil || v != (Version{1, 12, 6}) {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := AskVersion(t.Context(), path+"-not-there", nil); err == nil {
		t.Error("a version of nothing")
	}
}

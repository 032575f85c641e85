package shim_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/shim"
)

func engine(name string) string {
	for _, e := range []string{"tofu", "terraform"} {
		if strings.HasPrefix(name, e) && !strings.Contains(name, "-docs") {
			return e
		}
	}
	return ""
}

func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const sep = string(os.PathListSeparator)

func TestInstallAndResolve(t *testing.T) {
	one, two := programs(t, "tofu", "terraform-docs", "ls"), programs(t, "tofu", "terraform1.5")
	if err := os.WriteFile(filepath.Join(one, "terraform"), nil, 0o600); err != nil { // not a program
		t.Fatal(err)
	}
	links := t.TempDir()
	before := shim.Env{"PATH": one + sep + "/nowhere" + sep + two, "OTHER": "x", "TERRAGRUNT_TFPATH": "/opt/wrapper.sh"}
	env, names, err := shim.Install(links, "/opt/holdfast", before, engine)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if !reflect.DeepEqual(names, []string{"terraform1.5", "tofu"}) {
		t.Errorf("links for %q", names)
	}
	if to, err := os.Readlink(filepath.Join(links, "tofu")); err != nil || to != "/opt/holdfast" {
		t.Errorf("%s, %v", to, err)
	}
	if env["PATH"] != links+sep+before["PATH"] || env["TG_TF_PATH"] != "" || env["TERRAGRUNT_TFPATH"] != "/opt/wrapper.sh" {
		t.Errorf("%v", env)
	}
	env["PATH"] = links + sep + env["PATH"] + sep + links + "/" // somebody put it there again
	real, err := shim.Resolve("tofu", env)
	if err != nil || real.Name != "tofu" {
		t.Fatal(real, err)
	}
	delete(real.Env, shim.EnvDepth)
	if !reflect.DeepEqual(real.Env, before) {
		t.Errorf("the real one sees %v\nbefore: %v", real.Env, before)
	}
}

func TestPathThatTerragruntWasTold(t *testing.T) {
	bin := programs(t, "tofu", "terraform")
	for _, variable := range []string{"TG_TF_PATH", "TERRAGRUNT_TFPATH"} {
		links := t.TempDir()
		before := shim.Env{"PATH": bin, variable: "/opt/1.5/terraform1.5"}
		env, _, err := shim.Install(links, "/opt/holdfast", before, engine)
		if err != nil || env[variable] != filepath.Join(links, "terraform1.5") {
			t.Fatalf("%v, %v", env, err)
		}
		for link, want := range map[string]string{"terraform1.5": "/opt/1.5/terraform1.5", "terraform": "terraform", "tofu": "tofu"} {
			real, err := shim.Resolve(link, env)
			if err != nil || real.Name != want || real.Env[variable] != "/opt/1.5/terraform1.5" {
				t.Errorf("%s: %+v, %v", link, real, err)
			}
		}
	}
}

func TestLoopIsNoticed(t *testing.T) {
	links := t.TempDir()
	env, _, err := shim.Install(links, "/opt/holdfast", shim.Env{"PATH": programs(t, "tofu")}, engine)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		real, err := shim.Resolve("tofu", env)
		if err != nil {
			if n < 2 || !strings.Contains(err.Error(), "again and again") {
				t.Errorf("after %d: %v", n, err)
			}
			return
		}
		// Something on the way sets PATH and our variables anew.
		env[shim.EnvDepth] = real.Env[shim.EnvDepth]
	}
	t.Error("ten links above, and on it goes")
}

func TestLinkWithoutARunAbove(t *testing.T) {
	if _, err := shim.Resolve("tofu", shim.Env{"PATH": "/bin"}); err == nil {
		t.Error("a link stands for something though nobody made it")
	}
}

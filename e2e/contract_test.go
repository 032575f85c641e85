package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// recorder is a tofu that writes down how it was called.
const recorder = `#!/bin/sh
case "$1" in
-version | version) echo "OpenTofu v1.12.6" ;;
esac
{
	echo "args $*"
	echo "dir $(pwd)"
	env | grep -E '^(AWS_|TG_TEST_)' | sort
	echo
} >>"$E2E_CALLS"
`

// TestTerragruntContract is what holdfast takes for granted of Terragrunt. The
// stand-in of these tests has to keep it; with HOLDFAST_TERRAGRUNT set, a real
// one has to as well (make test-terragrunt).
func TestTerragruntContract(t *testing.T) {
	t.Run("stand-in", func(t *testing.T) { contract(t, "") })
	if real := os.Getenv("HOLDFAST_TERRAGRUNT"); real != "" {
		t.Run(real, func(t *testing.T) { contract(t, real) })
	}
}

// call is one call of the recorder.
type call struct {
	args, dir string
	env       map[string]string
}

func contract(t *testing.T, real string) {
	w := worldOf(t, fleetOf(t))
	if real == "" {
		w.play("terragrunt")
	} else {
		w.must(os.Symlink(real, filepath.Join(w.dir, "bin", "terragrunt")))
	}
	tofu := filepath.Join(w.dir, "bin", "tofu")
	w.must(os.Remove(tofu))
	w.must(os.WriteFile(tofu, []byte(recorder), 0o700))
	w.must(os.Mkdir(filepath.Join(w.dir, "unit"), 0o700))
	w.write("unit/main.tf", "")
	run := func(hcl string, more map[string]string) []call {
		w.write("unit/terragrunt.hcl", hcl)
		file := filepath.Join(w.dir, "calls")
		_ = os.Remove(file) // of the run before
		env := w.pod("")
		env["E2E_CALLS"], env["TG_NON_INTERACTIVE"], env["TG_TF_PATH"] = file, "true", tofu
		for name, value := range more {
			env[name] = value
		}
		w.succeed(env, "terragrunt", "run", "--all", "apply")
		return w.calls(file)
	}

	t.Run("a role", func(t *testing.T) {
		calls := run("iam_role = \""+roleARN+"a\"\n", nil)
		seen := map[string]bool{}
		for _, c := range calls {
			verb, _, _ := strings.Cut(c.args, " ")
			seen[verb] = true
			if verb == "-version" {
				if c.env["AWS_ACCESS_KEY_ID"] != "" {
					t.Errorf("-version has keys")
				}
				continue
			}
			if !regexp.MustCompile(`/unit/\.terragrunt-cache/[^/]+/[^/]+$`).MatchString(c.dir) {
				t.Errorf("%s runs in %s", c.args, c.dir)
			}
			if c.env["AWS_ACCESS_KEY_ID"] == "" || c.env["AWS_SESSION_TOKEN"] == "" || c.env["AWS_SECURITY_TOKEN"] != c.env["AWS_SESSION_TOKEN"] {
				t.Errorf("%s hasn't the keys of a role", c.args)
			}
			if c.env["AWS_WEB_IDENTITY_TOKEN_FILE"] == "" {
				t.Errorf("%s: something was taken out of its environment", c.args)
			}
		}
		for _, verb := range []string{"-version", "init", "apply"} {
			if !seen[verb] {
				t.Errorf("never called with %s: %+v", verb, calls)
			}
		}
	})

	t.Run("variables of an auth provider", func(t *testing.T) {
		provider := filepath.Join(w.dir, "provider.sh")
		w.must(os.WriteFile(provider, []byte("#!/bin/sh\necho '{\"envs\":{\"TG_TEST_UNIT\":\"'$(basename $(pwd))'\",\"AWS_ROLE_ARN\":\"\"}}'\n"), 0o700))
		for _, c := range run("", map[string]string{"TG_AUTH_PROVIDER_CMD": provider}) {
			if verb, _, _ := strings.Cut(c.args, " "); verb != "init" && verb != "apply" {
				continue
			}
			if blank, set := c.env["AWS_ROLE_ARN"]; c.env["TG_TEST_UNIT"] != "unit" || !set || blank != "" || c.env["AWS_ACCESS_KEY_ID"] != "" {
				t.Errorf("%s: %v", c.args, c.env)
			}
		}
	})

	t.Run("render", func(t *testing.T) {
		w.write("unit/terragrunt.hcl", "iam_role = \""+roleARN+"teams/b\"\n")
		cmd := w.command(w.pod(""), "terragrunt", "render", "--format", "json")
		cmd.Dir = filepath.Join(w.dir, "unit")
		out, err := cmd.Output()
		var unit struct {
			Role string `json:"iam_role"`
		}
		if err != nil || json.Unmarshal(out[strings.IndexByte(string(out), '{'):], &unit) != nil || unit.Role != roleARN+"teams/b" {
			t.Errorf("%s, %v", out, err)
		}
	})
}

func (w *world) calls(file string) []call {
	w.t.Helper()
	b, err := os.ReadFile(file)
	w.must(err)
	var all []call
	for _, part := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		c := call{env: map[string]string{}}
		for _, line := range strings.Split(part, "\n") {
			switch {
			case strings.HasPrefix(line, "args "):
				c.args = strings.TrimPrefix(line, "args ")
			case strings.HasPrefix(line, "dir "):
				c.dir = strings.TrimPrefix(line, "dir ")
			default:
				name, value, _ := strings.Cut(line, "=")
				c.env[name] = value
			}
		}
		all = append(all, c)
	}
	return all
}

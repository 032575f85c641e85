package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
)

// fleet is a world of a CI role and three roles that trust it, all with
// sessions of ten seconds, whatever length is asked for.
const fleet = `
account "111111111111" {
  oidc {
    audiences = ["sts.amazonaws.com"]
  }
  role "ci" {
    session = "10s"
    trust {
      web_identity = true
    }
  }
  role "a" {
    session = "10s"
    trust {
      principals = ["arn:aws:iam::111111111111:role/ci"]
    }
  }
  role "b" {
    path    = "/teams/"
    session = "10s"
    trust {
      principals = ["arn:aws:iam::111111111111:role/ci"]
    }
  }
  role "c" {
    session = "10s"
    trust {
      principals = ["arn:aws:iam::111111111111:role/ci"]
    }
  }
  bucket "holdfast-state" {}
  table "holdfast-locks" {}
}
`

const roleARN = "arn:aws:iam::111111111111:role/"

// grove is a directory of Terragrunt units over real OpenTofu, twelve of them:
// four for each role. The roles of a and b stand in the units' own files, c's in
// a unit block of holdfast.hcl besides.
func grove(t *testing.T) (*world, map[string]string) {
	t.Helper()
	w := worldOf(t, fleetOf(t))
	w.play("terragrunt")
	roleOf := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		role := roleARN + name
		if name == "b" {
			role = roleARN + "teams/b"
		}
		for n := range 4 {
			unit := fmt.Sprintf("live/%s/unit-%d", name, n)
			roleOf[unit] = name
			w.must(os.MkdirAll(filepath.Join(w.dir, unit), 0o700))
			w.write(unit+"/terragrunt.hcl", fmt.Sprintf("iam_role = %q\n", role))
			w.write(unit+"/main.tf", strings.Replace(code("use_lockfile = true", 24*time.Second), stateKey, unit+"/terraform.tfstate", 1))
		}
	}
	w.write("holdfast.hcl", fmt.Sprintf("identity \"charlie\" {\n  from = \"irsa\"\n  role %q {}\n}\nidentity \"ci\" {\n  from = \"irsa\"\n}\nunit \"live/c/**\" {\n  identity = \"charlie\"\n}\n", roleARN+"c"))
	return w, roleOf
}

func fleetOf(t *testing.T) lab.Options {
	t.Helper()
	parsed, err := lab.ParseWorld([]byte(fleet), "fleet.hcl")
	if err != nil {
		t.Fatal(err)
	}
	return lab.Options{World: parsed}
}

// play puts a program into the world's PATH that is this test binary.
func (w *world) play(name string) {
	w.t.Helper()
	exe, err := os.Executable()
	w.must(err)
	path := filepath.Join(w.dir, "bin", name)
	if _, err := os.Lstat(path); err == nil {
		w.must(os.Remove(path))
	}
	w.must(os.Symlink(exe, path))
}

func TestTerragruntUnitsOutliveTheirKeys(t *testing.T) {
	t.Parallel()
	w, roleOf := grove(t)
	env := w.pod("")

	w.succeed(env, "holdfast", "run", "--identity", "ci", "--report", "report.json", "--", "terragrunt", "run", "--all", "apply")
	r := w.report()
	if len(r.Processes) != 24 {
		t.Errorf("%d processes registered, want init and apply of 12 units", len(r.Processes))
	}
	written := map[string]string{} // the role that wrote a unit's state
	for _, c := range w.lab.Calls() {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "terraform.tfstate") && c.Status == 200 {
			unit := strings.TrimSuffix(c.Key, "/terraform.tfstate")
			if !strings.Contains(c.Principal, ":assumed-role/"+roleOf[unit]+"/holdfast-alice-") {
				t.Errorf("%s was written by %s, want role %s of holdfast's", unit, c.Principal, roleOf[unit])
			}
			written[unit] = c.Principal
		}
	}
	if len(written) != 12 {
		t.Errorf("%d units wrote their state", len(written))
	}
	if refused := w.refusedForExpiry(); len(refused) > 0 {
		t.Errorf("refused for expiry: %+v", refused)
	}
	exchanges, last := map[string]int{}, map[string]time.Time{}
	for _, c := range w.lab.Calls() {
		if c.Operation == "AssumeRole" && strings.Contains(c.Principal, "/holdfast-alice-") && c.Status == 200 {
			exchanges[c.Role]++
			last[c.Role] = c.Time
		}
	}
	ended := r.Began.Add(time.Duration(r.Seconds * float64(time.Second)))
	for _, other := range r.Others {
		hop := other.Hops[len(other.Hops)-1]
		// One for the first credential, and the one that Terragrunt made itself.
		// An attempt that was given up because the answer took too long, as it
		// may on a machine this busy, has still reached the lab; so has one that
		// was under way when the run ended.
		least, more := hop.Renewals+2, hop.Failures
		if last[hop.RoleARN].After(ended.Add(-time.Second)) {
			more++
		}
		if n := exchanges[hop.RoleARN]; n < least || n > least+more || hop.Renewals < 2 {
			t.Errorf("%s: %d exchanges, %d renewals, %d attempts given up", hop.RoleARN, n, hop.Renewals, hop.Failures)
		}
		delete(exchanges, hop.RoleARN)
	}
	if len(r.Others) != 3 || len(exchanges) != 0 {
		t.Errorf("%d identities beside the run's own; exchanges that belong to none: %v", len(r.Others), exchanges)
	}
}

// TestTerragruntUnitsDieWithoutUs is what the test above is about, so that it
// can't pass for another reason.
func TestTerragruntUnitsDieWithoutUs(t *testing.T) {
	t.Parallel()
	w, _ := grove(t)
	env := w.pod("")
	out, exit := w.output(env, "terragrunt", "run", "--all", "apply")
	if exit == 0 || !strings.Contains(out, "ExpiredToken") {
		t.Errorf("exit %d:\n%s", exit, out)
	}
}

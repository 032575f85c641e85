package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// engine is a script that plays an engine: it adds its own name and version to
// the file of states, and answers what version it is.
const engine = `#!/bin/sh
case "$1" in
-version | version) echo "%[1]s v1.0.0"; exit 0 ;;
apply) echo "%[1]s 1.0.0 PATH-has-links=$(case "$PATH" in *holdfast-*) echo yes ;; *) echo no ;; esac) tg=${TG_TF_PATH:-unset}" >>"$E2E_STATES" ;;
esac
`

// manager is a script like those of asdf, mise, tenv and tfenv: a shim that
// looks PATH up again for the next program of its own name.
const manager = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0")
IFS=:
for dir in $PATH; do
	if [ "$dir" != "$here" ] && [ -x "$dir/$name" ]; then exec "$dir/$name" "$@"; fi
done
echo "no $name" >&2
exit 1
`

// TestEngineIsTheOneWithoutUs: which engine writes the state is never changed by
// holdfast, in whatever way Terragrunt is told.
func TestEngineIsTheOneWithoutUs(t *testing.T) {
	for _, installed := range [][]string{{"tofu"}, {"terraform"}, {"tofu", "terraform"}} {
		for _, told := range []string{"nothing", "binary by name", "binary absolute", "TG_TF_PATH", "TG_TF_PATH by name", "manager"} {
			t.Run(strings.Join(installed, " and ")+", "+told, func(t *testing.T) {
				t.Parallel()
				testEngine(t, installed, told)
			})
		}
	}
}

func testEngine(t *testing.T, installed []string, told string) {
	w := newWorld(t, time.Hour)
	w.must(os.Remove(filepath.Join(w.dir, "bin", "tofu")))
	w.play("terragrunt")
	place := filepath.Join(w.dir, "engines")
	w.must(os.Mkdir(place, 0o700))
	for _, name := range installed {
		w.must(os.WriteFile(filepath.Join(place, name), []byte(fmt.Sprintf(engine, name)), 0o700))
	}
	// Nothing of this machine's own may be found.
	path := []string{filepath.Join(w.dir, "bin"), place, "/usr/bin", "/bin"}
	last := installed[len(installed)-1] // the one that isn't the default where both are there
	hcl := ""
	env := w.pod("")
	switch told {
	case "binary by name":
		hcl = fmt.Sprintf("terraform_binary = %q\n", last)
	case "binary absolute":
		hcl = fmt.Sprintf("terraform_binary = %q\n", filepath.Join(place, last))
	case "TG_TF_PATH":
		env["TG_TF_PATH"] = filepath.Join(place, last)
	case "TG_TF_PATH by name":
		env["TG_TF_PATH"] = last
	case "manager":
		shims := filepath.Join(w.dir, "shims")
		w.must(os.Mkdir(shims, 0o700))
		for _, name := range installed {
			w.must(os.WriteFile(filepath.Join(shims, name), []byte(manager), 0o700))
		}
		path = append([]string{shims}, path...)
	}
	env["PATH"] = strings.Join(path, string(os.PathListSeparator))
	w.must(os.Mkdir(filepath.Join(w.dir, "unit"), 0o700))
	w.write("unit/terragrunt.hcl", hcl)
	run := func(name string, command ...string) (states, said string) {
		file := filepath.Join(w.dir, name)
		env["E2E_STATES"] = file
		said = w.succeed(env, command[0], command[1:]...)
		b, err := os.ReadFile(file)
		w.must(err)
		return string(b), said
	}
	without, _ := run("without", "terragrunt", "run", "--all", "apply")
	with, said := run("with", "holdfast", "run", "--report", "report.json", "--", "terragrunt", "run", "--all", "apply")
	// One that ran unseen inherits the PATH with the links; all others see the
	// environment as it would be without us.
	unseen := told == "binary absolute"
	if unseen {
		with = strings.Replace(with, "PATH-has-links=yes", "PATH-has-links=no", 1)
	}
	if with != without {
		t.Errorf("without holdfast: %swith it: %s", without, with)
	}
	if got := strings.Contains(said, "no terraform or tofu was seen"); got != unseen {
		t.Errorf("said that one ran unseen: %v, want %v\n%s", got, unseen, said)
	}
	if n := len(w.report().Processes); (n == 0) != unseen {
		t.Errorf("%d processes registered", n)
	}
}

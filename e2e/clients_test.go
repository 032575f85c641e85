//go:build clients

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// clients are those in other languages. What is missing is installed; where that
// isn't possible the test fails.
func clients(t *testing.T) []client {
	t.Helper()
	dir, err := filepath.Abs("../clients")
	if err != nil {
		t.Fatal(err)
	}
	install := func(cmd *exec.Cmd) {
		t.Helper()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("NOT LOOKED AT: %v: %v\n%s", cmd.Args, err, out)
		}
	}
	js := filepath.Join(dir, "javascript")
	if _, err := os.Stat(filepath.Join(js, "node_modules", "@aws-sdk", "client-sts")); err != nil {
		install(exec.Command("npm", "ci", "--prefix", js, "--no-audit", "--no-fund"))
	}
	python := "/usr/bin/python3"
	if out, err := exec.Command("python3", "-c", "import botocore, sys; print(sys.executable)").Output(); err == nil {
		python = string(out[:len(out)-1])
	} else if exec.Command(python, "-c", "import botocore").Run() != nil {
		install(exec.Command("apt-get", "install", "-y", "python3-botocore"))
	}
	return []client{
		{"JavaScript SDK", []string{"node", filepath.Join(js, "renewals.mjs"), asks}},
		{"botocore", []string{python, filepath.Join(dir, "python", "renewals.py"), asks}},
	}
}

package archtest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// linked lists the modules that the holdfast binary is made of, on any system
// that it is built for.
func linked(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./cmd/holdfast")
		cmd.Dir, cmd.Env = root, append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range strings.Fields(string(out)) {
			seen[m] = true
		}
	}
	var all []string
	for m := range seen {
		all = append(all, m)
	}
	slices.Sort(all)
	return all
}

// modules compares what is linked with the list: one module a line, and behind
// it the reason.
func modules(list string, linked []string) []complaint {
	const where = "internal/archtest/testdata/modules.txt"
	var all []complaint
	known := map[string]bool{}
	for line := range strings.Lines(list) {
		name, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		known[name] = true
		if len(strings.Fields(reason)) < 3 {
			all = append(all, complaint{where, name + " stands there without a reason", "a reader should know what we get for trusting it"})
		}
		if !slices.Contains(linked, name) {
			all = append(all, complaint{where, name + " isn't linked any more", "take the line out, before it lets the module in again"})
		}
	}
	for _, m := range linked {
		if !known[m] {
			all = append(all, complaint{where, "the holdfast binary links " + m + ", which isn't on the list", `before you add it with its reason, think of
	  start-up: its package variables and init functions run at every start (GODEBUG=inittrace=1 holdfast version; make bench)
	  size:     go build before and after; the goal is 20 MB
	  trust:    it runs in a process that holds credentials; who maintains it, and what does it import itself?
	Could fifty lines of our own, or a smaller module, do it? Could it live in a test or in holdfast-lab instead?`})
		}
	}
	return all
}

func TestModules(t *testing.T) {
	list, err := os.ReadFile("testdata/modules.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range modules(string(list), linked(t)) {
		t.Error(c)
	}
}

func TestModulesCanFail(t *testing.T) {
	list := "# a comment\nexample.com/a  because we need it\nexample.com/b\n"
	got := ""
	for _, c := range modules(list, []string{"example.com/b", "example.com/c"}) {
		got += c.String() + "\n"
	}
	for _, want := range []string{"example.com/a isn't linked", "example.com/b stands there without", "links example.com/c", "start-up"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "example.com/a, which") {
		t.Error("a module on the list was called new")
	}
}

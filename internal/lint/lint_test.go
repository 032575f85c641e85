package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/tf/code"
)

var update = flag.Bool("update", false, "write what is found into the cases")

// lay writes a case's files into a directory, and works from there, so that
// paths are short.
func lay(t *testing.T, archive *txtar.Archive) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, f := range archive.Files {
		if f.Name == "want" || strings.HasPrefix(f.Name, "fixed/") {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// conventions are those of every case: live/dev has suffixes, live/prod names.
func conventions() []Convention {
	return []Convention{
		{Matches: func(dir string) bool { return strings.HasPrefix(dir, "live/dev") }, Name: "dev"},
		{Matches: func(dir string) bool { return strings.HasPrefix(dir, "live/prod") }, Name: "prod", Permanent: true},
	}
}

func look(t *testing.T) (*code.Tree, []Found, string) {
	t.Helper()
	tree, err := code.ReadTree(".", code.OpenTofu, Words())
	if err != nil {
		t.Fatal(err)
	}
	found, unknown := Check(tree, conventions())
	waivers, bad := Waivers(tree)
	plain := make([]finding.Finding, len(found))
	for i, f := range found {
		plain[i] = f.Finding
	}
	plain, _ = finding.Waive(plain, waivers, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
	var b strings.Builder
	for i, f := range plain {
		found[i].Finding = f
		fix := ""
		if f.Fixable {
			fix = " [fix]"
		}
		if f.Waiver != nil {
			fix = " [waived: " + f.Waiver.Reason + "]"
		}
		fmt.Fprintf(&b, "%s %s %s %s: %s%s\n  | %s\n  = %s\n", f.Range, f.Rule, f.Severity, f.Subject, f.Message, fix, strings.TrimSpace(f.Excerpt), f.Cure)
	}
	for _, u := range slices.Concat(unknown, bad) {
		fmt.Fprintf(&b, "unknown: %s: %s\n", u.Subject, u.Why)
	}
	return tree, found, b.String()
}

// TestCases compares what is found, and what --fix makes of it, with what
// stands in the cases.
func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(len(paths), err)
	}
	seen := map[string]int{}
	for _, path := range paths {
		full, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(full)
			if err != nil {
				t.Fatal(err)
			}
			lay(t, archive)
			tree, found, text := look(t)
			for _, f := range found {
				seen[f.Rule]++
			}
			got := map[string]string{"want": text}
			changes, err := Fix(tree, found)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				got["fixed/"+c.Path] = string(c.After)
				if err := os.WriteFile(c.Path, c.After, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			again(t)
			compare(t, full, archive, got)
		})
	}
	for _, r := range Rules() {
		if seen[r.ID] == 0 {
			t.Errorf("no case has %s", r.ID)
		}
	}
}

// again wants nothing to fix after a fix, and no finding that wasn't there.
func again(t *testing.T) {
	t.Helper()
	tree, found, text := look(t)
	changes, err := Fix(tree, found)
	if err != nil || len(changes) > 0 {
		t.Errorf("a second fix changes %d files, %v\n%s", len(changes), err, text)
	}
	for _, f := range found {
		if f.Fixable && f.Waiver == nil {
			t.Errorf("after the fix: %s %s", f.Range, f.Rule)
		}
	}
}

func compare(t *testing.T, path string, archive *txtar.Archive, got map[string]string) {
	t.Helper()
	want := map[string]string{}
	var kept []txtar.File
	for _, f := range archive.Files {
		if f.Name == "want" || strings.HasPrefix(f.Name, "fixed/") {
			want[f.Name] = string(f.Data)
		} else {
			kept = append(kept, f)
		}
	}
	if *update {
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for n := range got {
				if !yield(n) {
					return
				}
			}
		}) {
			kept = append(kept, txtar.File{Name: name, Data: []byte(got[name])})
		}
		archive.Files = kept
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for name := range got {
		if got[name] != want[name] {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got[name], want[name])
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s isn't changed any more", name)
		}
	}
}

// What can't be read for its size, its kind or its letters says so.
func TestUnreadableFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("huge.tf", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate("huge.tf", 17<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", "dangling.tf"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("letters.tf", []byte("resource \"aws_eks_access_entry\" \"a\" {\n  principal_arn = \"\xff\"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, text := look(t)
	for _, want := range []string{"unknown: huge.tf: 17825792 bytes, more than", "unknown: dangling.tf: ", "unknown: letters.tf:2:"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] || seen[r.Name] || r.Title == "" || r.About == "" || r.Cure == "" || !strings.HasPrefix(r.ID, "HF1") || strings.HasSuffix(r.Title, ".") {
			t.Errorf("%+v", r)
		}
		seen[r.ID], seen[r.Name] = true, true
	}
}

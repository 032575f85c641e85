package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocsOfSourcesAreTheScripts: what docs/SOURCES.md tells people to write is,
// letter for letter, what the scripts have tried.
func TestDocsOfSourcesAreTheScripts(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(docs, "SOURCES.md"))
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/script/source_*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var tried strings.Builder
	for _, name := range scripts {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tried.Write(b)
	}
	n := 0
	for _, language := range []string{"hcl", "sh"} {
		for _, block := range strings.Split(string(doc), "```"+language+"\n")[1:] {
			text, _, _ := strings.Cut(block, "```")
			if n++; !strings.Contains(tried.String(), text) {
				t.Errorf("no script tries\n%s", text)
			}
		}
	}
	if n < 8 {
		t.Errorf("%d recipes only", n)
	}
}

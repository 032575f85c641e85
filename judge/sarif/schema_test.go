package sarif

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // its source holds the schema
	"github.com/xeipuuv/gojsonschema"
)

// golden are the logs that internal/view's tests compare with what is written.
const golden = "../../internal/view/testdata/*.sarif"

// schema is the text that go-sarif keeps to itself: it would validate what it
// parsed, without the fields that it doesn't know.
func schema(t *testing.T) *gojsonschema.Schema {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "pkg", "report", "v210", "sarif", "schema.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(src), "`")
	text, _, _ = strings.Cut(text, "`")
	if !strings.Contains(text, "docs.oasis-open.org/sarif/sarif/v2.1.0") {
		t.Fatal("that isn't the schema of SARIF 2.1.0")
	}
	s, err := gojsonschema.NewSchema(gojsonschema.NewStringLoader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func judge(s *gojsonschema.Schema, log []byte) error {
	result, err := s.Validate(gojsonschema.NewBytesLoader(log))
	if err != nil || result.Valid() {
		return err
	}
	return fmt.Errorf("not valid: %v", result.Errors())
}

// Every log that holdfast writes is one of the schema.
func TestLogsFitTheSchema(t *testing.T) {
	paths, err := filepath.Glob(golden)
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d logs, %v", len(paths), err)
	}
	official := schema(t)
	for _, path := range paths {
		log, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := judge(official, log); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The judge can say no.
func TestTheJudgeRefuses(t *testing.T) {
	paths, _ := filepath.Glob(golden)
	official := schema(t)
	for name, change := range map[string]struct{ from, to string }{
		"a level":           {`"level": "error"`, `"level": "terrible"`},
		"an unknown field":  {`"columnKind"`, `"column_kind"`},
		"a line of 0":       {`"startLine": 31`, `"startLine": 0`},
		"a rule without ID": {`"id": "HF131",`, ``},
	} {
		for _, path := range paths {
			if filepath.Base(path) != "findings_one.sarif" {
				continue
			}
			log, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := bytes.ReplaceAll(log, []byte(change.from), []byte(change.to))
			if bytes.Equal(log, bad) {
				t.Fatalf("%s: nothing to change", name)
			}
			if err := judge(official, bad); err == nil || !strings.Contains(err.Error(), "valid") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

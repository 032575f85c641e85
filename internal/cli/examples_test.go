package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"
)

// example is the script command `example NAME`: the commands of a pipeline's
// configuration in examples/, each step in a file of its own: step1.sh, step2.sh.
// What the service does itself (checking out, init, plan) isn't among them.
func example(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: example NAME")
	}
	src, err := os.ReadFile(filepath.Join("..", "..", "examples", args[0]))
	ts.Check(err)
	var steps []string
	if strings.HasSuffix(args[0], ".hcl") {
		steps, err = hooks(src)
	} else {
		var document any
		err = yaml.Unmarshal(src, &document)
		steps = commands(document, "")
	}
	ts.Check(err)
	if len(steps) == 0 {
		ts.Fatalf("%s has no commands", args[0])
	}
	for i, step := range steps {
		ts.Check(os.WriteFile(ts.MkAbs(fmt.Sprintf("step%d.sh", i+1)), []byte(step+"\n"), 0o600))
	}
}

// commands finds what a YAML document runs: under run in a step, or as items of
// lists that are scripts, in their order.
func commands(v any, key string) []string {
	var out []string
	switch v := v.(type) {
	case string:
		switch key {
		case "run", "script", "before_plan", "after_plan", "entry":
			out = append(out, v)
		}
	case []any:
		for _, item := range v {
			out = append(out, commands(item, key)...)
		}
	case map[string]any:
		for _, name := range []string{"workflows", "holdfast", "jobs", "plan", "stack_defaults", "steps", "run", "script", "before_plan", "after_plan", "apply", "entry"} {
			out = append(out, commands(v[name], name)...)
		}
	}
	return out
}

// hooks are the commands of Terragrunt's hooks.
func hooks(src []byte) ([]string, error) {
	file, diags := hclsyntax.ParseConfig(src, "root.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	var out []string
	for _, b := range file.Body.(*hclsyntax.Body).Blocks[0].Body.Blocks {
		a, ok := b.Body.Attributes["execute"]
		if !ok {
			continue
		}
		words, diags := a.Expr.Value(nil)
		if diags.HasErrors() {
			return nil, diags
		}
		var line []string
		for _, w := range words.AsValueSlice() {
			line = append(line, "'"+w.AsString()+"'")
		}
		out = append(out, strings.Join(line, " "))
	}
	return out, nil
}

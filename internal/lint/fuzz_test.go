package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/holdfast/holdfast/internal/tf/code"
)

// FuzzCheck wants no panic and no endless way through whatever somebody calls
// code, no secret in a finding, and fixes that can be read and done once.
func FuzzCheck(f *testing.F) {
	paths, _ := filepath.Glob("testdata/cases/*.txtar")
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name == "main.tf" || file.Name == "main.tf.json" || file.Name == "root.hcl" {
				f.Add(file.Name, file.Data)
			}
		}
	}
	f.Add("main.tf", []byte("locals {\n a = local.b\n b = local.a\n}\nresource \"aws_eks_access_entry\" \"a\" {\n principal_arn = local.a\n}\nmodule \"m\" {\n source = \"./\"\n x = module.m.y\n}\noutput \"y\" {\n value = module.m.y\n}\n"))
	f.Add("main.tf", []byte("resource \"aws_eks_access_entry\" \"a\" {\n principal_arn = \"\xff\"\n}\n"))
	f.Fuzz(func(t *testing.T, name string, src []byte) {
		switch name {
		case "main.tf", "main.tf.json", "root.hcl":
		default:
			return
		}
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		tree, err := code.ReadTree(dir, code.OpenTofu, Words())
		if err != nil {
			t.Fatal(err)
		}
		found, unknown := Check(tree, nil)
		_, _ = Waivers(tree)
		for _, one := range found {
			if one.Rule == "HF110" && strings.Contains(one.Excerpt+one.Message, "hunter2") {
				t.Fatalf("a secret shows: %+v", one)
			}
		}
		if name != "main.tf" || len(unknown) > 0 {
			return
		}
		changes, err := Fix(tree, found)
		if err != nil {
			return // it says so, and does nothing
		}
		for _, c := range changes {
			if _, diags := hclsyntax.ParseConfig(c.After, c.Path, hcl.InitialPos); diags.HasErrors() {
				t.Fatalf("the fix can't be read: %v\n%s", diags, c.After)
			}
		}
	})
}

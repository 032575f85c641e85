package code

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadUnit(t *testing.T) {
	root := t.TempDir()
	unit := filepath.Join(root, "live", "rds")
	if err := os.MkdirAll(unit, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		".git":                    "",
		"root.hcl":                "iam_role = \"arn:aws:iam::111111111111:role/far\"\nterraform_binary = \"/opt/tofu\"\n",
		"live/rds/terragrunt.hcl": "include \"root\" {}\niam_role = \"arn:aws:iam::111111111111:role/near\"\n",
		"live/root.hcl":           "terraform_binary = get_env(\"TOFU\")\n",
	} {
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	u := ReadUnit(unit)
	if len(u.Files) != 3 || u.Role.Value() != "arn:aws:iam::111111111111:role/near" || u.Role.Range.Line != 2 || u.Binary.Known || len(u.Problems) != 0 {
		t.Errorf("%+v", u)
	}
	if err := os.WriteFile(filepath.Join(unit, "terragrunt.hcl"), []byte("iam_role = {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if u := ReadUnit(unit); len(u.Problems) != 1 {
		t.Errorf("a broken file: %+v", u)
	}
	if u := ReadUnit(t.TempDir()); len(u.Files) != 0 || u.Role.Name != "" {
		t.Errorf("nothing there: %+v", u)
	}
}

func TestClusterAuth(t *testing.T) {
	c := Parse("a.tf", []byte("data \"aws_eks_cluster_auth\" \"x\" {\n  name = \"x\"\n}\n"))
	if len(c.ClusterAuth) != 1 || c.ClusterAuth[0].Line != 1 {
		t.Errorf("%+v", c)
	}
}

func FuzzUnit(f *testing.F) {
	f.Add([]byte("iam_role = \"x\"\nterraform_binary = local.y\n"))
	f.Add([]byte("iam_role = {"))
	f.Fuzz(func(t *testing.T, src []byte) {
		var u Unit
		u.add("terragrunt.hcl", src)
		for _, s := range []Setting{u.Role, u.Binary} {
			if s.Name != "" && s.Range.Line == 0 {
				t.Errorf("%q: %s without a place", src, s.Name)
			}
		}
	})
}

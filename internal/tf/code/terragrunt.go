package code

import (
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
)

// Unit is what Terragrunt's files in a directory and above it say, as far as
// credentials go. Files that they include from elsewhere aren't read.
type Unit struct {
	Files    []string
	Role     Setting // iam_role
	Binary   Setting // terraform_binary
	Problems []Problem
}

// ReadUnit reads terragrunt.hcl and root.hcl in dir and in the directories above
// it, up to the repository's root. What is nearer wins, as in an include.
func ReadUnit(dir string) Unit {
	var u Unit
	for {
		for _, name := range []string{"terragrunt.hcl", "root.hcl"} {
			path := filepath.Join(dir, name)
			if src, err := os.ReadFile(path); err == nil {
				u.add(path, src)
			}
		}
		_, err := os.Stat(filepath.Join(dir, ".git"))
		parent := filepath.Dir(dir)
		if err == nil || parent == dir {
			return u
		}
		dir = parent
	}
}

func (u *Unit) add(path string, src []byte) {
	u.Files = append(u.Files, path)
	body, diags := parse(path, src)
	u.Problems = append(u.Problems, problems(path, diags)...)
	if body == nil {
		return
	}
	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "iam_role"}, {Name: "terraform_binary"}}})
	for name, to := range map[string]*Setting{"iam_role": &u.Role, "terraform_binary": &u.Binary} {
		if attr, ok := content.Attributes[name]; ok && to.Name == "" {
			*to = setting(name, attr.Expr, attr.Range)
		}
	}
}

package code

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEncryption(t *testing.T) {
	for name, row := range map[string]struct {
		files map[string]string
		want  []string
		fails bool
	}{
		"none":                  {files: map[string]string{"main.tf": "terraform {}\n", "terraform.tfvars": "a = 1\n"}},
		"a literal":             {files: map[string]string{"state.tf": "terraform {\n encryption {\n }\n}", "main.tf": `variable "a" {}`, "terraform.tfvars": ""}, want: []string{"state.tf"}},
		"a variable":            {files: map[string]string{"state.tf": "terraform {\n encryption {\n  x = var.key\n }\n}", "v.tf": `variable "key" {}`, "w.tf": `variable "other" {}`}, want: []string{"state.tf", "v.tf"}},
		"its value":             {files: map[string]string{"state.tf": "terraform {\n encryption {\n  x = var.key\n }\n}\nvariable \"key\" {}", "terraform.tfvars": "key = 1", "a.auto.tfvars.json": "{}", "b.tfvars": ""}, want: []string{"state.tf", "terraform.tfvars", "a.auto.tfvars.json"}},
		"a local of a variable": {files: map[string]string{"state.tf": "terraform {\n encryption {\n  x = local.key\n }\n}", "l.tf": "locals {\n key = var.a\n}", "v.tf": `variable "a" {}`}, want: []string{"state.tf", "l.tf", "v.tf"}},
		"locals in a circle":    {files: map[string]string{"state.tf": "terraform {\n encryption {\n  x = local.a\n }\n}", "l.tf": "locals {\n a = local.b\n}", "m.tf": "locals {\n b = local.a\n}"}, want: []string{"state.tf", "l.tf", "m.tf"}},
		"two blocks":            {files: map[string]string{"a.tf": "terraform {\n encryption {\n }\n}", "b_override.tf": "terraform {\n encryption {\n }\n}"}, want: []string{"a.tf", "b_override.tf"}},
		"JSON":                  {files: map[string]string{"s.tf.json": `{"terraform":{"encryption":{"key_provider":{"pbkdf2":{"k":{"passphrase":"${var.p}"}}}}}}`, "v.tf.json": `{"variable":{"p":{}}}`}, want: []string{"s.tf.json", "v.tf.json"}},
		"OpenTofu's own":        {files: map[string]string{"s.tofu": "terraform {\n encryption {\n }\n}", "s.tf": "terraform {}"}, want: []string{"s.tofu"}},
		"what can't be read":    {files: map[string]string{"s.tf": "terraform {\n encryption {"}, fails: true},
		"a word in a comment":   {files: map[string]string{"s.tf": "# encryption\n"}},
		"no code at all":        {},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range row.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Encryption(dir, OpenTofu)
			for i := range got {
				got[i] = filepath.Base(got[i])
			}
			if !slices.Equal(got, row.want) || (err != nil) != row.fails {
				t.Errorf("%v, %v; want %v, error %v", got, err, row.want, row.fails)
			}
		})
	}
}

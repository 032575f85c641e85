package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast/holdfast/internal/tf/code"
)

// credentials looks at a provider or a terraform block.
func (l *linter) credentials(b *code.Block) {
	if b.Type == "terraform" {
		for _, inner := range b.Inner("backend") {
			if len(inner.Labels) == 1 && inner.Labels[0] == "s3" {
				l.client(inner, `backend "s3"`)
			}
		}
		return
	}
	if b.Labels[0] != "aws" {
		return
	}
	l.client(b, `provider "aws"`)
	for _, r := range b.Inner("assume_role") {
		if r.Arg("role_arn").Set() && r.Arg("duration") == nil {
			f := l.find("HF148", b, r.Range, "without a duration the provider's session lasts 15 minutes, and is renewed at its very end", `ask for an hour:  duration = "1h"`)
			if len(b.Inner("assume_role")) == 1 {
				f.fix(b, code.Edit{Inner: "assume_role", Name: "duration", Value: `"1h"`})
			}
		}
	}
}

// client looks for keys and tokens that nobody renews.
func (l *linter) client(b *code.Block, title string) {
	for _, name := range []string{"access_key", "secret_key", "token"} {
		if a := b.Arg(name); a.Set() {
			l.secret("HF110", b, a, name+" in "+title+" freezes its credentials: nobody can renew them", "take it out; whatever holdfast run gives is renewed")
		}
	}
	for _, r := range b.Inner("assume_role_with_web_identity") {
		if a := r.Arg("web_identity_token"); a.Set() {
			l.secret("HF110", b, a, "an inline web identity token in "+title+" ends, and can't be read again", "name the file:  web_identity_token_file = …")
		}
	}
	if a := b.Arg("assume_role_with_web_identity"); a != nil {
		for _, item := range a.Items() {
			if item.Name == "web_identity_token" {
				l.secret("HF110", b, item, "an inline web identity token in "+title+" ends, and can't be read again", "name the file:  web_identity_token_file = …")
			}
		}
	}
}

// secret is a finding whose line isn't shown.
func (l *linter) secret(id string, b *code.Block, a *code.Arg, message, cure string) {
	f := l.find(id, b, a.Range, message, cure)
	f.Range.EndLine, f.Range.EndColumn = f.Range.Line, f.Range.Column+len(a.Name)
	f.Excerpt = strings.Repeat(" ", max(a.Range.Column-1, 0)) + a.Name + " = (not shown)"
}

// eksModule reports whether a call is of a module for EKS clusters, as
// terraform-aws-modules/eks is.
func eksModule(b *code.Block) bool {
	source, _ := b.Arg("source").Text()
	return strings.Contains(strings.ToLower(source), "eks")
}

// call looks at what is given to a module that makes entries and node groups.
func (l *linter) call(b *code.Block) {
	if !eksModule(b) {
		return
	}
	for _, item := range b.Arg("access_entries").Items() {
		if strings.HasSuffix(item.Name, ".principal_arn") && strings.Count(item.Name, ".") == 1 {
			l.principal(item, b)
		}
	}
	for _, name := range []string{"eks_managed_node_groups", "eks_managed_node_group_defaults", "fargate_profiles", "fargate_profile_defaults"} {
		for _, item := range b.Arg(name).Items() {
			l.moduleNodes(b, name, item)
		}
	}
}

func (l *linter) moduleNodes(b *code.Block, name string, item *code.Arg) {
	last := item.Name[strings.LastIndexByte(item.Name, '.')+1:]
	switch last {
	case "iam_role_use_name_prefix":
		if item.False() {
			l.find("HF147", b, item.Range, "this role comes back under its old name, and nobody owns the entry that EKS makes for it",
				"leave the prefix on:  iam_role_use_name_prefix = true", name+" of the module makes a role, and EKS an entry that no state knows")
		}
	case "iam_role_arn":
		role := l.roleOf(item)
		if role == nil || l.entryFor(role) != nil {
			return
		}
		if role.Module.Vendored {
			return
		}
		if fixed, ok := fixedName(role); ok {
			l.find("HF140", b, item.Range, fmt.Sprintf("nobody owns the entry that EKS makes for role %q: it locks the role out when it is made again", fixed),
				"own it: aws_eks_access_entry with principal_arn = "+role.Address()+".arn, imported once", "the role is "+where(role))
		}
	}
}

// terragrunt looks at one of Terragrunt's files.
func (l *linter) terragrunt(m *code.Module) {
	state, errors := false, false
	for _, b := range m.Blocks {
		switch b.Type {
		case "remote_state":
			state = true
		case "errors":
			errors = true
		case "terraform":
			for _, x := range b.Inner("extra_arguments") {
				l.extra(x)
			}
		case "":
			l.settings(b)
			state = state || b.Arg("remote_state") != nil
		}
	}
	file := m.Files[0]
	if state && !errors {
		b := &code.Block{File: file, Module: m, Range: code.Range{File: file.Path, Line: 1, Column: 1}}
		l.find("HF154", b, b.Range, "no errors block: a throttled or refused call ends the whole run", "retry what passes:  errors { retry \"transient\" { … } }")
	}
	l.script(file)
}

// settings looks at arguments at the top of a Terragrunt file.
func (l *linter) settings(b *code.Block) {
	if a := b.Arg("iam_role"); a.Set() {
		l.find("HF151", b, a.Range, "Terragrunt assumes this role once and hands on keys that nobody renews", "leave it, and run it under holdfast:  holdfast run -- terragrunt apply")
	}
	if a := b.Arg("iam_assume_role_duration"); a != nil {
		n, err := strconv.Atoi(a.Source())
		switch {
		case err != nil:
		case n > 43200 || n < 900:
			l.find("HF152", b, a.Range, fmt.Sprintf("%d seconds: STS takes 900 to 43200", n), "ask for what the role allows:  iam_assume_role_duration = 3600")
		case n > 3600:
			l.find("HF152", b, a.Range, fmt.Sprintf("%d seconds: from another role's session STS gives an hour at the most, and refuses more", n), "ask for an hour, and let holdfast renew:  iam_assume_role_duration = 3600").Severity = "warning"
		}
	}
}

// extra looks at what Terragrunt adds to Terraform's command line and
// environment.
func (l *linter) extra(b *code.Block) {
	keys := []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
	for _, item := range b.Arg("env_vars").Items() {
		if slices.Contains(keys, item.Name) {
			l.secret("HF153", b, item, "keys in extra_arguments win over everything, and nobody renews them", "take them out; whatever holdfast run gives is renewed")
		}
	}
	if a := b.Arg("arguments"); a != nil {
		for _, key := range []string{"access_key=", "secret_key=", "token="} {
			if strings.Contains(a.Source(), "backend-config="+key) {
				l.secret("HF153", b, a, "-backend-config="+key+"… is written down by init, and nobody renews it", "take it out")
				break
			}
		}
	}
}

// script looks for the key that Terragrunt doesn't know in what prints
// credentials for it
// (https://terragrunt.gruntwork.io/docs/features/authentication/).
func (l *linter) script(f *code.File) {
	text := string(f.Src)
	if !strings.Contains(text, "sessionName") || !strings.Contains(text, "roleARN") {
		return
	}
	for i, line := range strings.Split(text, "\n") {
		at := strings.Index(line, "sessionName")
		if at < 0 {
			continue
		}
		b := &code.Block{Type: "", File: f, Labels: nil}
		column := len([]rune(line[:at])) + 1
		l.find("HF155", b, code.Range{File: f.Path, Line: i + 1, Column: column, EndLine: i + 1, EndColumn: column + len("sessionName")},
			"Terragrunt doesn't know sessionName, and makes a name of its own each time", "it is called roleSessionName")
	}
}

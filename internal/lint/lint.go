// Package lint (logic) looks at code for what package gate would find in its
// plans: access entries that won't follow their roles, node groups whose entry
// nobody owns, names that come back, and credentials that freeze.
//
// It promises a place in a file with every finding, that no finding shows a
// secret, and edits only where the code leaves no doubt.
//
// It evaluates as far as text, variables, locals and local modules go, and says
// nothing where it can't tell: an entry for a role that is made elsewhere isn't
// wrong.
package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// Words are what makes a directory worth parsing.
func Words() []string {
	return []string{"aws_eks_", "aws_iam_role", "aws_iam_user", `"aws"`, "backend", "eks"}
}

// Convention is how roles are named in some directories.
type Convention struct {
	Matches   func(dir string) bool
	Name      string // of the environment
	Permanent bool   // a fixed name that stays; else a suffix that never comes again
}

// Found is a finding and how it can be fixed.
type Found struct {
	finding.Finding
	Edits map[string][]code.Edit // by file; empty where the cure needs a person
}

// Check gives what is wrong with a tree of code, and what of it couldn't be
// looked at.
func Check(t *code.Tree, conventions []Convention) ([]Found, []finding.Unknown) {
	l := &linter{tree: t, conventions: conventions, seen: map[string]bool{}}
	for _, m := range t.Modules {
		for _, b := range m.Blocks {
			if b.Is("aws_iam_role") || b.Is("aws_iam_user") {
				l.roles = append(l.roles, b)
			}
		}
		l.entries = append(l.entries, m.Of("aws_eks_access_entry")...)
	}
	for _, m := range t.Modules {
		if m.Vendored {
			continue
		}
		for _, b := range m.Blocks {
			l.block(b)
		}
	}
	for _, m := range t.Terragrunt {
		l.terragrunt(m)
	}
	for _, f := range t.Scripts {
		l.script(f)
	}
	slices.SortStableFunc(l.found, func(a, b Found) int { return cmp.Or(a.Range.Compare(b.Range), cmp.Compare(a.Rule, b.Rule)) })
	var unknown []finding.Unknown
	for _, p := range t.Problems {
		unknown = append(unknown, finding.Unknown{Subject: p.Range.String(), Why: p.Message})
	}
	return l.found, unknown
}

type linter struct {
	tree        *code.Tree
	conventions []Convention
	roles       []*code.Block // and users
	entries     []*code.Block
	found       []Found
	seen        map[string]bool
}

func (l *linter) block(b *code.Block) {
	switch {
	case b.Is("aws_eks_access_entry"):
		l.principal(b.Arg("principal_arn"), b)
		l.lifecycle(b)
		l.nodeEntry(b)
	case b.Is("aws_eks_access_policy_association"):
		l.association(b)
		l.lifecycle(b)
	case b.Is("aws_eks_node_group"):
		l.nodes(b, b.Arg("node_role_arn"), nodeType(b))
		l.lifecycle(b)
	case b.Is("aws_eks_fargate_profile"):
		l.nodes(b, b.Arg("pod_execution_role_arn"), "FARGATE_LINUX")
		l.lifecycle(b)
	case b.Is("aws_iam_role"):
		l.lifecycle(b)
		l.named(b)
	case b.Is("data.aws_eks_cluster_auth"):
		l.find("HF111", b, b.Range, "this token for the cluster ends after a quarter of an hour, whatever uses it",
			"let the provider ask:  exec { command = \"holdfast\", args = [\"eks-token\", CLUSTER] }")
	case b.Type == "module":
		l.call(b)
	case b.Type == "provider", b.Type == "terraform":
		l.credentials(b)
	}
}

// find notes a finding, once for each place.
func (l *linter) find(id string, b *code.Block, at finding.Range, message, cure string, evidence ...string) *Found {
	rule := rule(id)
	key := id + at.String()
	f := Found{Finding: finding.Finding{Rule: id, Severity: rule.Severity, Subject: b.Address(), Message: message, Range: at, Evidence: evidence, Cure: cure}}
	if f.Subject == "" {
		f.Subject = at.File
	}
	f.Excerpt = line(b.File.Src, at.Line)
	if l.seen[key] {
		return &f
	}
	l.seen[key] = true
	l.found = append(l.found, f)
	return &l.found[len(l.found)-1]
}

// fix gives a finding its edit, unless the block is in JSON syntax.
func (f *Found) fix(b *code.Block, edits ...code.Edit) {
	if b.File.JSON() {
		return
	}
	if f.Edits == nil {
		f.Edits = map[string][]code.Edit{}
	}
	for _, e := range edits {
		if e.Append == "" && e.Block == nil {
			e.Block = append([]string{b.Type}, b.Labels...)
			e.Nth = nth(b)
		}
		f.Edits[b.File.Path] = append(f.Edits[b.File.Path], e)
	}
	f.Fixable = true
}

// nth is which of its file's blocks of one name a block is.
func nth(b *code.Block) int {
	n := 0
	for _, o := range b.Module.Blocks {
		if o == b {
			break
		}
		if o.File == b.File && o.Type == b.Type && slices.Equal(o.Labels, b.Labels) {
			n++
		}
	}
	return n
}

// line is a file's n-th line, unless it may hold a secret beside what it is
// shown for: JSON has no end of lines to keep them apart.
func line(src []byte, n int) string {
	for i, text := range strings.SplitAfterN(string(src), "\n", n+1) {
		if i != n-1 {
			continue
		}
		for _, word := range []string{"access_key", "secret", "token", "password", "akia", "asia"} {
			if strings.Contains(strings.ToLower(text), word) {
				return ""
			}
		}
		return strings.TrimRight(text, "\r\n")
	}
	return ""
}

// inReach finds the role or user of an ARN among those that the module's own
// configuration makes.
func (l *linter) inReach(m *code.Module, arn string) *code.Block {
	who, err := cred.ParsePrincipal(arn)
	if err != nil || who.Session != "" {
		return nil
	}
	return l.byName(m, who.Kind, who.Path, who.Name)
}

func (l *linter) byName(m *code.Module, kind, path, name string) *code.Block {
	for _, r := range l.roles {
		if !r.Is("aws_iam_"+kind) || !r.Module.Reaches(m) {
			continue
		}
		own, ok := r.Arg("name").Text()
		in := "/"
		if p, known := r.Arg("path").Text(); known {
			in = p
		}
		if ok && own == name && in == path {
			return r
		}
	}
	return nil
}

// roleOf is the role that an argument names, by reference or by text.
func (l *linter) roleOf(a *code.Arg) *code.Block {
	for _, v := range a.Values() {
		if r := l.roleOfValue(v); r != nil {
			return r
		}
	}
	return nil
}

func (l *linter) roleOfValue(v code.Value) *code.Block {
	switch {
	case v.Resource != nil && v.Resource.Type == "resource" && (v.Resource.Is("aws_iam_role") || v.Resource.Is("aws_iam_user")):
		return v.Resource
	case v.Resource != nil && (v.Resource.Is("data.aws_iam_role") || v.Resource.Is("data.aws_iam_user")):
		kind := strings.TrimPrefix(v.Resource.Labels[0], "aws_iam_")
		argument := map[string]string{"role": "name", "user": "user_name"}[kind]
		for _, n := range v.Resource.Arg(argument).Values() {
			switch {
			case n.Known:
				return l.byName(v.Resource.Module, kind, "/", n.Text)
			case n.Resource != nil && n.Resource.Is("aws_iam_"+kind):
				return n.Resource
			}
		}
	case v.Known:
		return l.inReach(v.Chain[0].Block.Module, v.Text)
	}
	return nil
}

// many reports whether a block stands for several resources, so that a reference
// needs an index that nobody can guess.
func many(b *code.Block) bool { return b.Arg("count") != nil || b.Arg("for_each") != nil }

// expression is how code in a module refers to a role's ARN, if it can: the
// resource itself, or an output of a module that is called there.
func (l *linter) expression(m *code.Module, role *code.Block) (string, bool) {
	if many(role) {
		return role.Address() + "[…].arn", false
	}
	if role.Module == m {
		return role.Address() + ".arn", true
	}
	for _, call := range m.Blocks {
		if call.Type != "module" || many(call) {
			continue
		}
		for _, o := range l.outputs(call) {
			for _, v := range o.Arg("value").Values() {
				if v.Resource == role && v.Attr == "arn" {
					return "module." + call.Labels[0] + "." + o.Labels[0], true
				}
			}
		}
	}
	return role.Address() + ".arn, by way of an output of its module", false
}

func (l *linter) outputs(call *code.Block) []*code.Block {
	callee := call.Module.Called(call)
	if callee == nil {
		return nil
	}
	var out []*code.Block
	for _, b := range callee.Blocks {
		if b.Type == "output" {
			out = append(out, b)
		}
	}
	return out
}

func fixedName(role *code.Block) (string, bool) {
	name, ok := role.Arg("name").Text()
	return name, ok && name != ""
}

func where(b *code.Block) string { return fmt.Sprintf("%s, %s", b.Address(), b.Range) }

package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/tf/code"
)

// nodeType is the type of entry that a node group's nodes need.
func nodeType(b *code.Block) string {
	if ami, _ := b.Arg("ami_type").Text(); strings.HasPrefix(ami, "WINDOWS") {
		return "EC2_WINDOWS"
	}
	return "EC2_LINUX"
}

// nodes looks at a node group or Fargate profile: EKS makes an entry for its
// role, and nobody takes it away.
func (l *linter) nodes(b *code.Block, a *code.Arg, kind string) {
	role := l.roleOf(a)
	if role == nil {
		return
	}
	l.shared(b, role)
	entry := l.entryFor(role)
	name, fixed := fixedName(role)
	switch {
	case entry != nil:
		l.order(b, entry)
	case fixed:
		f := l.find("HF140", b, b.Range, fmt.Sprintf("nobody owns the entry that EKS makes for role %q: it locks the role out when it is made again", name),
			"own it, and import it once where the cluster exists:  tofu import aws_eks_access_entry."+b.Labels[1]+" CLUSTER:ROLE_ARN",
			"the role is "+where(role))
		l.own(f, b, role, kind)
	}
}

// entryFor is the entry that the code has for a role.
func (l *linter) entryFor(role *code.Block) *code.Block {
	for _, e := range l.entries {
		if e.Module.Reaches(role.Module) && l.roleOf(e.Arg("principal_arn")) == role {
			return e
		}
	}
	return nil
}

// own writes the entry, where nothing has to be guessed.
func (l *linter) own(f *Found, b, role *code.Block, kind string) {
	cluster := b.Arg("cluster_name").Source()
	taken := slices.ContainsFunc(b.Module.Blocks, func(o *code.Block) bool { return o.Address() == "aws_eks_access_entry."+b.Labels[1] })
	principal, ok := l.expression(b.Module, role)
	if cluster == "" || taken || many(b) || !ok || b.File.JSON() {
		return
	}
	f.fix(b, code.Edit{Append: fmt.Sprintf(`# EKS makes this entry by itself if it is missing, and never takes it away. Import
# it once where the cluster exists already.
resource "aws_eks_access_entry" %q {
  cluster_name  = %s
  principal_arn = %s
  type          = %q
}
`, b.Labels[1], cluster, principal, kind)}, l.after(b, "aws_eks_access_entry."+b.Labels[1]))
}

// after adds to a block's depends_on.
func (l *linter) after(b *code.Block, address string) code.Edit {
	all := append(b.Arg("depends_on").References(), address)
	return code.Edit{Name: "depends_on", Value: "[" + strings.Join(all, ", ") + "]"}
}

// order looks at who comes first: EKS makes an entry of its own if the node
// group is there before the code's entry, which then gets 409.
func (l *linter) order(b, entry *code.Block) {
	refs := slices.Clone(b.Arg("depends_on").References())
	for _, name := range []string{"node_role_arn", "pod_execution_role_arn"} {
		refs = append(refs, b.Arg(name).References()...)
	}
	waits := slices.ContainsFunc(refs, func(r string) bool {
		return r == entry.Address() || strings.HasPrefix(r, entry.Address()+".")
	})
	late := slices.ContainsFunc(entry.Arg("depends_on").References(), func(r string) bool { return r == b.Address() })
	switch {
	case late && entry.Module == b.Module:
		l.find("HF141", entry, entry.Arg("depends_on").Range, "the entry waits for the nodes that need it: EKS makes one of its own by then, and answers 409",
			"turn it round: depends_on = ["+entry.Address()+"] in "+b.Address())
	case !waits && entry.Module == b.Module:
		f := l.find("HF141", b, b.Range, "nothing makes these nodes wait for their entry: EKS makes one of its own first, and answers 409",
			"wait for it:  depends_on = ["+entry.Address()+"]", "the entry is "+where(entry))
		if !many(entry) {
			f.fix(b, l.after(b, entry.Address()))
		}
	}
}

// nodeEntry looks at an entry whose role is a node group's.
func (l *linter) nodeEntry(e *code.Block) {
	kind, known := e.Arg("type").Text()
	if e.Arg("type") == nil {
		kind, known = "STANDARD", true
	}
	if !known {
		return
	}
	if role := l.roleOf(e.Arg("principal_arn")); role != nil {
		for _, m := range l.tree.Modules {
			for _, b := range m.Blocks {
				if want := l.wants(b, role); want != "" && want != kind {
					f := l.find("HF142", e, head(e, "type"), fmt.Sprintf("type %s lets no node in, and %s runs as this role", kind, b.Address()), fmt.Sprintf("give it the type that fits:  type = %q", want))
					f.fix(e, code.Edit{Name: "type", Value: `"` + want + `"`})
				}
			}
		}
	}
	if slices.Contains([]string{"EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX"}, kind) {
		l.onlyNodes(e, kind)
	}
}

// onlyNodes looks for what EKS refuses to nodes' entries
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
func (l *linter) onlyNodes(e *code.Block, kind string) {
	if a := e.Arg("kubernetes_groups"); a.Set() {
		l.find("HF143", e, a.Range, "EKS refuses groups for an entry of type "+kind, "take them out: nodes have system:nodes by themselves")
	}
	for _, m := range l.tree.Modules {
		for _, a := range m.Of("aws_eks_access_policy_association") {
			p := a.Arg("principal_arn")
			for _, v := range p.Values() {
				if slices.ContainsFunc(v.Chain, func(c *code.Arg) bool { return c.Block == e }) {
					l.find("HF143", a, p.Value, "EKS refuses an access policy for an entry of type "+kind, "take the association out", "the entry is "+where(e))
				}
			}
		}
	}
}

// wants is the type of entry that a block needs for a role, "" if it doesn't run
// as it.
func (l *linter) wants(b, role *code.Block) string {
	switch {
	case !b.Module.Reaches(role.Module):
	case b.Is("aws_eks_node_group") && l.roleOf(b.Arg("node_role_arn")) == role:
		return nodeType(b)
	case b.Is("aws_eks_fargate_profile") && l.roleOf(b.Arg("pod_execution_role_arn")) == role:
		return "FARGATE_LINUX"
	}
	return ""
}

func head(b *code.Block, name string) code.Range {
	if a := b.Arg(name); a != nil {
		return a.Range
	}
	return b.Range
}

// shared looks at a role that nodes and people have.
func (l *linter) shared(b, role *code.Block) {
	a := role.Arg("assume_role_policy")
	people := false
	for _, v := range a.Values() {
		if v.Known {
			people = people || strings.Contains(v.Text, `"AWS"`)
		}
		if v.Resource == nil || !v.Resource.Is("data.aws_iam_policy_document") {
			continue
		}
		for _, s := range v.Resource.Inner("statement") {
			for _, p := range s.Inner("principals") {
				kind, _ := p.Arg("type").Text()
				people = people || kind == "AWS"
			}
		}
	}
	if people && a.Block.Module == role.Module {
		l.find("HF146", role, a.Range, "nodes and others share this role: whoever has it is a node of the cluster", "give the nodes a role of their own", b.Address()+" runs as it, "+b.Range.String())
	}
}

// named looks at a role's name by the convention of its directory.
func (l *linter) named(role *code.Block) {
	for _, c := range l.conventions {
		if !c.Matches(role.Module.Dir) {
			continue
		}
		name, fixed := fixedName(role)
		switch {
		case !c.Permanent && fixed:
			l.find("HF144", role, role.Arg("name").Range, fmt.Sprintf("role %q comes back under this name in %s, and whatever kept its ID won't know it", name, c.Name),
				fmt.Sprintf("let AWS make the name:  name_prefix = %q", name+"-"))
		case c.Permanent && role.Arg("name") == nil:
			l.find("HF145", role, head(role, "name_prefix"), "roles in "+c.Name+" are permanent, and this one has another name each time it is made", "give it a name of its own:  name = …")
		}
		return
	}
}

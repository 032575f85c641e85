package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// principal looks at an argument that names an entry's principal. The block is
// the entry, or the module call that will make one.
func (l *linter) principal(a *code.Arg, b *code.Block) {
	for _, v := range a.Values() {
		at, b := v.Chain[0].Value, b
		if len(v.Chain) > 1 && v.Last().Block.Type == "module" {
			at, b = v.Last().Value, v.Last().Block // the caller wrote it
		}
		switch role := l.roleOfValue(v); {
		case v.Known && refused(v.Text) != "":
			l.find("HF133", b, at, "EKS refuses this principal: "+refused(v.Text), "name a role or a user")
		case v.Resource != nil && v.Resource.Is("data.aws_caller_identity") && v.Attr == "arn":
			l.find("HF133", b, at, "this is a session's ARN wherever a role runs Terraform, and EKS refuses it",
				"use the role behind it:  data.aws_iam_session_context.….issuer_arn")
		case role == nil || v.Resource == role:
		case v.Resource != nil:
			l.unbound("HF132", b, v, at, role, "this reads the role that the same code makes: the entry stays when it is made again")
		case l.triggered(v.Chain[0].Block, role):
			l.find("HF136", b, at, "the trigger binds this entry, except to a role that somebody else deleted: Terraform doesn't count a creation",
				"a reference covers that too:  principal_arn = "+role.Address()+".arn", where(role))
		default:
			l.unbound("HF131", b, v, at, role, fmt.Sprintf("this entry will stay bound to the old %s when %s is made again", strings.TrimPrefix(role.Labels[0], "aws_iam_"), role.Address()))
		}
	}
}

// unbound is an entry that names its role so that it won't follow. It is fixed
// where the nearest argument can refer to the role.
func (l *linter) unbound(id string, b *code.Block, v code.Value, at code.Range, role *code.Block, message string) {
	expression, _ := l.expression(b.Module, role)
	f := l.find(id, b, at, message, "name the resource:  principal_arn = "+expression, "the role is "+where(role))
	for _, a := range v.Chain {
		if a == nil || a.Block.Type != "resource" && a.Block.Type != "module" || strings.Contains(a.Name, ".") || a.Block.Is("data.aws_iam_role") {
			continue
		}
		if expression, ok := l.expression(a.Block.Module, role); ok && a.Block.Arg(a.Name) == a {
			f.fix(a.Block, code.Edit{Name: a.Name, Value: expression})
			f.Cure = "name the resource:  " + a.Name + " = " + expression
			return
		}
	}
}

// refused says why EKS takes no entry for a principal
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
func refused(arn string) string {
	who, err := cred.ParsePrincipal(arn)
	switch {
	case err != nil:
		return ""
	case who.Kind == "root":
		return "it is the account's root"
	case who.Session != "":
		return "it is a session, not a role"
	case strings.HasPrefix(who.Path, "/aws-service-role/"):
		return "it is a service-linked role, whose entries EKS makes itself"
	}
	return ""
}

// triggered reports whether a block's lifecycle replaces it with a role.
func (l *linter) triggered(b *code.Block, role *code.Block) bool {
	for _, c := range b.Inner("lifecycle") {
		for _, ref := range c.Arg("replace_triggered_by").References() {
			rest, ok := strings.CutPrefix(ref, role.Address())
			if ok && role.Module == b.Module && (rest == "" || strings.HasPrefix(rest, ".") && role.Arg(rest[1:]) == nil) {
				return true
			}
		}
	}
	return false
}

// association looks at a policy's association: it has to go and come with its
// entry.
func (l *linter) association(b *code.Block) {
	a := b.Arg("principal_arn")
	for _, v := range a.Values() {
		if !v.Known || v.Chain[0] != a {
			continue
		}
		through := slices.ContainsFunc(v.Chain, func(c *code.Arg) bool { return c.Block.Is("aws_eks_access_entry") })
		entry := l.entryOf(b.Module, v)
		switch role := l.inReach(b.Module, v.Text); {
		case through || len(b.Inner("lifecycle")) > 0 && (role != nil && l.triggered(b, role) || entry != nil && l.triggered(b, entry)):
		case entry != nil:
			f := l.find("HF137", b, a.Value, "this policy is lost when its entry is replaced, and comes back with the next apply only",
				"follow the entry:  principal_arn = "+entry.Address()+".principal_arn", "the entry is "+where(entry))
			if entry.Module == b.Module && !many(entry) {
				f.fix(b, code.Edit{Name: "principal_arn", Value: entry.Address() + ".principal_arn"})
			}
		case role != nil:
			l.unbound("HF131", b, v, a.Value, role, "this policy is lost when "+role.Address()+" is made again")
		}
	}
}

// entryOf is the entry for the same principal.
func (l *linter) entryOf(m *code.Module, v code.Value) *code.Block {
	for _, e := range l.entries {
		if !e.Module.Reaches(m) {
			continue
		}
		for _, w := range e.Arg("principal_arn").Values() {
			role := l.roleOfValue(w)
			if w.Known && w.Text == v.Text || role != nil && role == l.roleOfValue(v) {
				return e
			}
		}
	}
	return nil
}

// lifecycle looks at what does nothing, and at what does harm.
func (l *linter) lifecycle(b *code.Block) {
	entry := b.Is("aws_eks_access_entry") || b.Is("aws_eks_access_policy_association")
	for _, c := range b.Inner("lifecycle") {
		if a := c.Arg("prevent_destroy"); a.False() {
			f := l.find("HF135", b, a.Range, "prevent_destroy = false is the default: it does nothing, and binds nothing", "take it out; what binds is a reference to the role")
			f.remove(b, a)
		}
		if a := c.Arg("create_before_destroy"); a.True() {
			l.createFirst(b, a, entry)
		}
		if a := c.Arg("ignore_changes"); entry && slices.Contains(a.References(), "principal_arn") {
			l.find("HF135", b, a.Range, "a change of the principal is ignored, so the entry never follows its role", "take principal_arn out of ignore_changes")
		}
		l.trigger(b, c.Arg("replace_triggered_by"))
	}
}

// remove takes an argument out of a lifecycle, unless somebody wrote a comment
// above it, which would go too.
func (f *Found) remove(b *code.Block, a *code.Arg) {
	above := strings.TrimSpace(line(b.File.Src, a.Range.Line-1))
	if !strings.HasPrefix(above, "#") && !strings.HasPrefix(above, "//") && !strings.HasSuffix(above, "*/") {
		f.fix(b, code.Edit{Inner: "lifecycle", Name: a.Name})
	}
}

func (l *linter) createFirst(b *code.Block, a *code.Arg, entry bool) {
	name, fixed := fixedName(b)
	switch {
	case entry:
		f := l.find("HF139", b, a.Range, "the new one can't be made while the old one is there: EKS answers 409", "take create_before_destroy out")
		f.remove(b, a)
	case b.Is("aws_iam_role") && fixed:
		l.find("HF139", b, a.Range, fmt.Sprintf("a second role %q can't be made while the first is there: IAM answers EntityAlreadyExists", name), "take create_before_destroy out, or let AWS make the name: name_prefix")
	}
}

// trigger looks at references that never change when a role is made again.
func (l *linter) trigger(b *code.Block, a *code.Arg) {
	if a == nil || !(b.Is("aws_eks_access_entry") || b.Is("aws_eks_access_policy_association")) {
		return
	}
	var right []string
	wrong := ""
	for _, ref := range a.References() {
		parts := strings.Split(ref, ".")
		if len(parts) == 3 && parts[0] == "aws_iam_role" && slices.Contains([]string{"name", "path", "name_prefix", "assume_role_policy", "description", "tags", "max_session_duration"}, parts[2]) {
			wrong = ref
			parts[2] = "unique_id"
		}
		right = append(right, strings.Join(parts, "."))
	}
	if wrong == "" {
		return
	}
	list := "[" + strings.Join(right, ", ") + "]"
	f := l.find("HF138", b, a.Range, wrong+" is the same when the role is made again, so this triggers nothing", "what changes is its ID:  replace_triggered_by = "+list)
	if !strings.Contains(strings.Trim(a.Source(), "[] \n\t"), "[") {
		f.fix(b, code.Edit{Inner: "lifecycle", Name: a.Name, Value: list})
	}
}

package plan

import (
	"slices"
	"strings"
)

// configured is what the code says of a watched resource.
type configured struct {
	module     string // the prefix of its addresses: "", module.m.
	provider   string // the key of its provider block
	references map[string][]string
	after      []string // depends_on
}

// Written reports whether the code has the resource, and an expression that
// refers to something for this argument of it.
func (p *Plan) Written(address, argument string) (resource, refers bool) {
	c, ok := p.code[Bare(address)]
	return ok, len(c.references[argument]) > 0
}

// Provider is the key of a resource's provider block, "" if the code doesn't
// have the resource any more.
func (p *Plan) Provider(address string) string { return p.code[Bare(address)].provider }

// Named follows an argument's references, through variables, outputs of modules
// and access entries, to the roles and users that it names. An address has an
// index where the reference has one. Opaque says that a way ended before it came
// to a resource: at a local, an each.value or a data source.
func (p *Plan) Named(address, argument string) (principals []string, opaque bool) {
	c := p.code[Bare(address)]
	w := walk{plan: p, seen: map[string]bool{}}
	w.follow(c.module, c.references[argument])
	slices.Sort(w.found)
	return slices.Compact(w.found), w.opaque
}

// After reports whether a resource comes after another one by its references or
// its depends_on. What a lifecycle block says isn't in a plan.
func (p *Plan) After(address, other string) bool {
	c := p.code[Bare(address)]
	want := Bare(other)
	for _, ref := range c.after {
		if at := c.module + Bare(ref); at == want || strings.HasPrefix(want, at+".") {
			return true
		}
	}
	for argument := range c.references {
		found, _ := p.Named(address, argument)
		if slices.ContainsFunc(found, func(f string) bool { return Bare(f) == want }) {
			return true
		}
	}
	return false
}

type walk struct {
	plan   *Plan
	seen   map[string]bool
	found  []string
	opaque bool
}

// follow goes through references as a plan has them: aws_iam_role.a[0].arn, then
// aws_iam_role.a[0], then aws_iam_role.a. The longest of a group says most.
func (w *walk) follow(module string, refs []string) {
	last := ""
	for _, ref := range refs {
		if last != "" && strings.HasPrefix(last, ref) {
			continue
		}
		last = ref
		if key := module + " " + ref; !w.seen[key] {
			w.seen[key] = true
			w.step(module, ref)
		}
	}
}

func (w *walk) step(module, ref string) {
	kind, rest, _ := strings.Cut(ref, ".")
	switch kind {
	case "aws_iam_role", "aws_iam_user":
		w.found = append(w.found, module+kind+"."+withoutAttribute(rest))
	case "aws_eks_access_entry":
		w.follow(module, w.plan.code[Bare(module+kind+"."+withoutAttribute(rest))].references["principal_arn"])
	case "var":
		refs, ok := w.plan.inputs[module+ref]
		if !ok {
			w.opaque = w.opaque || module != ""
			return
		}
		w.follow(parent(module), refs)
	case "module":
		call, output, _ := strings.Cut(Bare(rest), ".")
		output, _, _ = strings.Cut(output, ".")
		inner := module + "module." + call + "."
		refs, ok := w.plan.outputs[inner+output]
		w.opaque = w.opaque || !ok
		w.follow(inner, refs)
	case "local", "each", "data":
		w.opaque = true
	}
}

// withoutAttribute keeps the name and the index of name["i"].arn.
func withoutAttribute(rest string) string {
	quoted := false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			return rest[:i]
		}
	}
	return rest
}

// parent is the prefix of the module that calls: module.a.module.b. to module.a.
func parent(module string) string {
	i := strings.LastIndex(strings.TrimSuffix(module, "."), "module.")
	return module[:max(i, 0)]
}

// Means reports whether a reference, which may lack indexes, can mean the
// resource at an address.
func Means(reference, address string) bool {
	written := Index(reference)
	return Bare(reference) == Bare(address) && (written == "" || written == Index(address))
}

// Index is the instance key at the end of an address, brackets included, or "".
func Index(address string) string {
	start, quoted := -1, false
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			start = i
		case c == '.':
			start = -1
		}
	}
	if start < 0 {
		return ""
	}
	return address[start:]
}

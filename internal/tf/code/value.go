package code

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// AnyAccount stands in texts where the account is the caller's, which code
// doesn't say.
const AnyAccount = "000000000000"

// maxSteps is how many locals, variables and outputs are followed in a row, and
// budget how many in all for one argument: cyclic code is no code, but it is text
// that somebody may have.
const maxSteps, budget = 20, 2000

// Value is what an argument is, as far as the code tells.
type Value struct {
	Text     string // it is this text before any apply
	Known    bool   // Text counts
	Resource *Block // a resource whose computed attribute it is, or a data source
	Attr     string // that attribute
	Chain    []*Arg // the arguments that lead to it, the first one first
}

// Last is the argument in which the value is written.
func (v Value) Last() *Arg { return v.Chain[len(v.Chain)-1] }

// Values are what an argument is: one value for every way in which its module is
// called. An argument that can't be told has a Value with nothing in it.
func (a *Arg) Values() []Value {
	if a == nil {
		return nil
	}
	if t := a.Block.Module.tree; t != nil {
		t.left = budget
	}
	return resolve(a, nil)
}

// Text is the argument's value if it is one text, whoever calls.
func (a *Arg) Text() (string, bool) {
	text, known := "", false
	for i, v := range a.Values() {
		if !v.Known || i > 0 && v.Text != text {
			return "", false
		}
		text, known = v.Text, true
	}
	return text, known
}

// literal is a text that is written as such.
func (a *Arg) literal() (string, bool) {
	if a == nil {
		return "", false
	}
	v, ok := literal(a.expr)
	if !ok || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// False reports whether the argument is the literal false.
func (a *Arg) False() bool { return a.is(cty.False) }

// True reports whether the argument is the literal true.
func (a *Arg) True() bool { return a.is(cty.True) }

func (a *Arg) is(want cty.Value) bool {
	if a == nil {
		return false
	}
	v, ok := literal(a.expr)
	return ok && v.RawEquals(want)
}

// Set reports whether the argument sets anything: an expression, or a literal
// that isn't null or empty.
func (a *Arg) Set() bool {
	if a == nil {
		return false
	}
	s := setting(a.Name, a.expr, hcl.Range{})
	return !s.Blank
}

// References are what the argument refers to, as it is written:
// aws_iam_role.node.arn. Indexes are left out.
func (a *Arg) References() []string {
	if a == nil {
		return nil
	}
	var out []string
	for _, t := range a.expr.Variables() {
		out = append(out, strings.Join(names(t), "."))
	}
	return out
}

// Source is the expression as it is written.
func (a *Arg) Source() string {
	if a == nil {
		return ""
	}
	r := a.expr.Range()
	if !r.CanSliceBytes(a.Block.File.Src) {
		return ""
	}
	return string(r.SliceBytes(a.Block.File.Src))
}

// Items are the arguments of the object, or of each object of the map, that an
// argument is written as: their keys joined by dots.
func (a *Arg) Items() []*Arg {
	if a == nil {
		return nil
	}
	return items(a, a.expr, "", 0)
}

func items(a *Arg, expr hcl.Expression, prefix string, depth int) []*Arg {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() || depth > 6 {
		return nil
	}
	var out []*Arg
	for _, p := range pairs {
		name, ok := key(p.Key)
		if !ok {
			name = "*"
		}
		one := &Arg{Name: prefix + name, Range: ranged(hcl.RangeBetween(p.Key.Range(), p.Value.Range())), Value: ranged(p.Value.Range()), Block: a.Block, expr: p.Value}
		out = append(out, one)
		out = append(out, items(a, p.Value, one.Name+".", depth+1)...)
	}
	return out
}

func names(t hcl.Traversal) []string {
	var out []string
	for _, step := range t {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			out = append(out, s.Name)
		case hcl.TraverseAttr:
			out = append(out, s.Name)
		}
	}
	return out
}

func resolve(a *Arg, chain []*Arg) []Value {
	chain = append(chain[:len(chain):len(chain)], a)
	t := a.Block.Module.tree
	if t == nil || len(chain) > maxSteps || t.left <= 0 {
		return []Value{{Chain: chain}}
	}
	t.left--
	if way, diags := hcl.AbsTraversalForExpr(a.expr); !diags.HasErrors() && len(way) > 1 && len(names(way)) > 1 {
		return a.Block.Module.traverse(names(way), chain)
	}
	if value, ok := evaluate(a, len(chain)); ok {
		return []Value{{Text: value, Known: true, Chain: chain}}
	}
	for _, t := range a.expr.Variables() {
		path := names(t)
		if b, attr := a.Block.Module.resource(path); b != nil && !written(b, attr) {
			return []Value{{Resource: b, Attr: attr, Chain: chain}}
		}
		if path[0] == "local" || path[0] == "module" || path[0] == "var" {
			for _, v := range a.Block.Module.traverse(path, chain) {
				if v.Resource != nil {
					return []Value{v}
				}
			}
		}
	}
	return []Value{{Chain: chain}}
}

// written reports whether an attribute of a resource is what the code says,
// which is known before the apply, unlike a computed one.
func written(b *Block, attr string) bool { return b.Type == "resource" && b.Arg(attr) != nil }

// traverse follows a reference.
func (m *Module) traverse(path []string, chain []*Arg) []Value {
	unknown := []Value{{Chain: chain}}
	if len(path) < 2 { // code that says only "local"
		return unknown
	}
	switch path[0] {
	case "var":
		return m.variable(path[1], chain)
	case "each":
		if values := chain[len(chain)-1].each(path, chain); len(values) > 0 {
			return values
		}
	case "local":
		if a := m.local(path[1]); a != nil && len(path) == 2 {
			return resolve(a, chain)
		}
	case "module":
		if a := m.output(path); a != nil {
			return resolve(a, chain)
		}
	default:
		b, attr := m.resource(path)
		switch {
		case b == nil:
		case written(b, attr):
			return resolve(b.Arg(attr), chain)
		default:
			return []Value{{Resource: b, Attr: attr, Chain: chain}}
		}
	}
	return unknown
}

// each follows each.value.NAME to the objects of a map that a caller writes, if
// for_each is a variable.
func (a *Arg) each(path []string, chain []*Arg) []Value {
	if a == nil || len(path) != 3 || path[1] != "value" {
		return nil
	}
	refs := a.Block.Arg("for_each").References()
	if len(refs) != 1 || !strings.HasPrefix(refs[0], "var.") {
		return nil
	}
	var out []Value
	m := a.Block.Module
	for _, call := range m.tree.calls[m] {
		for _, item := range call.Arg(strings.TrimPrefix(refs[0], "var.")).Items() {
			if strings.Count(item.Name, ".") == 1 && strings.HasSuffix(item.Name, "."+path[2]) {
				out = append(out, resolve(item, chain)...)
			}
		}
	}
	return out
}

func (m *Module) variable(name string, chain []*Arg) []Value {
	var out []Value
	for _, call := range m.tree.calls[m] {
		if a := call.Arg(name); a != nil {
			out = append(out, resolve(a, chain)...)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, b := range m.Blocks {
		if b.Type == "variable" && b.Labels[0] == name {
			if text, ok := b.Arg("default").literal(); ok {
				return []Value{{Text: text, Known: true, Chain: append(chain[:len(chain):len(chain)], b.Arg("default"))}}
			}
		}
	}
	return []Value{{Chain: chain}}
}

func (m *Module) local(name string) *Arg {
	for _, b := range m.Blocks {
		if b.Type == "locals" {
			if a := b.Arg(name); a != nil {
				return a
			}
		}
	}
	return nil
}

// output is the argument that an output of a called module is made of.
func (m *Module) output(path []string) *Arg {
	if len(path) < 3 {
		return nil
	}
	for _, b := range m.Blocks {
		if b.Type != "module" || b.Labels[0] != path[1] {
			continue
		}
		dir, _ := m.target(b)
		callee := m.tree.dirs[dir]
		if dir == "" || callee == nil {
			return nil
		}
		for _, o := range callee.Blocks {
			if o.Type == "output" && o.Labels[0] == path[2] {
				return o.Arg("value")
			}
		}
	}
	return nil
}

// resource is the resource or data source that a reference names, and the
// attribute.
func (m *Module) resource(path []string) (*Block, string) {
	kind := "resource"
	if path[0] == "data" {
		kind, path = "data", path[1:]
	}
	if len(path) < 2 {
		return nil, ""
	}
	for _, b := range m.Blocks {
		if b.Type == kind && len(b.Labels) == 2 && b.Labels[0] == path[0] && b.Labels[1] == path[1] {
			return b, strings.Join(path[2:], ".")
		}
	}
	return nil, ""
}

// evaluate makes a text of an expression: with what variables, locals and
// written arguments are, and AnyAccount for the caller's account.
func evaluate(a *Arg, steps int) (string, bool) {
	if steps > maxSteps {
		return "", false
	}
	root := map[string]any{}
	for _, t := range a.expr.Variables() {
		path := names(t)
		if len(path) != len(t) {
			path = path[:1] // an index: what stands behind it isn't known
		}
		plant(root, path, a.Block.Module.text(path, steps+1))
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: functions()}
	for name, v := range root {
		ctx.Variables[name] = asValue(v)
	}
	v, diags := a.expr.Value(ctx)
	v, _ = v.UnmarkDeep()
	if diags.HasErrors() || !v.IsWhollyKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// plant puts a value at the end of a path.
func plant(root map[string]any, path []string, v cty.Value) {
	for i, name := range path {
		if i == len(path)-1 {
			root[name] = v
			return
		}
		next, ok := root[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			root[name] = next
		}
		root = next
	}
}

func asValue(v any) cty.Value {
	switch v := v.(type) {
	case cty.Value:
		return v
	case map[string]any:
		out := map[string]cty.Value{}
		for name, inner := range v {
			out[name] = asValue(inner)
		}
		return cty.ObjectVal(out)
	}
	return cty.DynamicVal
}

// text is what a reference inside of an expression is.
func (m *Module) text(path []string, steps int) cty.Value {
	if len(path) == 4 && path[0] == "data" {
		switch path[1] + "." + path[3] {
		case "aws_caller_identity.account_id":
			return cty.StringVal(AnyAccount)
		case "aws_partition.partition":
			return cty.StringVal("aws")
		}
	}
	if len(path) < 2 || steps > maxSteps {
		return cty.DynamicVal
	}
	chain := make([]*Arg, steps) // its length counts the steps, and nobody looks at it
	values := m.traverse(path, chain)
	if len(values) == 1 && values[0].Known {
		return cty.StringVal(values[0].Text)
	}
	return cty.DynamicVal
}

// functions are those that names and policies are commonly made with.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"format": stdlib.FormatFunc, "join": stdlib.JoinFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc, "replace": stdlib.ReplaceFunc, "trimspace": stdlib.TrimSpaceFunc,
	}
}

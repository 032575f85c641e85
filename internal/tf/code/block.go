package code

import (
	"errors"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// maxNested is how deep brackets may go in a file: parsers of HCL and JSON call
// themselves for each, and a stack ends.
const maxNested = 500

var errNested = errors.New("nested too deeply to be read")

// parse adds a file's blocks.
func (m *Module) parse(f *File) []Problem {
	if err := shallow(f.Src); err != nil {
		return []Problem{{Range: Range{File: f.Path}, Message: err.Error()}}
	}
	body, diags := parse(f.Path, f.Src)
	out := problems(f.Path, diags)
	if body == nil {
		return out
	}
	schema := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "resource", LabelNames: []string{"type", "name"}}, {Type: "data", LabelNames: []string{"type", "name"}},
		{Type: "module", LabelNames: []string{"name"}}, {Type: "variable", LabelNames: []string{"name"}}, {Type: "output", LabelNames: []string{"name"}},
		{Type: "locals"}, {Type: "provider", LabelNames: []string{"name"}}, {Type: "terraform"}, {Type: "errors"}, {Type: "remote_state"},
	}}
	content, rest, _ := body.PartialContent(schema)
	for _, b := range content.Blocks {
		m.Blocks = append(m.Blocks, m.block(f, b))
	}
	top := &Block{Type: "", File: f, Module: m, Range: Range{File: f.Path, Line: 1, Column: 1}}
	top.arguments(rest)
	if len(top.Args) > 0 { // Terragrunt's files have arguments at their top
		m.Blocks = append(m.Blocks, top)
	}
	return out
}

// shallow refuses what would be too deep for a parser.
func shallow(src []byte) error {
	depth := 0
	for _, c := range src {
		switch c {
		case '{', '[', '(':
			if depth++; depth > maxNested {
				return errNested
			}
		case '}', ']', ')':
			depth = max(depth-1, 0)
		}
	}
	return nil
}

// inner are the nested blocks that somebody asks for, by the type of the block
// around them.
func inner(kind string) []hcl.BlockHeaderSchema {
	switch kind {
	case "resource":
		return []hcl.BlockHeaderSchema{{Type: "lifecycle"}, {Type: "access_scope"}}
	case "data":
		return []hcl.BlockHeaderSchema{{Type: "statement"}}
	case "statement":
		return []hcl.BlockHeaderSchema{{Type: "principals"}}
	case "provider", "backend":
		return []hcl.BlockHeaderSchema{{Type: "assume_role"}, {Type: "assume_role_with_web_identity"}}
	case "terraform":
		return []hcl.BlockHeaderSchema{{Type: "backend", LabelNames: []string{"type"}}, {Type: "encryption"}, {Type: "extra_arguments", LabelNames: []string{"name"}}}
	}
	return nil
}

func (m *Module) block(f *File, b *hcl.Block) *Block {
	out := &Block{Type: b.Type, Labels: b.Labels, Range: ranged(b.DefRange), File: f, Module: m}
	content, rest, _ := b.Body.PartialContent(&hcl.BodySchema{Blocks: inner(b.Type)})
	for _, c := range content.Blocks {
		out.Blocks = append(out.Blocks, m.block(f, c))
	}
	out.arguments(rest)
	return out
}

func (b *Block) arguments(body hcl.Body) {
	attrs, _ := body.JustAttributes()
	for name, a := range attrs {
		b.Args = append(b.Args, &Arg{Name: name, Range: ranged(a.Range), Value: ranged(a.Expr.Range()), Block: b, expr: a.Expr})
	}
	slices.SortFunc(b.Args, func(x, y *Arg) int { return x.Range.Compare(y.Range) })
}

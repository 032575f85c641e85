package code

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Edit is one change of a file in native syntax. Block and Inner say where: the
// block's type and labels, and the type of a nested block, which is made if it
// isn't there and taken away if it ends empty.
type Edit struct {
	Block  []string
	Nth    int // which of several with that name in the file, from 0
	Inner  string
	Name   string // of an argument
	Value  string // its new expression; empty: take it out
	Append string // text of a whole block to put at the end of the file, instead of all the rest
}

// Apply makes the edits in a file's text. Comments, and the form of whatever
// isn't touched, stay. An error means that nothing was done.
func Apply(path string, src []byte, edits []Edit) ([]byte, error) {
	file, diags := hclwrite.ParseConfig(src, path, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, fmt.Errorf("%s can't be read", path)
	}
	for _, e := range edits {
		if e.Append != "" {
			continue
		}
		if err := e.apply(file.Body()); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	out := string(file.Bytes())
	for _, e := range edits {
		if e.Append != "" && !strings.Contains(out, e.Append) {
			out = strings.TrimRight(out, "\n") + "\n\n" + e.Append
		}
	}
	// A name that is no word, as a block's label may be, would end in nonsense.
	if _, diags := hclsyntax.ParseConfig([]byte(out), path, hcl.InitialPos); diags.HasErrors() {
		return nil, fmt.Errorf("%s: what it would become can't be read", path)
	}
	return []byte(out), nil
}

func (e Edit) apply(body *hclwrite.Body) error {
	block := find(body, e.Block, e.Nth)
	if block == nil {
		return fmt.Errorf("no block %s", strings.Join(e.Block, " "))
	}
	if e.Inner == "" {
		e.set(block.Body())
		return nil
	}
	inner := find(block.Body(), []string{e.Inner}, 0)
	if inner == nil {
		if e.Value == "" {
			return nil
		}
		inner = block.Body().AppendNewBlock(e.Inner, nil)
	}
	e.set(inner.Body())
	if len(inner.Body().Attributes())+len(inner.Body().Blocks()) == 0 && !commented(inner.Body()) {
		block.Body().RemoveBlock(inner)
	}
	return nil
}

func (e Edit) set(body *hclwrite.Body) {
	if e.Value == "" {
		body.RemoveAttribute(e.Name)
		return
	}
	body.SetAttributeRaw(e.Name, tokens(e.Value))
}

// tokens are an expression's, without the end of line that a file has.
func tokens(expr string) hclwrite.Tokens {
	file, diags := hclwrite.ParseConfig([]byte("x = "+expr+"\n"), "", hcl.InitialPos)
	if diags.HasErrors() {
		return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(expr)}}
	}
	return file.Body().GetAttribute("x").Expr().BuildTokens(nil)
}

func commented(body *hclwrite.Body) bool {
	return slices.ContainsFunc(body.BuildTokens(nil), func(t *hclwrite.Token) bool { return t.Type == hclsyntax.TokenComment })
}

func find(body *hclwrite.Body, name []string, nth int) *hclwrite.Block {
	for _, b := range body.Blocks() {
		if b.Type() == name[0] && slices.Equal(b.Labels(), name[1:]) {
			if nth == 0 {
				return b
			}
			nth--
		}
	}
	return nil
}

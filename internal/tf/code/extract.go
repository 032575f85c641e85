package code

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// wanted are the arguments that decide where a client's credentials come
// from, as the S3 backend and the AWS provider spell them.
func wanted(name string) bool {
	switch name {
	case "profile", "shared_credentials_file", "shared_credentials_files",
		"shared_config_files", "access_key", "secret_key", "token", "region", "role_arn":
		return true
	}
	return false
}

// wantedBlocks are the nested blocks, which a backend also takes as objects.
func wantedBlock(name string) bool {
	return name == "assume_role" || name == "assume_role_with_web_identity"
}

func wantedInBlock(name string) bool {
	switch name {
	case "role_arn", "web_identity_token", "web_identity_token_file", "duration":
		return true
	}
	return false
}

func secret(name string) bool {
	switch name {
	case "access_key", "secret_key", "token", "assume_role_with_web_identity.web_identity_token":
		return true
	}
	return false
}

// settings takes what is wanted out of a block's body.
func settings(body hcl.Body) []Setting {
	schema := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "assume_role"}, {Type: "assume_role_with_web_identity"},
	}}
	content, rest, _ := body.PartialContent(schema)
	attrs, _ := rest.JustAttributes()
	var out []Setting
	for name, attr := range attrs {
		switch {
		case wanted(name):
			out = append(out, setting(name, attr.Expr, attr.Range))
		case wantedBlock(name):
			out = append(out, object(name, attr.Expr)...)
		}
	}
	for _, block := range content.Blocks {
		inner, _ := block.Body.JustAttributes()
		if len(inner) == 0 {
			out = append(out, Setting{Name: block.Type, Range: ranged(block.DefRange), Known: true})
		}
		for name, attr := range inner {
			if wantedInBlock(name) {
				out = append(out, setting(block.Type+"."+name, attr.Expr, attr.Range))
			}
		}
	}
	return sorted(out)
}

// object reads `assume_role = { ... }`, or a list of such objects.
func object(name string, expr hcl.Expression) []Setting {
	if items, diags := hcl.ExprList(expr); !diags.HasErrors() {
		var out []Setting
		for _, item := range items {
			out = append(out, object(name, item)...)
		}
		return out
	}
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		s := setting(name, expr, expr.Range())
		return []Setting{s}
	}
	var out []Setting
	for _, pair := range pairs {
		if key, ok := key(pair.Key); ok && wantedInBlock(key) {
			out = append(out, setting(name+"."+key, pair.Value, hcl.RangeBetween(pair.Key.Range(), pair.Value.Range())))
		}
	}
	return out
}

// config reads the `config = { ... }` of a terraform_remote_state.
func config(expr hcl.Expression) []Setting {
	pairs, diags := hcl.ExprMap(expr)
	if diags.HasErrors() {
		return []Setting{{Name: "config", Range: ranged(expr.Range())}}
	}
	var out []Setting
	for _, pair := range pairs {
		name, ok := key(pair.Key)
		switch {
		case !ok:
		case wanted(name):
			out = append(out, setting(name, pair.Value, hcl.RangeBetween(pair.Key.Range(), pair.Value.Range())))
		case wantedBlock(name):
			out = append(out, object(name, pair.Value)...)
		}
	}
	return sorted(out)
}

func key(expr hcl.Expression) (string, bool) {
	if word := hcl.ExprAsKeyword(expr); word != "" {
		return word, true
	}
	v, known := literal(expr)
	if !known || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

// setting keeps a value only if it's a literal and no secret.
func setting(name string, expr hcl.Expression, rng hcl.Range) Setting {
	s := Setting{Name: name, Range: ranged(rng), Secret: secret(name)}
	v, known := literal(expr)
	if !known {
		return s
	}
	s.Known = true
	values := literals(v)
	s.Blank = strings.Join(values, "") == ""
	if !s.Secret {
		s.Values = values
	}
	return s
}

// literal evaluates with no variables and no functions, so whatever succeeds
// is a literal. A nil context won't do: JSON would then take "${var.x}" for
// the text itself (hcl json/structure.go).
func literal(expr hcl.Expression) (cty.Value, bool) {
	v, diags := expr.Value(&hcl.EvalContext{})
	v, _ = v.UnmarkDeep()
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return cty.NilVal, false
	}
	return v, true
}

func literals(v cty.Value) []string {
	switch {
	case v.IsNull():
		return nil
	case v.Type() == cty.String:
		return []string{v.AsString()}
	case v.Type() == cty.Number:
		return []string{v.AsBigFloat().Text('f', -1)}
	case v.Type() == cty.Bool:
		if v.True() {
			return []string{"true"}
		}
		return []string{"false"}
	case v.Type().IsTupleType(), v.Type().IsListType(), v.Type().IsSetType():
		var out []string
		for it := v.ElementIterator(); it.Next(); {
			_, item := it.Element()
			out = append(out, literals(item)...)
		}
		return out
	}
	return nil
}

func ranged(r hcl.Range) Range {
	return Range{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column, EndLine: r.End.Line, EndColumn: r.End.Column}
}

package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/holdfast/holdfast/internal/cred"
)

// isName reports whether an identity may be called s, which becomes a part of a
// URL. (By hand: a regular expression would be compiled at every start.)
func isName(s string) bool {
	plain := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	if s == "" || len(s) > 64 || !plain(rune(s[0])) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) && !strings.ContainsRune("_.-", r) })
}

func (f *File) decode(body hcl.Body) hcl.Diagnostics {
	content, diags := body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "identity", LabelNames: []string{"name"}},
		{Type: "unit", LabelNames: []string{"path"}},
		{Type: "cluster", LabelNames: []string{"name"}},
		{Type: "run"},
		{Type: "alert", LabelNames: []string{"name"}},
		{Type: "waive", LabelNames: []string{"rule"}},
		{Type: "environment", LabelNames: []string{"name"}},
	}})
	seen := map[string]hcl.Range{}
	for _, block := range content.Blocks {
		switch block.Type {
		case "run":
			diags = append(diags, f.Run.decode(block)...)
		case "cluster":
			cluster, more := decodeCluster(block)
			diags = append(diags, more...)
			f.Clusters = append(f.Clusters, cluster)
		case "environment":
			naming, more := decodeNaming(block)
			diags = append(diags, more...)
			f.Naming = append(f.Naming, naming)
		case "waive":
			waiver, more := decodeWaive(block)
			diags = append(diags, more...)
			f.Waivers = append(f.Waivers, waiver)
		case "unit":
			unit, more := decodeUnit(block)
			diags = append(diags, more...)
			f.Units = append(f.Units, unit)
		case "alert":
			alert, more := decodeAlert(block)
			diags = append(diags, more...)
			f.Alerts = append(f.Alerts, alert)
		case "identity":
			identity, more := decodeIdentity(block)
			diags = append(diags, more...)
			if first, twice := seen[identity.Name]; twice {
				diags = append(diags, wrong(block.LabelRanges[0], "two identities of one name", fmt.Sprintf("%q stands at %s already", identity.Name, first)))
			}
			seen[identity.Name] = block.DefRange
			f.Identities = append(f.Identities, identity)
		}
	}
	for _, unit := range f.Units {
		if _, ok := seen[unit.Identity]; !ok {
			diags = append(diags, wrong(unit.Range, "no such identity", fmt.Sprintf("%q isn't in this file", unit.Identity)))
		}
	}
	for _, c := range f.Clusters {
		if _, ok := seen[c.Identity]; !ok && c.Identity != "" {
			diags = append(diags, wrong(c.Range, "no such identity", fmt.Sprintf("%q isn't in this file", c.Identity)))
		}
	}
	return diags
}

func (r *Run) decode(block *hcl.Block) hcl.Diagnostics {
	content, diags := block.Body.Content(attributes("allow_other_credentials", "warn_after", "timeout", "on_expiry", "rescue_to"))
	d := decoder{content.Attributes, diags}
	r.AllowOther = d.truth("allow_other_credentials")
	r.WarnAfter, r.Timeout = d.span("warn_after"), d.span("timeout")
	r.OnExpiry, r.RescueTo = Expiry(d.text("on_expiry")), d.text("rescue_to")
	switch r.OnExpiry {
	case "", Drain, Warn, Kill:
	default:
		d.wrong(d.attributes["on_expiry"].Expr.Range(), "not a policy", fmt.Sprintf(`%q: "drain", "warn" or "kill"`, r.OnExpiry))
	}
	if bucket, ok := strings.CutPrefix(r.RescueTo, "s3://"); ok && strings.Trim(bucket, "/") == "" {
		d.wrong(d.attributes["rescue_to"].Expr.Range(), "no bucket", `"s3://BUCKET/PREFIX", or a directory`)
	}
	return d.diags
}

func decodeIdentity(block *hcl.Block) (Identity, hcl.Diagnostics) {
	schema := attributes("from", "profile", "token_file", "audience", "token_variable", "command", "region", "session_name")
	schema.Blocks = []hcl.BlockHeaderSchema{{Type: "role", LabelNames: []string{"arn"}}}
	content, diags := block.Body.Content(schema)
	d := decoder{content.Attributes, diags}
	i := Identity{
		Name: block.Labels[0], Range: block.DefRange,
		From: From(d.text("from")), Profile: d.text("profile"), TokenFile: d.text("token_file"),
		Audience: d.text("audience"), TokenVariable: d.text("token_variable"), Command: d.list("command"),
		Region: d.text("region"), SessionName: d.text("session_name"),
	}
	if !isName(i.Name) {
		d.wrong(block.LabelRanges[0], "not a name for an identity", "letters, digits, and - _ . after the first")
	}
	i.From = d.source(i, block.DefRange)
	for _, b := range content.Blocks {
		role, more := decodeRole(b)
		d.diags = append(d.diags, more...)
		i.Roles = append(i.Roles, role)
	}
	return i, d.diags
}

func decodeRole(block *hcl.Block) (Role, hcl.Diagnostics) {
	content, diags := block.Body.Content(attributes("session_name", "external_id", "duration", "tags", "transitive_tags", "source_identity", "policy"))
	d := decoder{content.Attributes, diags}
	r := Role{
		ARN: block.Labels[0], Range: block.DefRange,
		SessionName: d.text("session_name"), ExternalID: d.text("external_id"), Duration: d.duration("duration"),
		Tags: d.texts("tags"), TransitiveTags: d.list("transitive_tags"), SourceIdentity: d.text("source_identity"), Policy: d.text("policy"),
	}
	if _, err := cred.ParseRole(r.ARN); err != nil {
		d.wrong(block.LabelRanges[0], "not the ARN of a role", err.Error())
	}
	return r, d.diags
}

// decoder reads attributes of one block and collects what is wrong with them.
type decoder struct {
	attributes hcl.Attributes
	diags      hcl.Diagnostics
}

func (d *decoder) wrong(at hcl.Range, summary, detail string) {
	d.diags = append(d.diags, wrong(at, summary, detail))
}

func (d *decoder) value(name string, want cty.Type) (cty.Value, bool) {
	a, ok := d.attributes[name]
	if !ok {
		return cty.NilVal, false
	}
	value, diags := a.Expr.Value(nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	got, err := convert.Convert(value, want)
	if err != nil || got.IsNull() || !got.IsWhollyKnown() {
		d.wrong(a.Expr.Range(), "wrong kind of value", fmt.Sprintf("%s is a %s", name, want.FriendlyName()))
		return cty.NilVal, false
	}
	return got, true
}

func (d *decoder) text(name string) string {
	value, ok := d.value(name, cty.String)
	if !ok {
		return ""
	}
	return value.AsString()
}

func (d *decoder) truth(name string) bool {
	a, ok := d.attributes[name]
	if !ok {
		return false
	}
	value, diags := a.Expr.Value(nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		return false
	}
	if value.Type() != cty.Bool || value.IsNull() {
		d.wrong(a.Expr.Range(), "not a truth value", a.Name+" is true or false")
		return false
	}
	return value.True()
}

// span is a length of time, without the bounds that AWS has for sessions.
func (d *decoder) span(name string) time.Duration {
	text := d.text(name)
	if text == "" {
		return 0
	}
	length, err := time.ParseDuration(text)
	if err != nil || length <= 0 {
		d.wrong(d.attributes[name].Expr.Range(), "not a length of time", fmt.Sprintf(`%q: as in "45m" or "3h"`, text))
		return 0
	}
	return length
}

func (d *decoder) texts(name string) map[string]string {
	value, ok := d.value(name, cty.Map(cty.String))
	if !ok {
		return nil
	}
	out := map[string]string{}
	for k, v := range value.AsValueMap() {
		out[k] = v.AsString()
	}
	return out
}

func (d *decoder) list(name string) []string {
	value, ok := d.value(name, cty.List(cty.String))
	if !ok {
		return nil
	}
	var out []string
	for _, v := range value.AsValueSlice() {
		out = append(out, v.AsString())
	}
	return out
}

func (d *decoder) duration(name string) time.Duration {
	text := d.text(name)
	if text == "" {
		return 0
	}
	length, err := time.ParseDuration(text)
	if err != nil || length < 15*time.Minute || length > 12*time.Hour {
		d.wrong(d.attributes[name].Expr.Range(), "not a duration for a session", fmt.Sprintf(`%q: AWS takes "15m" to "12h"`, text))
		return 0
	}
	return length
}

func attributes(names ...string) *hcl.BodySchema {
	schema := &hcl.BodySchema{}
	for _, name := range names {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	return schema
}

func wrong(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}
}

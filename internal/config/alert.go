package config

import (
	"fmt"
	"net/url"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

func decodeAlert(block *hcl.Block) (Alert, hcl.Diagnostics) {
	content, diags := block.Body.Content(attributes("to", "url", "url_variable", "secret_variable", "topic", "events", "severity"))
	d := decoder{content.Attributes, diags}
	a := Alert{
		Name: block.Labels[0], Range: block.DefRange, To: AlertTo(d.text("to")), URL: d.text("url"), URLVariable: d.text("url_variable"),
		SecretVariable: d.text("secret_variable"), Topic: d.text("topic"), Events: d.list("events"), Severity: d.text("severity"),
	}
	needs := map[AlertTo]bool{
		ToWebhook: a.URL != "" || a.URLVariable != "", ToSlack: a.URL != "" || a.URLVariable != "",
		ToSNS: a.Topic != "", ToGitHub: true,
	}
	met, known := needs[a.To]
	switch {
	case !known:
		d.wrong(d.at("to", block.DefRange), "not a place for alerts", fmt.Sprintf(`to = %q: "webhook", "slack", "sns" or "github"`, a.To))
	case !met && a.To == ToSNS:
		d.wrong(block.DefRange, "no topic", `topic = "arn:aws:sns:..."`)
	case !met:
		d.wrong(block.DefRange, "no address", `url_variable = "NAME" of a variable that holds it, or url`)
	}
	if a.URL != "" {
		if u, err := url.Parse(a.URL); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			d.wrong(d.at("url", block.DefRange), "not an address", "it begins with https://")
		}
	}
	if a.Severity != "" && !slices.Contains([]string{"info", "notice", "warning", "loss"}, a.Severity) {
		d.wrong(d.at("severity", block.DefRange), "not a severity", fmt.Sprintf("%q: info, notice, warning or loss", a.Severity))
	}
	for _, pattern := range a.Events {
		if _, err := path.Match(pattern, "x"); err != nil {
			d.wrong(d.at("events", block.DefRange), "not a pattern", fmt.Sprintf(`%q: as in "state.*"`, pattern))
		}
	}
	return a, d.diags
}

// at is where an attribute's value stands, or the block if it isn't there.
func (d *decoder) at(name string, block hcl.Range) hcl.Range {
	if a, ok := d.attributes[name]; ok {
		return a.Expr.Range()
	}
	return block
}

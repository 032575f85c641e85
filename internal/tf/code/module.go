package code

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// module is one directory's code while its files are added, overrides last.
type module struct {
	engine   Engine
	clients  []Client
	problems []Problem
	sources  []string // local modules, relative
	auth     []Range  // data "aws_eks_cluster_auth"
}

func rootSchema() *hcl.BodySchema {
	return &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "terraform"},
		{Type: "provider", LabelNames: []string{"name"}},
		{Type: "data", LabelNames: []string{"type", "name"}},
		{Type: "module", LabelNames: []string{"name"}},
	}}
}

func (m *module) add(name string, src []byte) {
	body, diags := parse(name, src)
	m.problems = append(m.problems, problems(name, diags)...)
	if body == nil {
		return
	}
	content, _, diags := body.PartialContent(rootSchema())
	m.problems = append(m.problems, problems(name, diags)...)
	over := override(filepath.Base(name))
	for _, block := range content.Blocks {
		switch block.Type {
		case "terraform":
			m.backend(block.Body, over)
		case "provider":
			if block.Labels[0] == "aws" {
				m.provider(block, over)
			}
		case "data":
			switch block.Labels[0] {
			case "terraform_remote_state":
				m.remoteState(block, over)
			case "aws_eks_cluster_auth":
				m.auth = append(m.auth, ranged(block.DefRange))
			}
		case "module":
			m.module(block.Body)
		}
	}
}

func (m *module) backend(body hcl.Body, over bool) {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "backend", LabelNames: []string{"type"}}, {Type: "cloud"},
	}})
	for _, block := range content.Blocks {
		if over {
			// An override's backend or cloud block takes the whole place of
			// the original one, of whatever type.
			m.clients = slices.DeleteFunc(m.clients, func(c Client) bool { return c.Kind == Backend })
		}
		if block.Type == "backend" && block.Labels[0] == "s3" {
			m.clients = append(m.clients, Client{Kind: Backend, Range: ranged(block.DefRange), Settings: settings(block.Body)})
		}
	}
}

func (m *module) provider(block *hcl.Block, over bool) {
	attrs, _, _ := block.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "alias"}}})
	client := Client{Kind: Provider, Range: ranged(block.DefRange), Settings: settings(block.Body)}
	if alias, ok := attrs.Attributes["alias"]; ok {
		client.Name = setting("alias", alias.Expr, alias.Range).Value()
	}
	m.put(client, over)
}

func (m *module) remoteState(block *hcl.Block, over bool) {
	content, _, _ := block.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "backend"}, {Name: "config"}}})
	if b, ok := content.Attributes["backend"]; ok {
		if s := setting("backend", b.Expr, b.Range); s.Known && s.Value() != "s3" {
			return
		}
	} else if !over {
		return
	}
	client := Client{Kind: RemoteState, Name: block.Labels[1], Range: ranged(block.DefRange)}
	if c, ok := content.Attributes["config"]; ok {
		client.Settings = config(c.Expr)
	}
	m.put(client, over)
}

// put adds a client, or merges an override's arguments into the client they
// override.
func (m *module) put(client Client, over bool) {
	i := slices.IndexFunc(m.clients, func(c Client) bool { return c.Kind == client.Kind && c.Name == client.Name })
	if !over || i < 0 {
		m.clients = append(m.clients, client)
		return
	}
	old := slices.Clone(m.clients[i].Settings)
	for _, s := range client.Settings {
		old = slices.DeleteFunc(old, func(o Setting) bool { return o.Name == s.Name })
	}
	m.clients[i].Settings = sorted(append(old, client.Settings...))
}

func (m *module) module(body hcl.Body) {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "source"}}})
	source, ok := content.Attributes["source"]
	if !ok {
		return
	}
	value := setting("source", source.Expr, source.Range).Value()
	if strings.HasPrefix(value, "./") || strings.HasPrefix(value, "../") {
		m.sources = append(m.sources, value)
	}
}

func sorted(list []Setting) []Setting {
	slices.SortStableFunc(list, func(a, b Setting) int {
		if c := a.Range.Compare(b.Range); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

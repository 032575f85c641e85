package plan

import (
	"slices"
	"strings"
)

// configuration reads what the plan knows of the code. The lifecycle isn't in
// it, and references through locals end at the local.
func (d *decoder) configuration() {
	d.object(func(key []byte) {
		switch string(key) {
		case "provider_config":
			d.object(func(key []byte) { d.provider(string(key)) })
		case "root_module":
			d.module("", true)
		default:
			d.skip()
		}
	})
}

// module reads a module's code. Certain says that there is exactly one of it.
func (d *decoder) module(prefix string, certain bool) {
	d.object(func(key []byte) {
		switch string(key) {
		case "resources":
			d.array(func() { d.resource(prefix, certain) })
		case "module_calls":
			d.object(func(key []byte) { d.call(prefix+"module."+string(key)+".", certain) })
		case "outputs":
			d.object(func(key []byte) { d.output(prefix + string(key)) })
		default:
			d.skip()
		}
	})
}

// call reads a module call. Its count may stand behind the module itself, so
// what was pending below it is taken back then.
func (d *decoder) call(prefix string, certain bool) {
	many := false
	d.object(func(key []byte) {
		switch string(key) {
		case "module":
			d.module(prefix, certain && !many)
		case "expressions":
			d.object(func(key []byte) {
				name := prefix + "var." + string(key)
				if refs, _ := d.expression(); len(refs) > 0 {
					d.plan.inputs[name] = refs
				}
			})
		case "count_expression", "for_each_expression":
			many = true
			d.skip()
		default:
			d.skip()
		}
	})
	if many && certain {
		for address, from := range d.pending {
			if from == inCode && strings.HasPrefix(address, prefix) {
				delete(d.pending, address)
			}
		}
	}
}

func (d *decoder) output(name string) {
	d.object(func(key []byte) {
		if string(key) != "expression" {
			d.skip()
			return
		}
		if refs, _ := d.expression(); len(refs) > 0 {
			d.plan.outputs[name] = refs
		}
	})
}

func (d *decoder) resource(prefix string, certain bool) {
	var address, kind, provider string
	managed, many := false, false
	references := map[string][]string{}
	var after []string
	d.object(func(key []byte) {
		switch string(key) {
		case "address":
			address = prefix + d.word()
		case "mode":
			managed = d.is("managed")
		case "type":
			kind = d.interned()
		case "provider_config_key":
			provider = d.interned()
		case "count_expression", "for_each_expression":
			many = true
			d.skip()
		case "expressions":
			d.expressions(kind, references)
		case "depends_on":
			d.array(func() { after = append(after, d.word()) })
		default:
			d.skip()
		}
	})
	if d.err != nil || !managed {
		return
	}
	if certain && !many {
		d.planned(address, inCode)
	}
	if watched(kind) {
		d.plan.code[address] = configured{prefix, provider, references, after}
	}
}

// expressions keeps the references of arguments that name principals.
func (d *decoder) expressions(kind string, into map[string][]string) {
	d.object(func(key []byte) {
		switch name := attribute(key); {
		case kind != "" && !watched(kind):
			d.skip()
		case name == Principal, name == NodeRole, name == PodRole, name == RoleName, name == Cluster:
			argument := string(key)
			if refs, _ := d.expression(); len(refs) > 0 {
				into[argument] = refs
			}
		default:
			d.skip()
		}
	})
}

// expression reads {constant_value: …} or {references: […]}. Of a constant it
// tells only that it is there and sets something.
func (d *decoder) expression() (references []string, constant bool) {
	d.object(func(key []byte) {
		switch string(key) {
		case "references":
			d.array(func() { references = append(references, d.word()) })
		case "constant_value":
			c := d.peek()
			constant = c != 'n'
			if c == '"' {
				constant = len(d.text(maxString)) > 0
				return
			}
			d.skip()
		default:
			d.skip()
		}
	})
	return references, constant
}

// provider reads one provider block.
func (d *decoder) provider(key string) {
	c := Client{Key: key}
	set := func(argument string, refs []string, constant bool) {
		if !constant && len(refs) == 0 {
			return
		}
		if argument == "web_identity_token" {
			c.Token = true
		} else {
			c.Static = append(c.Static, argument)
		}
		for _, r := range refs {
			if name, ok := strings.CutPrefix(r, "var."); ok && !strings.ContainsAny(name, ".[") {
				c.Variables = append(c.Variables, name)
			}
		}
	}
	d.object(func(key []byte) {
		switch string(key) {
		case "name":
			c.Name = d.word()
		case "expressions":
			d.arguments(&c, set)
		default:
			d.skip()
		}
	})
	c.Variables = slices.Compact(slices.Sorted(slices.Values(c.Variables)))
	if d.err == nil && (c.ClusterAuth != "" || c.Name == "aws" && (c.Token || len(c.Static) > 0)) {
		d.plan.Clients = append(d.plan.Clients, c)
	}
}

// arguments reads a provider's arguments, and those of its nested blocks, which
// are arrays of objects, or objects.
func (d *decoder) arguments(c *Client, set func(string, []string, bool)) {
	if d.peek() == '[' {
		d.array(func() { d.arguments(c, set) })
		return
	}
	d.object(func(key []byte) {
		switch argument := string(key); argument {
		case "access_key", "secret_key", "web_identity_token", "token":
			refs, constant := d.expression()
			if argument == "token" {
				for _, r := range refs {
					if strings.HasPrefix(r, "data.aws_eks_cluster_auth.") {
						c.ClusterAuth = r
					}
				}
			}
			set(argument, refs, constant)
		case "references", "constant_value":
			d.skip()
		default:
			d.arguments(c, set)
		}
	})
}

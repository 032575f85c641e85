package plan

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// change reads an element of resource_changes.
func (d *decoder) change() {
	c, managed := d.readChange()
	if d.err != nil || !managed {
		return
	}
	if !hasDocument(c.Type) || !c.Actions.Stays() {
		c.Was, c.Will = nil, nil // one that is made anew is saved anew
	}
	d.plan.Total++
	d.changed[d.hash(c.Address)] = struct{}{}
	if c.Previous != "" {
		d.changed[d.hash(c.Previous)] = struct{}{}
	}
	if c.Actions == Delete || c.Actions == Forget {
		d.deletes++
	}
	if long(c.Type) && !c.Actions.Stays() && c.Actions != Forget {
		d.plan.Long = append(d.plan.Long, Change{Address: c.Address, Type: c.Type, Actions: c.Actions})
	}
	tainted := c.Reason == "replace_because_tainted"
	principals := len(c.Was)+len(c.Will) > 0
	idle := (c.Type == "aws_iam_role" || c.Type == "aws_iam_user") && c.Actions.Stays()
	switch {
	case watched(c.Type) && !idle, tainted, principals:
		d.plan.Changes = append(d.plan.Changes, c)
	}
}

// drift keeps what is gone, and what is found to be another one.
func (d *decoder) drift() {
	c, managed := d.readChange()
	if d.err == nil && managed && watched(c.Type) && c.Actions.Has(Delete) {
		d.plan.Drift = append(d.plan.Drift, c)
	}
}

func (d *decoder) readChange() (Change, bool) {
	var c Change
	managed := true
	d.object(func(key []byte) {
		switch string(key) {
		case "address":
			c.Address = d.word()
		case "previous_address":
			c.Previous = d.word()
		case "mode":
			managed = d.is("managed")
		case "type":
			c.Type = d.interned()
		case "deposed":
			c.Deposed = d.word() != ""
		case "action_reason":
			c.Reason = d.interned()
		case "change":
			d.sides(&c)
		default:
			d.skip()
		}
	})
	return c, managed
}

// interned keeps one copy of a word that comes again and again.
func (d *decoder) interned() string {
	if d.peek() != '"' {
		d.skip()
		return ""
	}
	b := d.text(maxString)
	if s, ok := d.words[string(b)]; ok {
		return s
	}
	s := string(b)
	d.words[s] = s
	return s
}

func (d *decoder) sides(c *Change) {
	d.object(func(key []byte) {
		switch string(key) {
		case "actions":
			c.Actions = d.actions()
		case "before":
			c.Before, c.Was = d.side(c, c.After, c.Will)
		case "after":
			c.After, c.Will = d.side(c, c.Before, c.Was)
		case "after_unknown":
			d.unknown(c)
		default:
			d.skip()
		}
	})
}

func (d *decoder) actions() Actions {
	var all Actions
	d.array(func() {
		var one Actions
		switch d.interned() {
		case "no-op":
			one = NoOp
		case "create":
			one = Create
		case "read":
			one = Fetch
		case "update":
			one = Update
		case "delete":
			one = Delete
			if all.Has(Create) {
				one |= CreateFirst
			}
		case "forget":
			one = Forget
		default:
			if d.err == nil {
				d.fail("a planned action that isn't known; is there a newer holdfast?")
			}
		}
		all |= one
	})
	return all
}

// side reads the attributes of before or after. Where the kind isn't known yet,
// because somebody sorted the keys, everything that could matter is kept.
func (d *decoder) side(c *Change, other Values, others []Policy) (Values, []Policy) {
	kind := c.Type
	saved := c.Actions != 0 && !c.Actions.Stays() // whatever its policies say
	values := make(Values, 0, 4)
	var policies []Policy
	d.object(func(key []byte) {
		name, argument := attribute(key), ""
		if document(kind, key) {
			argument = string(key)
		}
		switch { // the key may be gone from here on
		case d.peek() != '"':
			d.skip()
		case argument != "" && saved:
			d.skip()
		case argument != "":
			policies = d.policy(argument, policies, others)
		case name == None || kind != "" && !watched(kind) && name != ID && name != ARN || name == ID && watched(kind):
			d.skip()
		default:
			values = append(values, Attribute{Name: name, Value: d.shared(name, other)})
		}
	})
	if len(values) == 0 {
		return nil, policies
	}
	return values, policies
}

// policy adds a document that names somebody; the other side's, if it is the same.
func (d *decoder) policy(argument string, policies, others []Policy) []Policy {
	text := d.text(maxString)
	if !bytes.Contains(text, []byte(roleMark)) && !bytes.Contains(text, []byte(userMark)) {
		return policies
	}
	sum := maphash.Bytes(d.seed, text)
	for _, p := range others {
		if p.Attribute == argument && p.Text == sum {
			if len(others) == 1 && policies == nil {
				return others
			}
			return append(policies, p)
		}
	}
	if names := principals(text); len(names) > 0 {
		policies = append(policies, Policy{argument, names, sum})
	}
	return policies
}

// shared reads a string, and takes the other side's copy if it is the same.
func (d *decoder) shared(name Name, other Values) string {
	b := d.text(maxString)
	for _, a := range other {
		if a.Name == name && a.Value == string(b) {
			return a.Value
		}
	}
	return string(b)
}

// unknown marks what is known after the apply only.
func (d *decoder) unknown(c *Change) {
	d.object(func(key []byte) {
		name, argument := attribute(key), ""
		if document(c.Type, key) {
			argument = string(key)
		}
		if d.peek() != 't' {
			d.skip()
			return
		}
		d.skip()
		switch {
		case argument != "":
			c.Will = append(c.Will, Policy{Attribute: argument})
		case name != None && name != UniqueID && name != ID && (c.Type == "" || watched(c.Type)):
			c.After = append(c.After, Attribute{Name: name, Unknown: true})
		}
	})
}

// roleMark and userMark are in every ARN that AWS stores as an ID.
const roleMark, userMark = ":role/", ":user/"

// principals reads a policy document. One that isn't JSON, or names nobody, has
// none: AWS refuses the former by itself.
func principals(text []byte) []string {
	var names []string
	l := overBytes(text)
	keep := func() {
		if l.peek() != '"' {
			l.skip()
			return
		}
		arn := l.text(2048)
		if (bytes.Contains(arn, []byte(roleMark)) || bytes.Contains(arn, []byte(userMark))) && !slices.Contains(names, string(arn)) {
			names = append(names, string(arn))
		}
	}
	principal := func(key []byte) {
		switch {
		case string(key) != "AWS":
			l.skip()
		case l.peek() == '[':
			l.array(keep)
		default:
			keep()
		}
	}
	statement := func() {
		l.object(func(key []byte) {
			if string(key) == "Principal" || string(key) == "NotPrincipal" {
				l.object(principal)
			} else {
				l.skip()
			}
		})
	}
	l.object(func(key []byte) {
		switch {
		case string(key) != "Statement":
			l.skip()
		case l.peek() == '[':
			l.array(statement)
		default:
			statement()
		}
	})
	return slices.Clip(names)
}

package plan

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
)

// Read reads the JSON that `show -json PLANFILE` prints. What stands before the
// first brace is skipped, because OpenTofu prints warnings there. The error says
// what the input is instead of a plan, or the byte at which it breaks.
func Read(r io.Reader) (*Plan, error) {
	d := &decoder{
		lexer: newLexer(r), plan: &Plan{code: map[string]configured{}, inputs: map[string][]string{}, outputs: map[string][]string{}},
		changed: map[uint64]struct{}{}, pending: map[string]origin{}, words: map[string]string{}, seed: maphash.MakeSeed(),
	}
	if err := d.begin(); err != nil {
		return nil, err
	}
	d.top()
	if d.err == nil && d.peek() != 0 {
		d.fail("something stands behind the plan")
	}
	if d.err == nil {
		d.err = d.whatElse()
	}
	if d.err != nil {
		return nil, d.err
	}
	d.finish()
	return d.plan, nil
}

// decoder reads one plan.
type decoder struct {
	*lexer
	plan      *Plan
	found     map[string]bool // keys of the top level
	changed   map[uint64]struct{}
	pending   map[string]origin // in state or code, no change seen so far
	deletes   int
	variables map[string]bool // the value is an access key
	words     map[string]string
	seed      maphash.Seed
}

// origin is where a resource without a change was seen.
type origin uint8

const (
	inState origin = iota + 1
	inCode
)

// begin finds the first brace and says what an input without one is.
func (d *decoder) begin() error {
	d.fill()
	head := d.buf[:d.end]
	switch {
	case d.err != nil:
		return d.err
	case len(head) == 0:
		return errors.New("there is nothing in it")
	case strings.HasPrefix(string(head[:min(4, len(head))]), "PK\x03\x04"):
		return errors.New("a saved plan file, not its JSON")
	case len(head) > 1 && (head[0] == 0xff && head[1] == 0xfe || head[0] == 0xfe && head[1] == 0xff):
		return errors.New("UTF-16, as PowerShell's > writes it: use  | Out-File -Encoding utf8")
	}
	start := slices.Index(head, '{')
	if start < 0 {
		return errors.New("there is no JSON object in its beginning")
	}
	d.pos = start
	return nil
}

func (d *decoder) top() {
	d.found = map[string]bool{}
	d.object(func(key []byte) {
		name := string(key)
		d.found[name] = true
		switch name {
		case "format_version":
			d.plan.Format = d.word()
			d.checkFormat()
		case "terraform_version":
			d.plan.Engine = d.word()
		case "errored":
			d.plan.Errored = d.truth()
		case "complete":
			d.plan.Incomplete = d.peek() == 'f'
			d.skip()
		case "variables":
			d.inputs()
		case "resource_changes":
			d.array(d.change)
		case "resource_drift":
			d.array(d.drift)
		case "deferred_changes":
			d.array(func() { d.plan.Deferred++; d.skip() })
		case "prior_state":
			d.state()
		case "configuration":
			d.configuration()
		default:
			d.skip()
		}
	})
}

// checkFormat refuses a format whose meaning isn't known: within a major
// version fields are only added
// (https://developer.hashicorp.com/terraform/internals/json-format).
func (d *decoder) checkFormat() {
	major, minor, _ := strings.Cut(d.plan.Format, ".")
	if major == "1" || major == "0" && (minor == "1" || minor == "2") {
		return
	}
	d.fail("format_version %.20q, and only 0.1, 0.2 and 1.x are known; is there a newer holdfast?", d.plan.Format)
}

// whatElse says what a JSON object is that isn't a plan.
func (d *decoder) whatElse() error {
	switch {
	case d.found["@level"]:
		return errors.New("the log of plan -json, not a plan: save the plan with -out and use  show -json PLANFILE")
	case d.plan.Format == "":
		return errors.New("no format_version: not the JSON that  show -json PLANFILE  prints")
	case d.found["values"]:
		return errors.New("a state, not a plan:  show -json  without a plan file prints the state")
	case !d.found["configuration"] && !d.found["resource_changes"] && !d.found["planned_values"]:
		return fmt.Errorf("format_version %s, but neither configuration nor resource_changes: not a plan", d.plan.Format)
	}
	return nil
}

// word is a string value, "" for any other.
func (d *decoder) word() string {
	if d.peek() != '"' {
		d.skip()
		return ""
	}
	return string(d.text(maxString))
}

// is reads a string value and compares it.
func (d *decoder) is(want string) bool {
	if d.peek() != '"' {
		d.skip()
		return false
	}
	return string(d.text(maxString)) == want
}

// inputs looks at variables for access keys, whose form is known
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
func (d *decoder) inputs() {
	d.variables = map[string]bool{}
	d.object(func(key []byte) {
		name := string(key)
		d.object(func(key []byte) {
			if string(key) != "value" || d.peek() != '"' {
				d.skip()
				return
			}
			d.variables[name] = isAccessKey(d.text(maxString))
		})
	})
}

func isAccessKey(b []byte) bool {
	if len(b) != 20 || string(b[:4]) != "AKIA" && string(b[:4]) != "ASIA" {
		return false
	}
	return !slices.ContainsFunc(b, func(c byte) bool { return !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') })
}

// finish draws what needs the whole plan.
func (d *decoder) finish() {
	for name, is := range d.variables {
		if is {
			d.plan.Keys = append(d.plan.Keys, name)
		}
	}
	slices.Sort(d.plan.Keys)
	if d.plan.Total == 0 {
		return // refresh only, or nothing at all: nothing will be changed
	}
	for address, from := range d.pending {
		// A plan to destroy leaves out what the code has and the state hasn't.
		if d.seen(address) || from == inCode && d.deletes == d.plan.Total {
			continue
		}
		d.plan.Unplanned = append(d.plan.Unplanned, address)
	}
	slices.Sort(d.plan.Unplanned)
	d.plan.UnplannedCount = len(d.plan.Unplanned)
	d.plan.Unplanned = slices.Clip(d.plan.Unplanned[:min(10, len(d.plan.Unplanned))])
}

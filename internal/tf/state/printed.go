package state

import (
	"bytes"
	"encoding/json"
)

// Printed finds the last state that Terraform printed in its output, as it does
// when not even errored.tfstate could be written: the JSON stands in lines of
// its own, from "{" to "}". It returns nil if there is none.
func Printed(output []byte) []byte {
	for rest := output; ; {
		start := bytes.LastIndex(rest, []byte("\n{\n"))
		if start < 0 {
			if !bytes.HasPrefix(rest, []byte("{\n")) {
				return nil
			}
			start = -1
		}
		var raw json.RawMessage
		d := json.NewDecoder(bytes.NewReader(output[start+1:]))
		if d.Decode(&raw) == nil {
			if _, err := Parse(raw); err == nil {
				return raw
			}
		}
		if start < 0 {
			return nil
		}
		rest = rest[:start]
	}
}

package state

import (
	"bytes"
	"encoding/json"
)

// Printed finds the last state that Terraform printed in its output, as it does
// when not even errored.tfstate could be written: JSON that begins a line, on one
// line or on many (EmergencyDumpState in internal/command/views of both
// projects). It returns nil if there is none.
func Printed(output []byte) []byte {
	for end := len(output); end > 0; {
		start := bytes.LastIndex(output[:end], []byte("\n{")) + 1
		if start == 0 && output[0] != '{' {
			return nil
		}
		var raw json.RawMessage
		if json.NewDecoder(bytes.NewReader(output[start:])).Decode(&raw) == nil {
			if _, err := Parse(raw); err == nil {
				return raw
			}
		}
		end = start - 1
	}
	return nil
}

// Package state (logic) reads what Terraform and OpenTofu write about the world:
// state files as far as a rescue needs them, and the information in a lock.
//
// It promises to change nothing, to tell an encrypted state from a plain one,
// and that two states are called the same only if every output and resource in
// them is. An error never quotes a value: a state is full of secrets.
//
// It doesn't upgrade old formats: a state before version 4 is an error.
package state

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// FileName is where Terraform puts a state that its backend wouldn't take, in
// the directory that it works in.
const FileName = "errored.tfstate"

// State is a state file.
type State struct {
	Serial    uint64
	Lineage   string
	Written   string // by which version of the program
	Encrypted bool   // then only Serial and Lineage are known
	Instances []Instance

	content [sha256.Size]byte
}

// Instance is one object that a state knows.
type Instance struct {
	Address string // as the command line takes it
	Type    string
	ID      string // the attribute id; empty if there is none
	Managed bool   // false: a data source
	Tainted bool
	Deposed bool
}

// Parse reads a state file. The encrypted form is OpenTofu's
// (internal/encryption/base.go): it tells serial and lineage openly.
func Parse(b []byte) (State, error) {
	var file struct {
		Version   int             `json:"version"`
		Terraform string          `json:"terraform_version"`
		Serial    uint64          `json:"serial"`
		Lineage   string          `json:"lineage"`
		Outputs   json.RawMessage `json:"outputs"`
		Resources json.RawMessage `json:"resources"`
		Encrypted json.RawMessage `json:"encrypted_data"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return State{}, errors.New("not the JSON of a state")
	}
	s := State{Serial: file.Serial, Lineage: file.Lineage, Written: file.Terraform, Encrypted: file.Encrypted != nil}
	if s.Encrypted {
		s.content = sha256.Sum256(b)
		return s, nil
	}
	if file.Version != 4 {
		return State{}, fmt.Errorf("a state of version %d; 4 is the one that is understood", file.Version)
	}
	var err error
	if s.Instances, err = instances(file.Resources); err != nil {
		return State{}, err
	}
	s.content, err = canonical(file.Outputs, file.Resources)
	return s, err
}

// SameContent reports whether two states hold the same outputs and resources,
// whatever their serials. Two encrypted ones are the same if their bytes are.
func (s State) SameContent(other State) bool {
	return s.Encrypted == other.Encrypted && s.content == other.content
}

// Tainted is what the next apply would replace.
func (s State) Tainted() []Instance {
	var all []Instance
	for _, i := range s.Instances {
		if i.Tainted && i.Managed && !i.Deposed {
			all = append(all, i)
		}
	}
	return all
}

// Digest is what the S3 backend keeps in DynamoDB to compare an object with:
// its MD5 in hexadecimal.
func Digest(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func instances(raw json.RawMessage) ([]Instance, error) {
	var resources []struct {
		Module    string `json:"module"`
		Mode      string `json:"mode"`
		Type      string `json:"type"`
		Name      string `json:"name"`
		Instances []struct {
			Key        json.RawMessage `json:"index_key"`
			Status     string          `json:"status"`
			Deposed    string          `json:"deposed"`
			Attributes json.RawMessage `json:"attributes"`
		} `json:"instances"`
	}
	if len(raw) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &resources); err != nil {
		return nil, errors.New("its resources aren't those of a state")
	}
	var all []Instance
	for _, r := range resources {
		address := r.Type + "." + r.Name
		if r.Mode == "data" {
			address = "data." + address
		}
		if r.Module != "" {
			address = r.Module + "." + address
		}
		for _, i := range r.Instances {
			key, err := index(i.Key)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", address, err)
			}
			var known struct {
				ID any `json:"id"`
			}
			_ = json.Unmarshal(i.Attributes, &known) // what has no id has none
			id, _ := known.ID.(string)
			all = append(all, Instance{
				Address: address + key, Type: r.Type, ID: id, Managed: r.Mode == "managed",
				Tainted: i.Status == "tainted", Deposed: i.Deposed != "",
			})
		}
	}
	return all, nil
}

// index is an instance's key as an address has it: a number or a quoted text.
func index(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return "", nil
	}
	var key any
	if err := json.Unmarshal(raw, &key); err != nil {
		return "", err
	}
	switch key := key.(type) {
	case float64:
		return "[" + strconv.FormatInt(int64(key), 10) + "]", nil
	case string:
		return "[" + strconv.Quote(key) + "]", nil
	default:
		return "", errors.New("an instance key that is neither a number nor a text")
	}
}

// canonical is a sum that doesn't depend on white space or on the order of keys.
func canonical(parts ...json.RawMessage) (sum [sha256.Size]byte, err error) {
	all := make([]any, len(parts))
	for i, part := range parts {
		if len(part) == 0 {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(part))
		d.UseNumber() // 64 bits don't fit a float
		if err := d.Decode(&all[i]); err != nil {
			return sum, errors.New("not the JSON of a state")
		}
		if m, ok := all[i].(map[string]any); ok && len(m) == 0 {
			all[i] = nil // no outputs are written in two ways
		}
		if l, ok := all[i].([]any); ok && len(l) == 0 {
			all[i] = nil
		}
	}
	b, err := json.Marshal(all)
	return sha256.Sum256(b), err
}

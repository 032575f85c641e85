package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Lock is what a lock says of itself, in a lock object, a DynamoDB item or a
// file beside a local state (internal/states/statemgr/locker.go in both
// projects).
type Lock struct {
	ID        string    `json:"ID"`
	Operation string    `json:"Operation"` // OperationTypeApply
	Info      string    `json:"Info"`
	Who       string    `json:"Who"` // user@host
	Version   string    `json:"Version"`
	Created   time.Time `json:"Created"`
	Path      string    `json:"Path"`
}

// ParseLock reads it.
func ParseLock(b []byte) (Lock, error) {
	var l Lock
	if err := json.Unmarshal(b, &l); err != nil {
		return Lock{}, errors.New("not the JSON of a lock")
	}
	if l.ID == "" {
		return Lock{}, errors.New("a lock without an ID")
	}
	return l, nil
}

// String names a lock to a person: its ID, holder, operation and age.
func (l Lock) String() string {
	return fmt.Sprintf("%s (%s, %s, since %s)", l.ID, l.Who, l.Operation, l.Created.UTC().Format("2006-01-02 15:04:05"))
}

// Package link (adapter) is the control socket between a keeper and the
// supervisors below it: a unix socket in a private directory, on which a
// supervisor registers the Terraform process that it is about to start and
// tells its end. One JSON object a line, one conversation a connection.
//
// It promises that a supervisor that dies doesn't take its process off the
// list: only its own word or the process's end does, which the keeper sees for
// itself. Only processes of the same user get in.
//
// It carries no credential but the endpoint's address and token, and decides
// nothing.
package link

import (
	"time"
)

// Version is the version of the conversation; a keeper and a supervisor of
// different versions don't talk.
const Version = 1

// Env is the variable that tells a supervisor where its keeper's socket is.
const Env = "HOLDFAST_CONTROL"

// Process is a Terraform process as its supervisor registers it: first, before
// it starts it, under the supervisor's own number, so that the keeper can't
// leave in between; then under its own.
type Process struct {
	PID        int       `json:"pid"`
	Born       string    `json:"born"` // tells it from a later process of that number
	Engine     string    `json:"engine"`
	Subcommand string    `json:"subcommand"`
	Dir        string    `json:"dir"`
	Began      time.Time `json:"began"`

	// What a keeper needs to settle what the process leaves behind.
	Path     string   `json:"path"`               // of the program
	Identity string   `json:"identity,omitempty"` // whose credentials it has; empty if its environment holds them
	Environ  []string `json:"environ,omitempty"`  // secrets included: never logged, never written
}

// Resource is one operation on one resource, as Terraform told it.
type Resource struct {
	Address string  `json:"address"`
	Action  string  `json:"action"` // create, update, delete, read
	Seconds float64 `json:"seconds"`
	Failed  bool    `json:"failed,omitempty"`
}

// End is how a process ended.
type End struct {
	ExitCode   int        `json:"exit_code"`
	Signal     string     `json:"signal,omitempty"`
	Seconds    float64    `json:"seconds"`
	Interrupts int        `json:"interrupts,omitempty"`
	Resources  []Resource `json:"resources,omitempty"`

	Worked   time.Time `json:"worked,omitzero"`     // the last time that it told of an operation
	InFlight []string  `json:"in_flight,omitempty"` // addresses that it was making when it ended
	Printed  []byte    `json:"printed,omitempty"`   // the state that it printed, because it couldn't write a file
}

// Progress is how far a running process has come, for a keeper that may have to
// settle what it leaves behind without an End.
type Progress struct {
	Worked   time.Time `json:"worked,omitzero"` // as in End
	Made     []string  `json:"made,omitempty"`  // addresses that it has made
	InFlight []string  `json:"in_flight,omitempty"`
}

// Ask is what a supervisor says of the process that it is about to start, so
// that the keeper can tell whose credentials it should have. Empty, it asks for
// the identity of the run.
type Ask struct {
	Identity    string `json:"identity,omitempty"`      // by its name in holdfast.hcl
	Role        string `json:"role,omitempty"`          // by its ARN, if it is declared
	AccessKeyID string `json:"access_key_id,omitempty"` // that somebody put into its environment
	Dir         string `json:"dir,omitempty"`           // where it will work
	Direct      bool   `json:"direct,omitempty"`        // its user started it under holdfast
	Caller      string `json:"caller,omitempty"`        // ARN that the keys belong to
	Problem     string `json:"problem,omitempty"`       // why nobody could tell
}

// Welcome is a keeper's answer: where the process finds credentials.
type Welcome struct {
	Identity string `json:"identity"`
	// Note is what a person should know about the choice; empty if nothing.
	Note string `json:"note,omitempty"`
	// WhoIsIt: ask AWS whose keys they are, and ask again.
	WhoIsIt bool `json:"who_is_it,omitempty"`
	// KeepKeys: nothing better than what stands in its environment is known.
	KeepKeys  bool   `json:"keep_keys,omitempty"`
	URL       string `json:"url"`
	Token     string `json:"token"`
	TokenFile string `json:"token_file"`
	Region    string `json:"region,omitempty"`
}

// message is a line of the conversation, in either direction.
type message struct {
	Version int      `json:"version"`
	Ask     *Ask     `json:"ask,omitempty"`
	Process *Process `json:"process,omitempty"`
	End     *End     `json:"end,omitempty"`
	Welcome *Welcome `json:"welcome,omitempty"`
	OK      bool     `json:"ok,omitempty"`

	Interrupted bool      `json:"interrupted,omitempty"`
	Progress    *Progress `json:"progress,omitempty"`
	Problem     string    `json:"problem,omitempty"`
}

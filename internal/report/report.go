// Package report (words) is what a run did, in the form of the JSON that
// `--report` writes. The form is a contract (docs/JSON.md): fields are only
// added within a schema version, and readers ignore what they don't know.
//
// It holds no secret: of the command only its name and Terraform's subcommand,
// because arguments may carry passwords.
package report

import "time"

// SchemaVersion is the version of Run's JSON.
const SchemaVersion = 1

// Run is one `holdfast run`.
type Run struct {
	SchemaVersion int        `json:"schema_version"`
	Command       string     `json:"command"`
	Began         time.Time  `json:"began"`
	Seconds       float64    `json:"seconds"`
	ExitCode      int        `json:"exit_code"`
	Problem       string     `json:"problem,omitempty"` // why the command wasn't started
	Stopped       string     `json:"stopped,omitempty"` // why nothing that writes was started any more
	Identity      Identity   `json:"identity"`
	Others        []Identity `json:"other_identities,omitempty"` // that processes of the run had
	Endpoint      Endpoint   `json:"endpoint"`
	Processes     []Process  `json:"processes"`
	Rescues       []Rescue   `json:"rescues,omitempty"` // of states, digests and locks that were left behind
	Drained       []Drained  `json:"drained,omitempty"` // processes that were stopped in time
	Notices       []Notice   `json:"notices"`
}

// Identity is the chain that was kept.
type Identity struct {
	Name string `json:"name"`
	From string `json:"from"`
	Hops []Hop  `json:"hops"`

	// FirstEnds says that the first credential ends and can't be had anew;
	// Ends is when, absent if that isn't known.
	FirstEnds bool       `json:"first_ends"`
	Ends      *time.Time `json:"ends,omitempty"`
}

// Hop is one credential of the chain and what became of it.
type Hop struct {
	Name            string  `json:"name"`
	RoleARN         string  `json:"role_arn,omitempty"`
	Chained         bool    `json:"chained"`
	LifetimeSeconds float64 `json:"lifetime_seconds"` // of the last one; 0 if it has no end
	Renewals        int     `json:"renewals"`
	Failures        int     `json:"failures"`
}

// Endpoint is what was served.
type Endpoint struct {
	Requests          int64            `json:"requests"`
	WithoutCredential int64            `json:"without_credential"`
	Refused           map[string]int64 `json:"refused,omitempty"`
	LeastLeftSeconds  float64          `json:"least_left_seconds"`
	UnseenUsers       int64            `json:"unseen_users"` // connections whose user the kernel couldn't tell
}

// Process is a Terraform process that ran under this keeper.
type Process struct {
	PID        int        `json:"pid"`
	Engine     string     `json:"engine"`
	Subcommand string     `json:"subcommand"`
	Dir        string     `json:"dir"`
	Told       bool       `json:"told"` // false: its supervisor was gone, so what follows isn't known
	ExitCode   int        `json:"exit_code"`
	Signal     string     `json:"signal,omitempty"`
	Seconds    float64    `json:"seconds"`
	Interrupts int        `json:"interrupts"`
	Resources  []Resource `json:"resources"`
}

// Resource is one operation on one resource.
type Resource struct {
	Address string  `json:"address"`
	Action  string  `json:"action"`
	Seconds float64 `json:"seconds"`
	Failed  bool    `json:"failed"`
}

// Notice is something that a person was told, or would have been.
type Notice struct {
	Time     time.Time `json:"time"`
	Severity string    `json:"severity"`
	Kind     string    `json:"kind"`
	Subject  string    `json:"subject"`
	Message  string    `json:"message"`
}

// Renewals counts the renewals of the last hop, which is the one that was
// served.
func (i Identity) Renewals() int {
	if len(i.Hops) == 0 {
		return 0
	}
	return i.Hops[len(i.Hops)-1].Renewals
}

// Slowest is the operation that took longest, and whether there was one.
func (r Run) Slowest() (slowest Resource, ok bool) {
	for _, p := range r.Processes {
		for _, res := range p.Resources {
			if !ok || res.Seconds > slowest.Seconds {
				slowest, ok = res, true
			}
		}
	}
	return slowest, ok
}

// Resources counts operations.
func (r Run) Resources() (n int) {
	for _, p := range r.Processes {
		n += len(p.Resources)
	}
	return n
}

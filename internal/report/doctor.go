package report

import "time"

// DoctorVersion is the version of Doctor's JSON.
const DoctorVersion = 1

// Doctor is what `holdfast doctor` found.
type Doctor struct {
	SchemaVersion int         `json:"schema_version"`
	Answer        string      `json:"answer"` // in a sentence
	Ends          string      `json:"ends"`   // never, at, unknown, nothing (no run can start)
	LastsSeconds  float64     `json:"lasts_seconds,omitempty"`
	EndedBy       string      `json:"ended_by,omitempty"`
	Cure          string      `json:"cure,omitempty"`
	Hops          []DoctorHop `json:"hops"`
	SDKs          []DoctorSDK `json:"sdks"`
	Findings      []Finding   `json:"findings"`
	Unknown       []string    `json:"unknown"` // what couldn't be looked at
}

// DoctorHop is one credential of the chain.
type DoctorHop struct {
	Name            string     `json:"name"`
	How             string     `json:"how"`
	RoleARN         string     `json:"role_arn,omitempty"`
	Where           string     `json:"where,omitempty"`
	LifetimeSeconds float64    `json:"lifetime_seconds"` // 0: no end
	Cap             string     `json:"cap,omitempty"`    // what bounds it
	Renewable       bool       `json:"renewable"`
	Ends            *time.Time `json:"ends,omitempty"` // when it can't be had any more
	EndsIt          bool       `json:"ends_it"`
}

// DoctorSDK is what wins over the endpoint in one SDK.
type DoctorSDK struct {
	SDK     string `json:"sdk"`
	Source  string `json:"source"`
	Where   string `json:"where,omitempty"`
	Profile string `json:"profile,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Finding is one thing that somebody should know: a rule with its evidence and
// its cure. Level is problem or note; only problems count for the exit code.
type Finding struct {
	Rule     string `json:"rule"`
	Level    string `json:"level"`
	What     string `json:"what"`
	Evidence string `json:"evidence"`
	Cure     string `json:"cure"`
}

// Levels of findings.
const (
	Problem = "problem"
	Note    = "note"
)

// Problems counts the findings that somebody should do something about.
func (d Doctor) Problems() int {
	n := 0
	for _, f := range d.Findings {
		if f.Level == Problem {
			n++
		}
	}
	return n
}

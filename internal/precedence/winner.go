package precedence

import "fmt"

// Source is a place that credentials come from.
type Source string

// The sources. Their order here is no order of precedence: each SDK has its
// own.
const (
	EnvKeys           Source = "static keys in variables"
	EnvWebIdentity    Source = "web identity in variables"
	ProfileKeys       Source = "static keys in a profile"
	ProfileRole       Source = "a role that a profile assumes"
	ProfileWeb        Source = "web identity in a profile"
	ProfileSSO        Source = "IAM Identity Center"
	ProfileLogin      Source = "aws login"
	ProfileProcess    Source = "credential_process"
	ContainerRelative Source = "container credentials, relative URI"
	ContainerFull     Source = "container credentials, full URI"
	InstanceMetadata  Source = "instance metadata"
	LegacyFile        Source = "AWS_CREDENTIAL_FILE"
	CodeKeys          Source = "static keys in code"
	CodeWebIdentity   Source = "web identity in code"
	None              Source = "nothing"
	Unknown           Source = "can't be told"
	Failure           Source = "an error"
)

// Where is what a decision rests on: a variable, or a place in a file.
type Where struct {
	Variable string
	File     string
	Line     int
	Column   int
}

// String is the variable's name, or file:line:column.
func (w Where) String() string {
	switch {
	case w.Variable != "":
		return w.Variable
	case w.Line > 0:
		return fmt.Sprintf("%s:%d:%d", w.File, w.Line, w.Column)
	}
	return w.File
}

// Winner is the source that an SDK uses.
type Winner struct {
	Source  Source
	Base    Source // for a role that a profile assumes: where its keys come from
	Profile string // the profile it stands in, if it does
	Where   Where
	Note    string // for a Failure: what the SDK objects to

	// Renewable says that the SDK can get new credentials by itself when the
	// first ones end. Static keys can't be renewed, whatever they are.
	Renewable bool
}

// Endpoint says that the winner is the full container URI itself.
func (w Winner) Endpoint() bool { return w.Source == ContainerFull }

// Decide says which source wins in sdk. Terraform code counts for Go only:
// no other SDK reads it.
func Decide(sdk SDK, f Facts) Winner {
	var w Winner
	switch sdk {
	case Python:
		w = decidePython(f)
	case JavaScript:
		w = decideJavaScript(f)
	default:
		w = decideGo(f)
	}
	w.Renewable = w.Renewable || renewable(w)
	return w
}

func renewable(w Winner) bool {
	source := w.Source
	if source == ProfileRole {
		source = w.Base
	}
	switch source {
	case EnvWebIdentity, ProfileWeb, ProfileSSO, ProfileLogin, ProfileProcess,
		ContainerRelative, ContainerFull, InstanceMetadata:
		return true
	}
	return false
}

func failure(w Where, profile, note string) Winner {
	return Winner{Source: Failure, Profile: profile, Where: w, Note: note}
}

func variable(name string) Where { return Where{Variable: name} }

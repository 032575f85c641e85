// Package app (composition) joins the packages: it makes an identity's chain,
// the endpoint, the child's environment and the supervisor out of flags,
// environment and holdfast.hcl, and carries a run from its first exchange to
// its report.
//
// It promises the order of a run (docs/ARCHITECTURE.md, "Life of a run") and
// that everything it opened is closed at its end. It decides nothing about the
// domain: that is for the packages that it joins.
package app

import (
	"os"

	"github.com/holdfast/holdfast/internal/source"
)

// Exit codes of `run` that are holdfast's own, as env, nice and timeout have
// them. Whatever else comes out is the child's.
const (
	ExitOwn         = 125 // holdfast itself failed, or refused
	ExitNotRunnable = 126
	ExitNotFound    = 127
)

// Process is what app may know of the process it runs in.
type Process struct {
	Environ []string
	Dir     string
	Home    string
	User    string
	Host    string
	Stdin   *os.File
	Stdout  *os.File
	Stderr  *os.File
}

// Request is what somebody asked of `holdfast run`.
type Request struct {
	Command    []string
	Identity   string      // a name in holdfast.hcl
	Wish       source.Wish // what flags say; it wins over the file
	Region     string
	Listen     string   // the endpoint's address; a random port of 127.0.0.1 if empty
	AllowUIDs  []uint32 // users beside ours who may ask the endpoint
	TokenCopy  string   // a file with the endpoint's token for the group of its directory (an agent's)
	Deliver    string   // see DeliverEndpoint; the endpoint if empty
	Foreground bool     // the ordinary process group for a Terraform too
	AllowOther bool     // go on where the code names other credentials
	ReportFile string
}

// asked reports whether flags name an identity.
func (r Request) asked() bool {
	return r.Identity != "" || r.Wish.From != "" || r.Wish.Profile != "" || r.Wish.TokenFile != "" || len(r.Wish.Roles) > 0
}

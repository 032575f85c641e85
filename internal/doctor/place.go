package doctor

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

// Place is what stands around a command, beside credentials.
type Place struct {
	Keys             bool      // static keys in variables
	SessionKeys      bool      // they are a session's
	KeysEnd          time.Time // AWS_CREDENTIAL_EXPIRATION; zero if it isn't set
	WebIdentity      bool
	SystemProperties bool // JAVA_TOOL_OPTIONS names aws.* properties
	Region           string
	STS              string // the address that AWS_ENDPOINT_URL or _STS names

	Terragrunt bool // the command is terragrunt, or there is one of its files here
	Role       Role // that Terragrunt assumes
	Binary     Setting
	EKSAuth    []string // where code reads aws_eks_cluster_auth

	GitHub          bool   // a job of GitHub Actions
	Wrapper         string // setup-terraform's wrapper, its path
	PlanKeys        string // the saved plan that holds an access key's ID
	KubernetesPod   bool
	NotWritable     []string // directories that a run needs
	EphemeralState  string   // the state directory, if it goes with the container
	ContainerNoHost bool     // the command starts a container with a network of its own
}

// Role is a role that Terragrunt assumes by itself.
type Role struct {
	ARN      string
	Duration time.Duration // 0: an hour
	Where    string
}

// Setting is a setting in a Terragrunt file.
type Setting struct {
	Value string
	Where string
}

func (f Facts) terragrunt() bool { return f.Place.Terragrunt }

func base(command string) string { return path.Base(strings.ReplaceAll(command, `\`, "/")) }

func roleName(arn string) string {
	if p, err := cred.ParseRole(arn); err == nil {
		return p.Name
	}
	return arn
}

// OwnNetwork reports whether a command starts a container in which 127.0.0.1 is
// the container's own.
func OwnNetwork(command []string) bool {
	if len(command) < 2 || !slices.Contains([]string{"docker", "podman", "nerdctl", "finch"}, base(command[0])) || command[1] != "run" {
		return false
	}
	for i, arg := range command {
		switch arg {
		case "--network=host", "--net=host":
			return false
		case "--network", "--net":
			if i+1 < len(command) && command[i+1] == "host" {
				return false
			}
		}
	}
	return true
}

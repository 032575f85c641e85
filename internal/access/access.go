// Package access (logic) judges the access entries of EKS clusters: whether the
// role or user that an entry lets in is still the one that has its name today.
//
// An entry keeps the unique ID (AROA…, AIDA…) that its principal had when the
// entry was made, shows it to nobody, and goes on comparing with it
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
// So every verdict here is inferred, carries its evidence and the strength of
// it, and what couldn't be looked at is UNKNOWN.
//
// It promises never to call an entry stale that the cluster would let in, nor
// live that it would refuse, as far as its facts are true; never to touch a
// service-linked, unknown or suspect entry; and to have every entry that it
// deletes in a journal first. It asks nobody: readers and writers are interfaces
// that adapters fill.
package access

import (
	"errors"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/report"
)

// Modes of a cluster's access configuration.
const (
	ModeAPI       = "API"
	ModeBoth      = "API_AND_CONFIG_MAP"
	ModeConfigMap = "CONFIG_MAP"
)

// Standard is the type of an entry for people and programs; all others are for
// nodes and pods, and take neither groups nor a user name
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
const Standard = "STANDARD"

// Propagation is how long IAM may take until every service knows of a change.
// IAM says no more than "eventually"
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency).
const Propagation = time.Minute

// Place is an account and a region.
type Place struct{ Partition, Account, Region string }

// Cluster is what DescribeCluster says of a cluster.
type Cluster struct {
	Place
	Name     string
	ARN      string
	Mode     string // of authentication
	Logged   bool   // whether the authenticator's log is on
	Endpoint string
	CA       []byte // PEM
}

// ClusterARN is the ARN of a cluster
// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html).
func (p Place) ClusterARN(name string) string {
	return "arn:" + p.Partition + ":eks:" + p.Region + ":" + p.Account + ":cluster/" + name
}

// Entry is what DescribeAccessEntry says, and ListAssociatedAccessPolicies.
type Entry struct {
	Cluster   string // name
	Principal string // ARN, with its path
	ARN       string // of the entry; its last part is new with each creation
	Type      string
	Username  string
	Groups    []string
	Tags      map[string]string
	Created   time.Time
	Modified  time.Time

	Policies   []report.AccessPolicy
	PolicyRead bool // whether Policies is all there are
}

// Owner is the role or user that has a principal's ARN today.
type Owner struct {
	ARN     string
	ID      string
	Created time.Time // whole seconds
	Trust   string    // a role's trust policy, if it was read

	Gone   bool    // nobody has the ARN
	Else   string  // who has the name at another path, if somebody does
	Unseen *Unseen // IAM wasn't asked, or didn't say
}

// Unseen says why something couldn't be looked at.
type Unseen struct {
	Why        string
	Permission string // that is missing, if that is why
}

// AWSAuth is what the ConfigMap aws-auth says of a principal.
type AWSAuth struct {
	Row    bool // a row or the list of accounts lets it in
	Unseen *Unseen
}

// Observation is a line of the ledger: at a time, the entry of that ARN was
// there, and its principal had that ID.
type Observation struct {
	Cluster   string    `json:"cluster"` // ARN
	Principal string    `json:"principal"`
	Entry     string    `json:"entry"` // ARN
	ID        string    `json:"principal_id"`
	At        time.Time `json:"at"`
	// Bound says that the entry was bound to this ID, by a verdict LIVE.
	Bound bool   `json:"bound,omitempty"`
	Type  string `json:"type,omitempty"`
}

// Sighting is what became of a principal at a cluster: a line of the
// authenticator's log, or a probe of ours.
type Sighting struct {
	At      time.Time
	ID      string
	Granted bool // else refused as not mapped
	Probe   bool
}

func (s Sighting) kind() string {
	if s.Probe {
		return "probe"
	}
	return "log"
}

// Probeable says whether a session of the principal that isn't a machine's tells
// something about its entry: one for machines refuses it for its name alone
// (aws-iam-authenticator pkg/server, renderTemplate).
func Probeable(f Facts) bool {
	return kindOf(f.Principal) == "role" && f.Owner.ID != "" && (f.Entry.Type == Standard || f.Entry.Type == "FARGATE_LINUX")
}

// Refusal is AWS's answer that isn't what was asked for, in AWS's own words.
type Refusal struct {
	Operation  string // ListAccessEntries
	Permission string // eks:ListAccessEntries
	Code       string // empty if no answer came
	Message    string
	Status     int
	Err        error
}

func (r *Refusal) Error() string {
	if r.Code == "" {
		return r.Operation + ": " + r.Message
	}
	return r.Operation + ": " + r.Code + ": " + r.Message
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Denied reports whether a permission is missing.
func (r *Refusal) Denied() bool {
	return r.Status == 401 || r.Status == 403 || r.Code == "AccessDenied" || r.Code == "AccessDeniedException"
}

// Gone reports whether AWS says that there is no such thing.
func (r *Refusal) Gone() bool { return r.Status == 404 || r.Code == "NoSuchEntity" }

// Exists reports whether there is one already.
func (r *Refusal) Exists() bool { return r.Status == 409 }

func refusalOf(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}

func gone(err error) bool { r, ok := refusalOf(err); return ok && r.Gone() }

// whyUnseen makes the reason of an error.
func whyUnseen(err error) *Unseen {
	u := &Unseen{Why: err.Error()}
	if r, ok := refusalOf(err); ok && r.Denied() {
		u.Permission, u.Why = r.Permission, r.Permission+" is denied: "+r.Message
	}
	return u
}

// ServiceLinked reports whether only an AWS service may change a principal, and
// so its entry
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/using-service-linked-roles.html).
func ServiceLinked(p cred.Principal) bool {
	return p.Kind == "role" && strings.HasPrefix(p.Path, "/aws-service-role/")
}

// Canonical is the form in which a cluster's authenticator compares ARNs: lower
// case and without the path (aws-iam-authenticator pkg/arn and
// pkg/mapper/configmap).
func Canonical(p cred.Principal) string {
	p.Path = "/"
	return strings.ToLower(p.ARN())
}

// ForNodes reports whether entries of a type let machines in that EC2 starts.
func ForNodes(kind string) bool {
	return kind == "EC2_LINUX" || kind == "EC2_WINDOWS" || kind == "EC2"
}

// Means says whether somebody who wrote name, on a cluster of an account, meant
// that principal: its ARN, or what stands behind the account in it.
func Means(name, account, principal string) bool {
	if name == principal {
		return true
	}
	_, rest, ok := strings.Cut(principal, ":iam::"+account+":")
	return ok && rest == name
}

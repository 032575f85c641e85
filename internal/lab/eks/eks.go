// Package eks (lab) is the control plane of Amazon EKS: clusters, node groups,
// Fargate profiles, access entries with their policies, and tags, over the
// REST-JSON protocol of its API model.
//
// It promises the failure that access entries suffer from: an entry keeps the
// unique ID that its principal had when the entry was created, shows it to
// nobody, and doesn't follow a principal that is created again. Node groups and
// Fargate profiles create an entry only if there is none and never remove it. A
// node group holds its role in an instance profile until it is gone.
// Messages that are known from the field stand as they are; where only code and
// status are known, the text is the lab's own and says so beside it.
//
// It starts no machines: a node group is ACTIVE if its role's nodes would be
// let in. It has no add-ons, no versions to update to, no pod identities, no
// encryption, no Outposts, no Auto Mode, and refuses their parameters. Nothing
// about networks is checked.
package eks

import (
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Service is EKS over a directory. Set its fields before use.
type Service struct {
	Directory *iam.Directory
	// Address gives the URL and the CA (PEM) of a cluster that is ACTIVE.
	Address func(Ref) (url string, ca []byte, err error)
	// Settle is how long a status takes to change.
	Settle time.Duration
	// HealthDelay is how long nodes may fail to join before a node group says
	// so. EKS waits a quarter of an hour: troubleshooting.adoc of its user guide.
	HealthDelay time.Duration
	// UpdateRebinds makes UpdateAccessEntry bind the entry to the ID that the
	// principal has then. What AWS does isn't known; the field says it doesn't.
	UpdateRebinds bool

	mu       sync.Mutex
	clusters map[place]*cluster
	tokens   map[string]replay
}

// Ref names one incarnation of a cluster.
type Ref struct {
	Account, Region, Name string
	// ID is new with each creation, as in the names of real endpoints.
	ID string
}

type place struct{ account, region, name string }

// New returns a control plane without clusters.
func New(d *iam.Directory) *Service {
	return &Service{Directory: d, clusters: map[place]*cluster{}, tokens: map[string]replay{}}
}

// call is one request on its way through an operation.
type call struct {
	*wire.Request
	account, region string
	caller          iam.Caller
	route           Route
	query           *query
}

// Handle answers one operation. The signature's scope names the region.
func (s *Service) Handle(r *wire.Request, caller iam.Caller, region string) (any, error) {
	route, err := Locate(r.HTTP)
	if err != nil {
		return nil, err
	}
	c := &call{Request: r, account: caller.Account, region: region, caller: caller, route: route, query: newQuery(r.HTTP.URL)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(r.Now)
	handlers := map[string]func(*call) (any, error){
		"CreateCluster": s.createCluster, "DescribeCluster": s.describeCluster, "ListClusters": s.listClusters,
		"DeleteCluster": s.deleteCluster, "UpdateClusterConfig": s.updateClusterConfig,
		"DescribeUpdate": s.describeUpdate, "ListUpdates": s.listUpdates,
		"CreateNodegroup": s.createNodegroup, "DescribeNodegroup": s.describeNodegroup,
		"ListNodegroups": s.listNodegroups, "DeleteNodegroup": s.deleteNodegroup,
		"CreateFargateProfile": s.createProfile, "DescribeFargateProfile": s.describeProfile,
		"ListFargateProfiles": s.listProfiles, "DeleteFargateProfile": s.deleteProfile,
		"CreateAccessEntry": s.createEntry, "DescribeAccessEntry": s.describeEntry, "ListAccessEntries": s.listEntries,
		"UpdateAccessEntry": s.updateEntry, "DeleteAccessEntry": s.deleteEntry,
		"AssociateAccessPolicy": s.associate, "DisassociateAccessPolicy": s.disassociate,
		"ListAssociatedAccessPolicies": s.listAssociated, "ListAccessPolicies": s.listPolicies,
		"TagResource": s.tagResource, "UntagResource": s.untagResource, "ListTagsForResource": s.listTags,
	}
	return handlers[route.Operation](c)
}

// sweep takes away what has been DELETING long enough.
func (s *Service) sweep(now time.Time) {
	for at, c := range s.clusters {
		if c.over(now) {
			delete(s.clusters, at)
			continue
		}
		for name, g := range c.groups {
			if g.over(now) {
				delete(c.groups, name)
				s.Directory.DropProfile(c.Account, g.profile())
			}
		}
		for name, p := range c.profiles {
			if p.over(now) {
				delete(c.profiles, name)
			}
		}
	}
}

// life is the part of a resource that passes with time.
type life struct {
	created time.Time
	settled time.Time // when CREATING ends
	deleted time.Time // when DELETING ends; zero: it isn't being deleted
}

func (l life) over(now time.Time) bool { return !l.deleted.IsZero() && !now.Before(l.deleted) }

// status is CREATING, DELETING or "": settled.
func (l life) status(now time.Time) string {
	switch {
	case !l.deleted.IsZero():
		return "DELETING"
	case now.Before(l.settled):
		return "CREATING"
	}
	return ""
}

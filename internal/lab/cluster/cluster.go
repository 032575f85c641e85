// Package cluster (lab) is what answers at a cluster's address: as much of a
// Kubernetes API server as says who somebody is and whether that one may see
// nodes, join as a node, or read and write aws-auth.
//
// It promises the decision of aws-iam-authenticator: the token is verified as
// its pkg/token does, with the lab's STS in the place of AWS's; the identity is
// mapped as pkg/mapper/dynamicfile with user IDs and pkg/mapper/configmap do,
// in that order; and username templates are filled as pkg/server does. Who
// isn't mapped gets 401, who may not gets 403. Every decision is a line of the
// authenticator's log if the cluster has it switched on.
//
// Each address has a CA of its own. Rights come from access policies and from
// the groups system:masters and system:nodes; there is no RBAC to add to them.
// There are no leases, so nothing tells a node from its kubelet: a node is
// Ready as long as its identity would be let in. Any other path is 501.
package cluster

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/logs"
)

// Plane serves all clusters of a lab. Set its fields before use.
type Plane struct {
	EKS  *eks.Service
	Logs *logs.Store
	// Identify is STS: it verifies a signed request and says whose it is.
	Identify func(r *http.Request, now time.Time) (iam.Caller, error)
	// OwnHost is accepted as STS host beside AWS's; "" accepts none.
	OwnHost string

	mu        sync.Mutex
	addresses map[string]*address         // by the cluster's ID
	nodes     map[string]map[string]*node // by the cluster's ID and the node's name
	instances map[string]string           // by instance ID: the private DNS name
}

// New returns a plane without addresses.
func New() *Plane {
	return &Plane{addresses: map[string]*address{}, nodes: map[string]map[string]*node{}, instances: map[string]string{}}
}

// address is where one incarnation of a cluster listens.
type address struct {
	url    string
	ca     []byte
	server *http.Server
	done   chan error
}

// Address opens the cluster's address when somebody asks for it first: a fleet
// that nobody connects to has no ports.
func (p *Plane) Address(r eks.Ref) (url string, ca []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.addresses[r.ID]; a != nil {
		return a.url, a.ca, nil
	}
	config, ca, err := certificates()
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	a := &address{
		url: "https://" + l.Addr().String(), ca: ca, done: make(chan error, 1),
		server: &http.Server{Handler: p.Handler(r), TLSConfig: config, ReadHeaderTimeout: time.Minute},
	}
	go func() { a.done <- a.server.ServeTLS(l, "", "") }()
	p.addresses[r.ID] = a
	return a.url, a.ca, nil
}

// Close ends all addresses.
func (p *Plane) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed error
	for _, a := range p.addresses {
		failed = errors.Join(failed, a.server.Close())
		if err := <-a.done; !errors.Is(err, http.ErrServerClosed) {
			failed = errors.Join(failed, err)
		}
	}
	clear(p.addresses)
	return failed
}

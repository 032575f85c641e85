package lab

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/cluster"
	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/policy"
	"github.com/holdfast/holdfast/internal/lab/sigv4"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Cluster is a cluster of the lab as it is now.
func (s *Server) Cluster(account, region, name string) (eks.Ref, bool) {
	return s.eks.Find(account, region, name)
}

// Bindings are a cluster's entries with the IDs that they keep, which AWS shows
// to nobody: for those who judge the lab.
func (s *Server) Bindings(r eks.Ref) []eks.Binding { return s.eks.Bindings(r) }

// Decide is what a cluster's authenticator says of a token, for those who judge
// the lab.
func (s *Server) Decide(r eks.Ref, token string) (cluster.User, error) {
	known, ok := s.eks.Know(r)
	if !ok {
		return cluster.User{}, errors.New("lab: no such cluster")
	}
	id, err := s.plane.Verify(r, token, time.Now())
	if err != nil {
		return cluster.User{}, err
	}
	return s.plane.Map(known, id)
}

// AWSAuth is the data of a cluster's ConfigMap aws-auth, nil if it has none.
func (s *Server) AWSAuth(r eks.Ref) map[string]string {
	known, _ := s.eks.Know(r)
	return known.AWSAuth
}

// identify is STS for the clusters: it judges a signed GetCallerIdentity as it
// would judge one that comes over the network.
func (s *Server) identify(r *http.Request, now time.Time) (iam.Caller, error) {
	x := &exchange{server: s, service: "sts"}
	x.req = wire.Request{HTTP: r, Now: now, Operation: "GetCallerIdentity"}
	if x.auth, x.authErr = sigv4.Parse(r); x.authErr != nil {
		x.auth = nil
	}
	err := x.authenticate()
	return x.caller, err
}

// serveTwin answers for a cluster at ACCOUNT/REGION/NAME/PATH without TLS.
func (s *Server) serveTwin(w http.ResponseWriter, r *http.Request, rest string) {
	parts := strings.SplitN(rest, "/", 4)
	if len(parts) < 4 {
		http.Error(w, "a cluster is at "+controlPath+"k8s/ACCOUNT/REGION/NAME/, followed by the path of its API", http.StatusNotFound)
		return
	}
	ref, ok := s.eks.Find(parts[0], parts[1], parts[2])
	if !ok {
		http.Error(w, "no cluster "+parts[2]+" in account "+parts[0]+" and region "+parts[1], http.StatusNotFound)
		return
	}
	http.StripPrefix(clusterPath(ref), s.plane.Handler(ref)).ServeHTTP(w, r)
}

// InstanceRequest is the body of POST /lab/instances: a machine that starts
// with an instance profile, or with a role as if it were in one.
type InstanceRequest struct {
	Account string `json:"account,omitempty"` // "": the first one
	Region  string `json:"region,omitempty"`  // "": the lab's
	Role    string `json:"role,omitempty"`    // name or ARN
	Profile string `json:"profile,omitempty"` // name
}

// Instance is a machine, and what its metadata service would give it.
type Instance struct {
	ID         string    `json:"id"`
	PrivateDNS string    `json:"private_dns"`
	Account    string    `json:"account"`
	Region     string    `json:"region"`
	AccessKey  string    `json:"access_key"`
	Secret     string    `json:"secret"`
	Token      string    `json:"token"`
	Expires    time.Time `json:"expires"`
}

// instanceSession: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
const instanceSession = 6 * time.Hour

// Launch starts an instance. Its session is named by the instance's ID, which
// is how an authenticator knows it.
func (s *Server) Launch(in InstanceRequest) (Instance, error) {
	if in.Account == "" {
		in.Account = s.first
	}
	if in.Region == "" {
		in.Region = s.region
	}
	role, err := s.instanceRole(in)
	if err != nil {
		return Instance{}, err
	}
	q := policy.Query{Action: "sts:AssumeRole", Keys: func(string) []string { return nil }, Is: func(p policy.Principal) bool {
		return p.Type == "*" || p.Type == "Service" && p.ID == "ec2.amazonaws.com"
	}}
	if role.Trusts.Decide(q) != policy.Allow {
		return Instance{}, fmt.Errorf("lab: role %s doesn't trust ec2.amazonaws.com, so no instance gets its credentials", role.ARN)
	}
	id := s.plane.Launch(in.Region)
	now := time.Now()
	c := s.directory.Issue(iam.Session{Role: role, Name: id, Issued: now, Expires: now.Add(instanceSession)})
	dns, _ := s.plane.PrivateDNS(id)
	return Instance{ID: id, PrivateDNS: dns, Account: in.Account, Region: in.Region, AccessKey: c.AccessKey, Secret: c.Secret, Token: c.Token, Expires: c.Caller.Session.Expires}, nil
}

func (s *Server) instanceRole(in InstanceRequest) (iam.Role, error) {
	if err := oneOf(in.Role != "", in.Profile != ""); err != nil {
		return iam.Role{}, fmt.Errorf("lab: role or profile: %w", err)
	}
	if in.Profile != "" {
		role, ok := s.directory.ProfileRole(in.Account, in.Profile)
		if !ok {
			return role, fmt.Errorf("lab: account %s has no instance profile %s with a role in it", in.Account, in.Profile)
		}
		return role, nil
	}
	role, ok := s.directory.RoleNamed(in.Account, in.Role[strings.LastIndex(in.Role, "/")+1:])
	if !ok {
		return role, fmt.Errorf("lab: account %s has no role %s", in.Account, in.Role)
	}
	return role, nil
}

func (s *Server) serveInstance(w http.ResponseWriter, r *http.Request) {
	var in InstanceRequest
	if err := readJSON(r, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	out, err := s.Launch(in)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// AddCluster adds a cluster to the running lab, as if it had been in its world,
// but not to the environment.
func (s *Server) AddCluster(account string, spec eks.Spec) (eks.Ref, error) {
	return s.addCluster(account, spec, time.Now())
}

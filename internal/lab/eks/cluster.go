package eks

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/policy"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Authentication modes.
const (
	ModeConfigMap = "CONFIG_MAP"
	ModeBoth      = "API_AND_CONFIG_MAP"
	ModeAPI       = "API"
)

// Quotas: https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html
const (
	maxClusters = 100
	maxGroups   = 30
	maxProfiles = 10
	maxEntries  = 3000
)

// defaultVersion is the Kubernetes version of a cluster that names none.
const defaultVersion = "1.34"

type cluster struct {
	Ref
	life
	arn, roleARN, version string
	vpc                   vpcConfig
	logging               map[string]bool
	mode                  string
	// creator is the ID of who created it; it is its administrator without an
	// entry while the mode is CONFIG_MAP. Empty: bootstrap was switched off.
	creatorID, creatorARN string
	tags                  map[string]string
	protected             bool
	support               string
	updates               map[string]*update
	groups                map[string]*group
	profiles              map[string]*profile
	entries               map[string]*entry // by principal ARN
	bound                 map[string]*entry // by the unique ID that the entry keeps
	awsAuth               map[string]string // nil: no ConfigMap
	awsAuthVersion        int
}

type vpcConfig struct {
	SubnetIDs      []string `json:"subnetIds"`
	SecurityGroups []string `json:"securityGroupIds"`
	Public         *bool    `json:"endpointPublicAccess,omitempty"`
	Private        *bool    `json:"endpointPrivateAccess,omitempty"`
	PublicCIDRs    []string `json:"publicAccessCidrs,omitempty"`
}

type logSetup struct {
	Types   []string `json:"types"`
	Enabled bool     `json:"enabled"`
}

type logging struct {
	Setups []logSetup `json:"clusterLogging"`
}

// logTypes: enum LogType of the API model.
func logTypes() []string {
	return []string{"api", "audit", "authenticator", "controllerManager", "scheduler"}
}

type createClusterInput struct {
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	RoleARN      string            `json:"roleArn"`
	VPC          *vpcConfig        `json:"resourcesVpcConfig"`
	Logging      *logging          `json:"logging"`
	Token        string            `json:"clientRequestToken"`
	Tags         map[string]string `json:"tags"`
	AccessConfig *struct {
		Bootstrap *bool  `json:"bootstrapClusterCreatorAdminPermissions"`
		Mode      string `json:"authenticationMode"`
	} `json:"accessConfig"`
	SelfManagedAddons *bool `json:"bootstrapSelfManagedAddons"` // the lab installs nothing either way
	UpgradePolicy     *struct {
		Support string `json:"supportType"`
	} `json:"upgradePolicy"`
	Protection *bool `json:"deletionProtection"`
}

func (s *Service) createCluster(c *call) (any, error) {
	var in createClusterInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if answer, again, err := s.replayed(c, in.Token); again || err != nil {
		return answer, err
	}
	if err := s.checkCluster(c, in); err != nil {
		return nil, err
	}
	at := place{c.account, c.region, in.Name}
	made := s.newCluster(at, in.RoleARN, in.Version, c.Now)
	made.settled = c.Now.Add(s.Settle)
	made.vpc, made.tags = *in.VPC, in.Tags
	made.protected = in.Protection != nil && *in.Protection
	if in.UpgradePolicy != nil {
		made.support = in.UpgradePolicy.Support
	}
	if in.Logging != nil {
		if err := made.setLogging(*in.Logging); err != nil {
			return nil, err
		}
	}
	bootstrap := true
	if in.AccessConfig != nil {
		if in.AccessConfig.Mode != "" {
			made.mode = in.AccessConfig.Mode
		}
		if in.AccessConfig.Bootstrap != nil {
			bootstrap = *in.AccessConfig.Bootstrap
		}
	}
	if bootstrap {
		made.creatorARN, made.creatorID = c.caller.ARN, c.caller.UserID
		if session := c.caller.Session; session != nil {
			made.creatorARN, made.creatorID = session.Role.ARN, session.Role.ID
		}
	}
	s.clusters[at] = made
	s.bootstrap(made, c.Now)
	shown, err := s.show(made, c.Now)
	if err != nil {
		return nil, err
	}
	shown.AccessConfig.Bootstrap = &bootstrap
	answer := map[string]any{"cluster": shown}
	s.remember(c, in.Token, answer, func() bool { return s.clusters[at] == made })
	return answer, nil
}

func (s *Service) checkCluster(c *call, in createClusterInput) error {
	if err := required(map[string]string{"name": in.Name, "roleArn": in.RoleARN}); err != nil {
		return err
	}
	if in.VPC == nil || len(in.VPC.SubnetIDs) == 0 {
		return invalidParameter("Subnets specified must be in at least two different AZs")
	}
	if !regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`).MatchString(in.Name) {
		return invalidParameter("The cluster name %s is invalid.", in.Name) // the lab's own text
	}
	if a := in.AccessConfig; a != nil && a.Mode != "" && !slices.Contains([]string{ModeAPI, ModeBoth, ModeConfigMap}, a.Mode) {
		return invalidParameter("Unsupported authentication mode %s", a.Mode) // the lab's own text
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	if err := s.roleFor(in.RoleARN, "eks.amazonaws.com", "clusterRole", c.Now); err != nil {
		return err
	}
	if s.clusters[place{c.account, c.region, in.Name}] != nil {
		return inUse("Cluster already exists with name: "+in.Name, map[string]any{"clusterName": in.Name})
	}
	own := 0
	for at := range s.clusters {
		if at.account == c.account && at.region == c.region {
			own++
		}
	}
	if own >= maxClusters {
		return limitExceeded("Cluster", maxClusters)
	}
	return nil
}

// roleFor checks that a role exists and that the service may assume it. The
// second text is from the field (terraform-provider-aws#9447 and others).
func (s *Service) roleFor(arn, service, what string, now time.Time) error {
	_, seen := s.Directory.Propagated(arn, now)
	role, exists := s.Directory.Role(arn)
	if !seen || !exists {
		p, _ := iam.ParsePrincipal(arn)
		return invalidParameter("The role with name %s cannot be found.", p.Name) // IAM's text
	}
	is := func(p policy.Principal) bool { return p.Type == "*" || p.Type == "Service" && p.ID == service }
	q := policy.Query{Action: "sts:AssumeRole", Is: is, Keys: func(string) []string { return nil }}
	if role.Trusts.Decide(q) != policy.Allow {
		return invalidParameter("Following required service principals [%s] were not found in the trust relationships of %s %s", service, what, arn)
	}
	return nil
}

func (s *Service) newCluster(at place, roleARN, version string, now time.Time) *cluster {
	if version == "" {
		version = defaultVersion
	}
	id := make([]byte, 16)
	rand.Read(id) // never fails: https://pkg.go.dev/crypto/rand#Read
	return &cluster{
		Ref:  Ref{Account: at.account, Region: at.region, Name: at.name, ID: fmt.Sprintf("%X", id)},
		life: life{created: now, settled: now}, mode: ModeConfigMap, support: "EXTENDED",
		arn: arnOf(at.region, at.account) + "cluster/" + at.name, roleARN: roleARN, version: version,
		logging: map[string]bool{}, updates: map[string]*update{}, groups: map[string]*group{},
		profiles: map[string]*profile{}, entries: map[string]*entry{}, bound: map[string]*entry{},
	}
}

func (c *cluster) setLogging(in logging) error {
	for _, setup := range in.Setups {
		for _, t := range setup.Types {
			if !slices.Contains(logTypes(), t) {
				return invalidParameter("Invalid log type %s", t) // the lab's own text
			}
			c.logging[t] = setup.Enabled
		}
	}
	return nil
}

type clusterJSON struct {
	Name         string            `json:"name"`
	ARN          string            `json:"arn"`
	CreatedAt    stamp             `json:"createdAt"`
	Version      string            `json:"version"`
	Platform     string            `json:"platformVersion"`
	Endpoint     string            `json:"endpoint,omitempty"`
	RoleARN      string            `json:"roleArn"`
	VPC          vpcConfig         `json:"resourcesVpcConfig"`
	Network      map[string]any    `json:"kubernetesNetworkConfig"`
	Logging      logging           `json:"logging"`
	Status       string            `json:"status"`
	CA           map[string]string `json:"certificateAuthority"`
	Tags         map[string]string `json:"tags"`
	Health       map[string]any    `json:"health"`
	AccessConfig struct {
		// Bootstrap is only in the answer to CreateCluster.
		Bootstrap *bool  `json:"bootstrapClusterCreatorAdminPermissions,omitempty"`
		Mode      string `json:"authenticationMode"`
	} `json:"accessConfig"`
	UpgradePolicy map[string]string `json:"upgradePolicy"`
	Protection    bool              `json:"deletionProtection"`
}

// show describes a cluster. Its address appears once it is ACTIVE.
func (s *Service) show(c *cluster, now time.Time) (clusterJSON, error) {
	out := clusterJSON{
		Name: c.Name, ARN: c.arn, CreatedAt: stamp(c.created), Version: c.version, Platform: "eks.1", RoleARN: c.roleARN, VPC: c.vpc,
		Network: map[string]any{"serviceIpv4Cidr": "10.100.0.0/16", "ipFamily": "ipv4"},
		CA:      map[string]string{}, Tags: c.tags, Health: map[string]any{"issues": []any{}},
		UpgradePolicy: map[string]string{"supportType": c.support}, Protection: c.protected,
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	out.AccessConfig.Mode = c.mode
	on, off := []string{}, []string{}
	for _, t := range logTypes() {
		if c.logging[t] {
			on = append(on, t)
		} else {
			off = append(off, t)
		}
	}
	for _, setup := range []logSetup{{on, true}, {off, false}} {
		if len(setup.Types) > 0 {
			out.Logging.Setups = append(out.Logging.Setups, setup)
		}
	}
	out.Status = c.state(now)
	if out.Status == "CREATING" || s.Address == nil {
		return out, nil
	}
	url, ca, err := s.Address(c.Ref)
	if err != nil {
		return out, err
	}
	out.Endpoint = url
	out.CA["data"] = base64.StdEncoding.EncodeToString(ca)
	return out, nil
}

func (c *cluster) state(now time.Time) string {
	if passing := c.status(now); passing != "" {
		return passing
	}
	for _, u := range c.updates {
		if now.Before(u.done) {
			return "UPDATING"
		}
	}
	return "ACTIVE"
}

// cluster finds the one that the path names.
func (s *Service) cluster(c *call) (*cluster, error) {
	found := s.clusters[place{c.account, c.region, c.route.Cluster}]
	if found == nil {
		return nil, notFound("No cluster found for name: "+c.route.Cluster+".", map[string]any{"clusterName": c.route.Cluster})
	}
	return found, nil
}

// active finds a cluster that can be worked on. The text is the lab's own.
func (s *Service) active(c *call) (*cluster, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	if state := found.state(c.Now); state != "ACTIVE" && state != "UPDATING" {
		return nil, invalidRequest("Cluster %s is not in ACTIVE status: %s", found.Name, state)
	}
	return found, nil
}

func (s *Service) describeCluster(c *call) (any, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	if err := c.query.unread(c.Operation); err != nil {
		return nil, err
	}
	shown, err := s.show(found, c.Now)
	return map[string]any{"cluster": shown}, err
}

func (s *Service) listClusters(c *call) (any, error) {
	if include := c.query.list("include"); len(include) > 0 {
		return nil, wire.Unsupported("clusters that are connected from outside (include of ListClusters)")
	}
	var names []string
	for at := range s.clusters {
		if at.account == c.account && at.region == c.region {
			names = append(names, at.name)
		}
	}
	return c.list("clusters", names)
}

// list answers with a page of names.
func (c *call) list(member string, names []string) (any, error) {
	page, next, err := c.page(names)
	if err != nil {
		return nil, err
	}
	out := map[string]any{member: page}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

func (s *Service) deleteCluster(c *call) (any, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	detail := map[string]any{"clusterName": found.Name}
	switch {
	case found.state(c.Now) != "ACTIVE":
		return nil, inUse("Cluster has an operation in progress", detail) // the lab's own text
	case len(found.groups) > 0:
		return nil, inUse("Cluster has nodegroups attached", detail)
	case len(found.profiles) > 0:
		return nil, inUse("Cluster has fargate profiles attached", detail) // the lab's own text
	case found.protected:
		return nil, &wire.Error{Status: http.StatusBadRequest, Code: codeInvalidRequest, Detail: detail,
			Message: "Cluster has deletion protection enabled"} // the lab's own text
	}
	found.deleted = c.Now.Add(s.Settle)
	shown, err := s.show(found, c.Now)
	return map[string]any{"cluster": shown}, err
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

package eks

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/awsauth"
	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

type group struct {
	life
	name, arn, role string
	ami             string
	in              createGroupInput
	tags            map[string]string
	instance        string // an ID for messages
	joined          bool   // its nodes have been let in once
	failed          bool
}

type scaling struct {
	Min     *int `json:"minSize,omitempty"`
	Max     *int `json:"maxSize,omitempty"`
	Desired *int `json:"desiredSize,omitempty"`
}

type createGroupInput struct {
	Name     string            `json:"nodegroupName"`
	Role     string            `json:"nodeRole"`
	Subnets  []string          `json:"subnets"`
	Scaling  *scaling          `json:"scalingConfig"`
	Disk     *int              `json:"diskSize"`
	Types    []string          `json:"instanceTypes"`
	AMI      string            `json:"amiType"`
	Labels   map[string]string `json:"labels"`
	Tags     map[string]string `json:"tags"`
	Token    string            `json:"clientRequestToken"`
	Capacity string            `json:"capacityType"`
	Version  string            `json:"version"`
	Update   *struct {
		Unavailable *int `json:"maxUnavailable,omitempty"`
		Percentage  *int `json:"maxUnavailablePercentage,omitempty"`
	} `json:"updateConfig"`
}

func (s *Service) createNodegroup(c *call) (any, error) {
	var in createGroupInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	found, err := s.active(c)
	if err != nil {
		return nil, err
	}
	if answer, again, err := s.replayed(c, in.Token); again || err != nil {
		return answer, err
	}
	if err := s.checkGroup(c, found, in); err != nil {
		return nil, err
	}
	if in.AMI == "" {
		in.AMI = "AL2023_x86_64_STANDARD"
	}
	g := s.addGroup(found, in, c.Now, s.Settle)
	if err := s.letIn(found, g.role, g.entryKind(), c.Now); err != nil {
		return nil, err
	}
	answer := s.showGroup(found, g, c.Now)
	s.remember(c, in.Token, answer, func() bool { return found.groups[in.Name] == g })
	return answer, nil
}

func (s *Service) checkGroup(c *call, found *cluster, in createGroupInput) error {
	if err := required(map[string]string{"nodegroupName": in.Name, "nodeRole": in.Role, "subnets": strings.Join(in.Subnets, " ")}); err != nil {
		return err
	}
	if in.AMI != "" && !slices.Contains(amiTypes(), in.AMI) {
		return wire.Unsupported("the amiType " + in.AMI)
	}
	if err := checkTags(in.Tags); err != nil {
		return err
	}
	detail := map[string]any{"clusterName": found.Name, "nodegroupName": in.Name}
	if found.groups[in.Name] != nil {
		return inUse("NodeGroup already exists with name "+in.Name+" and cluster name "+found.Name, detail)
	}
	if len(found.groups) >= maxGroups {
		return limitExceeded("NodeGroup", maxGroups)
	}
	if !c.May("iam:PassRole", in.Role) {
		return wire.Refuse(http.StatusForbidden, "AccessDeniedException", "User: "+c.caller.ARN+
			" is not authorized to perform: iam:PassRole on resource: "+in.Role+" because no session policy allows the iam:PassRole action")
	}
	return s.roleFor(in.Role, "ec2.amazonaws.com", "nodeRole", c.Now)
}

func amiTypes() []string {
	return []string{
		"AL2023_x86_64_STANDARD", "AL2023_ARM_64_STANDARD", "AL2_x86_64", "AL2_ARM_64", "CUSTOM", "BOTTLEROCKET_ARM_64", "BOTTLEROCKET_x86_64",
		"WINDOWS_CORE_2019_x86_64", "WINDOWS_FULL_2019_x86_64", "WINDOWS_CORE_2022_x86_64", "WINDOWS_FULL_2022_x86_64",
	}
}

func (s *Service) addGroup(c *cluster, in createGroupInput, now time.Time, settle time.Duration) *group {
	id := make([]byte, 9)
	rand.Read(id) // never fails: https://pkg.go.dev/crypto/rand#Read
	g := &group{
		life: life{created: now, settled: now.Add(settle)}, name: in.Name, role: in.Role, ami: in.AMI, in: in, tags: in.Tags,
		arn:      arnOf(c.Region, c.Account) + "nodegroup/" + c.Name + "/" + in.Name + "/" + newUUID(),
		instance: fmt.Sprintf("i-%x", id)[:19],
	}
	c.groups[in.Name] = g
	if p, ok := iam.ParsePrincipal(g.role); ok {
		// A role that isn't there is some worlds' affair; CreateNodegroup refuses it.
		_ = s.Directory.PutProfile(c.Account, g.profile(), "/", p.Name, now)
	}
	return g
}

// profile is the instance profile that EKS keeps for a node group's role, as long
// as the group is there, so that nobody can delete the role meanwhile
// (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSServiceRoleForAmazonEKSNodegroup.html).
func (g *group) profile() string { return "eks-" + g.id() }

func (g *group) id() string { return g.arn[strings.LastIndex(g.arn, "/")+1:] }

func (g *group) entryKind() string {
	if strings.HasPrefix(g.ami, "WINDOWS_") {
		return Windows
	}
	return Linux
}

// letIn is what EKS does so that a role's nodes or pods can join: an access
// entry if the mode has them, else a row of aws-auth (the user guide's
// access-entries.adoc; the API model still speaks of rows in both modes). What
// is there already is left alone (containers-roadmap#2631).
func (s *Service) letIn(c *cluster, role, kind string, now time.Time) error {
	p, ok := s.Directory.Propagated(role, now)
	if !ok {
		return nil
	}
	if c.mode != ModeConfigMap {
		c.addIfAbsent(p, kind, now)
		return nil
	}
	row := awsauth.Row{RoleARN: pathless(p), Username: defaultUsername(kind, p), Groups: []string{"system:bootstrappers", nodesGroup}}
	if kind == Fargate {
		row.Groups = append(row.Groups, "system:node-proxier")
	}
	data, err := awsauth.Add(c.awsAuth, row)
	if err != nil {
		return invalidRequest("aws-auth ConfigMap in cluster is invalid: %v", err) // the lab's own text
	}
	c.setAWSAuth(data)
	return nil
}

// pathless is the ARN that aws-auth wants: eksctl#7846.
func pathless(p iam.Principal) string {
	return "arn:" + iam.Partition + ":iam::" + p.Account + ":" + p.Kind + "/" + p.Name
}

func (c *cluster) setAWSAuth(data map[string]string) {
	c.awsAuth = data
	c.awsAuthVersion++
}

func (s *Service) group(c *call) (*cluster, *group, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, nil, err
	}
	if err := c.query.unread(c.Operation); err != nil {
		return nil, nil, err
	}
	g := found.groups[c.route.Name]
	if g == nil {
		return nil, nil, notFound("No node group found for name: "+c.route.Name+".", map[string]any{"clusterName": found.Name, "nodegroupName": c.route.Name})
	}
	return found, g, nil
}

func (s *Service) describeNodegroup(c *call) (any, error) {
	found, g, err := s.group(c)
	if err != nil {
		return nil, err
	}
	return s.showGroup(found, g, c.Now), nil
}

func (s *Service) listNodegroups(c *call) (any, error) {
	found, err := s.cluster(c)
	if err != nil {
		return nil, err
	}
	return c.list("nodegroups", sortedKeys(found.groups))
}

// deleteNodegroup leaves the access entry (containers-roadmap#2441, #2631) and
// takes the role's aws-auth row with the last node group of the role (the user
// guide's delete-managed-node-group.adoc).
func (s *Service) deleteNodegroup(c *call) (any, error) {
	found, g, err := s.group(c)
	if err != nil {
		return nil, err
	}
	if g.deleted.IsZero() {
		g.deleted = c.Now.Add(s.Settle)
	}
	last := true
	for _, other := range found.groups {
		last = last && (other == g || other.role != g.role || !other.deleted.IsZero())
	}
	if p, ok := iam.ParsePrincipal(g.role); ok && last && found.awsAuth != nil {
		if data, err := awsauth.Remove(found.awsAuth, pathless(p)); err == nil {
			found.setAWSAuth(data)
		}
	}
	return s.showGroup(found, g, c.Now), nil
}

func (s *Service) showGroup(c *cluster, g *group, now time.Time) map[string]any {
	status, issues := s.health(c, g, now)
	version := g.in.Version
	if version == "" {
		version = c.version
	}
	out := map[string]any{
		"nodegroupName": g.name, "nodegroupArn": g.arn, "clusterName": c.Name, "version": version, "releaseVersion": version + ".0-lab",
		"createdAt": stamp(g.created), "modifiedAt": stamp(g.created), "status": status, "subnets": g.in.Subnets, "amiType": g.ami,
		"nodeRole": g.role, "health": map[string]any{"issues": issues}, "capacityType": orElse(g.in.Capacity, "ON_DEMAND"),
		"instanceTypes": []string{"t3.medium"}, "diskSize": 20, "labels": map[string]string{}, "tags": map[string]string{},
		"scalingConfig": g.in.Scaling, "updateConfig": map[string]int{"maxUnavailable": 1},
		"resources": map[string]any{"autoScalingGroups": []any{map[string]string{"name": "eks-" + g.name + "-" + g.id()}}},
	}
	if g.in.Scaling == nil {
		two := map[string]int{"minSize": 1, "maxSize": 2, "desiredSize": 2}
		out["scalingConfig"] = two
	}
	if len(g.in.Types) > 0 {
		out["instanceTypes"] = g.in.Types
	}
	if g.in.Disk != nil {
		out["diskSize"] = *g.in.Disk
	}
	if g.in.Labels != nil {
		out["labels"] = g.in.Labels
	}
	if g.tags != nil {
		out["tags"] = g.tags
	}
	if g.in.Update != nil {
		out["updateConfig"] = g.in.Update
	}
	return map[string]any{"nodegroup": out}
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

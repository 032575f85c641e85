package eks

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
)

// PolicyPrefix is in front of the name of every access policy.
const PolicyPrefix = "arn:" + iam.Partition + ":eks::aws:cluster-access-policy/"

// Policies that the cluster knows the rights of.
const (
	PolicyClusterAdmin = PolicyPrefix + "AmazonEKSClusterAdminPolicy"
	PolicyAdmin        = PolicyPrefix + "AmazonEKSAdminPolicy"
	PolicyAdminView    = PolicyPrefix + "AmazonEKSAdminViewPolicy"
	PolicyEdit         = PolicyPrefix + "AmazonEKSEditPolicy"
	PolicyView         = PolicyPrefix + "AmazonEKSViewPolicy"
	PolicyAutoNode     = PolicyPrefix + "AmazonEKSAutoNodePolicy"
	policyInsights     = PolicyPrefix + "AmazonEKSClusterInsightsPolicy"
)

// policies are those of
// https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html;
// forServices are the ones of them that only service-linked roles may have
// (awsdocs/amazon-eks-user-guide#1003).
func policies() (all, forServices []string) {
	forServices = []string{
		policyInsights, PolicyPrefix + "AmazonEKSHybridPolicy", PolicyPrefix + "AmazonEKSComputeClusterPolicy",
		PolicyPrefix + "AmazonEKSBlockStorageClusterPolicy", PolicyPrefix + "AmazonEKSComputePolicy", PolicyPrefix + "AmazonEKSBlockStoragePolicy",
	}
	all = slices.Concat(forServices, []string{
		PolicyAdmin, PolicyAdminView, PolicyAutoNode, PolicyClusterAdmin, PolicyEdit, PolicyView,
		PolicyPrefix + "AmazonEKSLoadBalancingClusterPolicy", PolicyPrefix + "AmazonEKSLoadBalancingPolicy",
		PolicyPrefix + "AmazonEKSNetworkingClusterPolicy", PolicyPrefix + "AmazonEKSNetworkingPolicy",
		PolicyPrefix + "AmazonEKSSecretReaderPolicy", PolicyPrefix + "AmazonEMRJobPolicy",
	})
	return all, forServices
}

// Scope is where an access policy holds.
type Scope struct {
	Type       string   `json:"type"` // cluster or namespace
	Namespaces []string `json:"namespaces"`
}

type association struct {
	arn      string
	scope    Scope
	since    time.Time
	modified time.Time
}

func (a *association) show() map[string]any {
	scope := a.scope
	if scope.Namespaces == nil {
		scope.Namespaces = []string{}
	}
	return map[string]any{"policyArn": a.arn, "accessScope": scope, "associatedAt": stamp(a.since), "modifiedAt": stamp(a.modified)}
}

// put associates a policy or changes its scope.
func (e *entry) put(arn string, scope Scope, now time.Time) *association {
	a := e.policies[arn]
	if a == nil {
		a = &association{arn: arn, since: now}
		e.policies[arn] = a
	}
	a.scope, a.modified = scope, now
	return a
}

// checkPolicy: the texts are the lab's own.
func checkPolicy(e *entry, arn string, scope Scope) error {
	all, forServices := policies()
	switch {
	case !slices.Contains(all, arn):
		return notFound("The specified policyArn could not be found", nil)
	case slices.Contains(forServices, arn) && !e.principal.ServiceLinked():
		return invalidParameter("The policy %s can only be associated with a service linked role.", arn)
	case e.kind != Standard && (e.kind != AutoMode || arn != PolicyAutoNode):
		// https://docs.aws.amazon.com/eks/latest/userguide/create-node-class.html
		// associates AmazonEKSAutoNodePolicy with an entry of type EC2.
		return invalidRequest("Access policies can't be associated with access entries of type %s.", e.kind)
	}
	return checkScope(scope)
}

func checkScope(scope Scope) error {
	switch {
	case scope.Type == "cluster" && len(scope.Namespaces) == 0:
		return nil
	case scope.Type == "namespace" && len(scope.Namespaces) > 0 && !slices.Contains(scope.Namespaces, ""):
		return nil
	}
	return invalidParameter("The access scope is invalid: type %q with namespaces [%s]", scope.Type, strings.Join(scope.Namespaces, " "))
}

func (s *Service) associate(c *call) (any, error) {
	var in struct {
		Policy string `json:"policyArn"`
		Scope  *Scope `json:"accessScope"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	found, e, err := s.entry(c)
	if err != nil {
		return nil, err
	}
	if e.principal.ServiceLinked() {
		return nil, invalidParameter(serviceLinked)
	}
	if in.Scope == nil {
		return nil, required(map[string]string{"policyArn": in.Policy, "accessScope": ""})
	}
	if err := checkPolicy(e, in.Policy, *in.Scope); err != nil {
		return nil, err
	}
	a := e.put(in.Policy, *in.Scope, c.Now)
	return map[string]any{"clusterName": found.Name, "principalArn": e.principal.ARN, "associatedAccessPolicy": a.show()}, nil
}

func (s *Service) disassociate(c *call) (any, error) {
	if err := c.query.unread(c.Operation); err != nil {
		return nil, err
	}
	_, e, err := s.entry(c)
	if err != nil {
		return nil, err
	}
	if e.principal.ServiceLinked() {
		return nil, invalidRequest(serviceLinked)
	}
	if e.policies[c.route.Policy] == nil {
		return nil, notFound("The specified policyArn could not be found", nil) // the lab's own text
	}
	delete(e.policies, c.route.Policy)
	return map[string]any{}, nil
}

func (s *Service) listAssociated(c *call) (any, error) {
	found, e, err := s.entry(c)
	if err != nil {
		return nil, err
	}
	page, next, err := c.page(sortedKeys(e.policies))
	if err != nil {
		return nil, err
	}
	shown := []any{}
	for _, arn := range page {
		shown = append(shown, e.policies[arn].show())
	}
	out := map[string]any{"clusterName": found.Name, "principalArn": e.principal.ARN, "associatedAccessPolicies": shown}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

func (s *Service) listPolicies(c *call) (any, error) {
	all, _ := policies()
	page, next, err := c.page(all)
	if err != nil {
		return nil, err
	}
	shown := []any{}
	for _, arn := range page {
		shown = append(shown, map[string]string{"name": strings.TrimPrefix(arn, PolicyPrefix), "arn": arn})
	}
	out := map[string]any{"accessPolicies": shown}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

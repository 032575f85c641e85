package eks

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Route is an operation and the labels of its path.
type Route struct {
	Operation string
	Cluster   string
	Name      string // of the node group, profile or update
	Principal string // ARN
	Policy    string // ARN
	Resource  string // ARN, of the tag operations
}

// pattern is a path of the API model; labels are in braces.
type pattern struct{ method, path, operation string }

func patterns() []pattern {
	const entry = "/clusters/{cluster}/access-entries/{principal}"
	return []pattern{
		{"POST", "/clusters", "CreateCluster"}, {"GET", "/clusters", "ListClusters"},
		{"GET", "/clusters/{cluster}", "DescribeCluster"}, {"DELETE", "/clusters/{cluster}", "DeleteCluster"},
		{"POST", "/clusters/{cluster}/update-config", "UpdateClusterConfig"},
		{"GET", "/clusters/{cluster}/updates", "ListUpdates"}, {"GET", "/clusters/{cluster}/updates/{name}", "DescribeUpdate"},
		{"POST", "/clusters/{cluster}/node-groups", "CreateNodegroup"}, {"GET", "/clusters/{cluster}/node-groups", "ListNodegroups"},
		{"GET", "/clusters/{cluster}/node-groups/{name}", "DescribeNodegroup"},
		{"DELETE", "/clusters/{cluster}/node-groups/{name}", "DeleteNodegroup"},
		{"POST", "/clusters/{cluster}/fargate-profiles", "CreateFargateProfile"},
		{"GET", "/clusters/{cluster}/fargate-profiles", "ListFargateProfiles"},
		{"GET", "/clusters/{cluster}/fargate-profiles/{name}", "DescribeFargateProfile"},
		{"DELETE", "/clusters/{cluster}/fargate-profiles/{name}", "DeleteFargateProfile"},
		{"POST", "/clusters/{cluster}/access-entries", "CreateAccessEntry"}, {"GET", "/clusters/{cluster}/access-entries", "ListAccessEntries"},
		{"GET", entry, "DescribeAccessEntry"}, {"POST", entry, "UpdateAccessEntry"}, {"DELETE", entry, "DeleteAccessEntry"},
		{"POST", entry + "/access-policies", "AssociateAccessPolicy"}, {"GET", entry + "/access-policies", "ListAssociatedAccessPolicies"},
		{"DELETE", entry + "/access-policies/{policy}", "DisassociateAccessPolicy"},
		{"GET", "/access-policies", "ListAccessPolicies"},
		{"POST", "/tags/{resource}", "TagResource"}, {"DELETE", "/tags/{resource}", "UntagResource"}, {"GET", "/tags/{resource}", "ListTagsForResource"},
	}
}

// Locate finds the operation. ARNs travel encoded inside the path, so it is
// taken apart before it is decoded.
func Locate(r *http.Request) (Route, error) {
	parts := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for _, p := range patterns() {
		if p.method != r.Method {
			continue
		}
		if route, ok := p.match(parts); ok {
			return route, nil
		}
	}
	return Route{}, wire.Unsupported("eks: " + r.Method + " " + r.URL.EscapedPath())
}

func (p pattern) match(parts []string) (Route, bool) {
	wanted := strings.Split(strings.Trim(p.path, "/"), "/")
	if len(wanted) != len(parts) {
		return Route{}, false
	}
	route := Route{Operation: p.operation}
	labels := map[string]*string{
		"{cluster}": &route.Cluster, "{name}": &route.Name, "{principal}": &route.Principal,
		"{policy}": &route.Policy, "{resource}": &route.Resource,
	}
	for i, w := range wanted {
		into, isLabel := labels[w]
		if !isLabel {
			if w != parts[i] {
				return Route{}, false
			}
			continue
		}
		value, err := url.PathUnescape(parts[i])
		if err != nil || value == "" {
			return Route{}, false
		}
		*into = value
	}
	return route, true
}

// Permission is the action and the resource that a policy would name:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
func (s *Service) Permission(route Route, account, region string) (action, resource string) {
	action = "eks:" + route.Operation
	arn := arnOf(region, account)
	switch {
	case route.Resource != "":
		return action, route.Resource
	case route.Cluster == "":
		return action, "*"
	case route.Principal != "":
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.clusters[place{account, region, route.Cluster}]; c != nil && c.entries[route.Principal] != nil {
			return action, c.entries[route.Principal].arn
		}
		p, _ := iam.ParsePrincipal(route.Principal)
		return action, arn + "access-entry/" + route.Cluster + "/" + p.Kind + "/" + p.Account + "/" + p.Name + "/*"
	case strings.HasSuffix(route.Operation, "Nodegroup") && route.Name != "":
		return action, arn + "nodegroup/" + route.Cluster + "/" + route.Name + "/*"
	case strings.HasSuffix(route.Operation, "FargateProfile") && route.Name != "":
		return action, arn + "fargateprofile/" + route.Cluster + "/" + route.Name + "/*"
	}
	return action, arn + "cluster/" + route.Cluster
}

func arnOf(region, account string) string {
	return "arn:" + iam.Partition + ":eks:" + region + ":" + account + ":"
}

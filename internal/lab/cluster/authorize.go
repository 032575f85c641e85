package cluster

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/eks"
)

// request is what somebody wants, in Kubernetes' words.
type request struct {
	verb, group, resource string
	namespace, name       string
}

func (q request) reads() bool { return slices.Contains([]string{"get", "list", "watch"}, q.verb) }

// allows asks the groups and the access policies. What the policies give:
// https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html;
// what system:nodes gives: NodeRules of Kubernetes'
// plugin/pkg/auth/authorizer/rbac/bootstrappolicy and the admission plugin
// NodeRestriction.
func (u User) allows(q request) bool {
	switch {
	case q.resource == "selfsubjectreviews": // system:basic-user
		return true
	case u.in(masters):
		return true
	case u.in(nodes) && u.node(q):
		return true
	}
	for arn, scope := range u.Policies {
		if gives(arn, scope, u, q) {
			return true
		}
	}
	return false
}

// node is what a kubelet may do: to nodes only as itself, and reviews.
func (u User) node(q request) bool {
	self, isNode := strings.CutPrefix(u.Name, "system:node:")
	switch q.resource {
	case "nodes":
		return isNode && (q.reads() || q.verb == "create" && q.name == self)
	case "tokenreviews":
		return isNode
	}
	return false
}

func gives(arn string, scope eks.Scope, u User, q request) bool {
	if !covers(scope, q.namespace) {
		return false
	}
	namespaced := q.namespace != ""
	switch arn {
	case eks.PolicyClusterAdmin:
		return true
	case eks.PolicyAdmin, eks.PolicyEdit:
		return namespaced
	case eks.PolicyAdminView:
		return q.reads()
	case eks.PolicyView:
		return namespaced && q.reads()
	case eks.PolicyAutoNode:
		return u.node(q)
	}
	return false
}

// covers: a namespace's name may have wildcards.
func covers(scope eks.Scope, namespace string) bool {
	if scope.Type == "cluster" {
		return true
	}
	return namespace != "" && slices.ContainsFunc(scope.Namespaces, func(pattern string) bool {
		ok, err := path.Match(pattern, namespace)
		return ok && err == nil
	})
}

// forbidden is the API server's text.
func (q request) forbidden(user string) string {
	text := fmt.Sprintf("%s is forbidden: User %q cannot %s resource %q in API group %q", q.resource, user, q.verb, q.resource, q.group)
	if q.namespace != "" {
		text = fmt.Sprintf("%s %q is forbidden: User %q cannot %s resource %q in API group %q", q.resource, q.name, user, q.verb, q.resource, q.group)
		return text + fmt.Sprintf(" in the namespace %q", q.namespace)
	}
	return text + " at the cluster scope"
}

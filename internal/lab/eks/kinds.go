package eks

import (
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/iam"
)

// Types of access entries: the eks user guide, creating-access-entries.adoc.
const (
	Standard   = "STANDARD"
	Fargate    = "FARGATE_LINUX"
	Linux      = "EC2_LINUX"
	Windows    = "EC2_WINDOWS"
	AutoMode   = "EC2"
	Hybrid     = "HYBRID_LINUX"
	HyperPod   = "HYPERPOD_LINUX"
	nodesGroup = "system:nodes"
)

func kinds() []string {
	return []string{Standard, Fargate, Linux, Windows, AutoMode, Hybrid, HyperPod}
}

// defaultUsername is what EKS sets where nobody says otherwise, by the user
// guide's creating-access-entries.adoc. A role's path is left out.
func defaultUsername(kind string, p iam.Principal) string {
	switch {
	case kind == Linux || kind == Windows || kind == AutoMode:
		return "system:node:{{EC2PrivateDNSName}}"
	case kind != Standard:
		return "system:node:{{SessionName}}"
	case p.Kind == "user":
		return p.ARN
	}
	return "arn:" + iam.Partition + ":sts::" + p.Account + ":assumed-role/" + p.Name + "/{{SessionName}}"
}

// defaultGroups are the groups that EKS adds. For EC2_LINUX they are known
// from the field (terraform-aws-modules/terraform-aws-eks#2896); the other
// types of nodes are taken to be the same. Auto Mode has none: its rights come
// from AmazonEKSAutoNodePolicy.
func defaultGroups(kind string) []string {
	switch kind {
	case Standard, AutoMode:
		return []string{}
	case Windows:
		return []string{"eks:kube-proxy-windows", nodesGroup}
	case Fargate:
		return []string{"system:node-proxier", nodesGroup}
	}
	return []string{nodesGroup}
}

// reserved are the beginnings that names of a customer may not have: the user
// guide's creating-access-entries.adoc.
func reserved() []string { return []string{"system:", "eks:", "aws:", "amazon:", "iam:"} }

func checkUsername(name string) error {
	for _, prefix := range reserved() {
		if strings.HasPrefix(name, prefix) {
			return invalidParameter("The username must not begin with %s", prefix)
		}
	}
	for _, template := range []string{"{{SessionName}}", "{{SessionNameRaw}}"} {
		if before, _, ok := strings.Cut(name, template); ok && !strings.Contains(before, ":") {
			return invalidParameter("The username must contain a colon before %s", template) // the lab's own text
		}
	}
	return nil
}

func checkGroups(groups []string) error {
	for _, g := range groups {
		for _, prefix := range reserved() {
			if strings.HasPrefix(g, prefix) {
				return invalidParameter("The kubernetes group name %s is invalid, it cannot start with %s", g, prefix)
			}
		}
	}
	return nil
}

// checkKind says whether an entry of this type may be for this principal.
func checkKind(kind string, p iam.Principal, account string, groups []string, username string) error {
	if !slices.Contains(kinds(), kind) {
		return invalidParameter("The type %s is invalid.", kind) // the lab's own text
	}
	if err := checkGroups(groups); err != nil {
		return err
	}
	if kind == Standard {
		return checkUsername(username)
	}
	switch {
	case len(groups) > 0:
		return invalidParameter("The kubernetesGroups parameter can't be set for type %s.", kind) // the lab's own text
	case username != "":
		return invalidParameter("The username parameter can't be set for type %s.", kind) // the lab's own text
	case p.Kind != "role":
		return invalidParameter("The principalArn must be a role for type %s.", kind) // the lab's own text
	case p.Account != account:
		return invalidParameter("The principalArn must be in the account of the cluster for type %s.", kind) // the lab's own text
	}
	return nil
}

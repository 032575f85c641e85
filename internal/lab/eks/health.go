package eks

import (
	"time"

	"github.com/holdfast/holdfast/internal/lab/awsauth"
	"github.com/holdfast/holdfast/internal/lab/iam"
)

// health is a node group's status and what its health says. Its nodes are
// taken to present the role's ID of now: if the cluster doesn't map that, they
// never join, and after HealthDelay EKS says so. Codes: NodegroupIssueCode of
// the API model; the texts are those of its documentation.
func (s *Service) health(c *cluster, g *group, now time.Time) (status string, issues []any) {
	issues = []any{}
	if passing := g.status(now); passing != "" {
		return passing, issues
	}
	since := s.Directory.Changed(g.role)
	if since.Before(g.created) {
		since = g.created
	}
	late := !now.Before(since.Add(s.HealthDelay))
	id := s.Directory.ID(g.role)
	switch {
	case g.failed:
	case id != "" && c.letsIn(id, g.role):
		g.joined = true
		return "ACTIVE", issues
	case !late && g.joined:
		return "ACTIVE", issues
	case !late:
		return "CREATING", issues
	}
	code, text := "NodeCreationFailure", "Instances failed to join the kubernetes cluster"
	switch {
	case id == "":
		code, text = "IamNodeRoleNotFound", "The node role "+g.role+" couldn't be found."
	case g.joined:
		code, text = "AccessDenied", "Amazon EKS or one or more of your managed nodes is failing to authenticate or authorize with your Kubernetes cluster API server."
	}
	issues = append(issues, map[string]any{"code": code, "message": text, "resourceIds": []string{g.instance}})
	if g.joined {
		return "DEGRADED", issues
	}
	g.failed = true
	return "CREATE_FAILED", issues
}

// letsIn says whether a node with this ID would be mapped.
func (c *cluster) letsIn(id, role string) bool {
	if c.mode != ModeConfigMap {
		if e := c.bound[id]; e != nil {
			return e.kind != Standard
		}
	}
	p, ok := iam.ParsePrincipal(role)
	if c.mode == ModeAPI || !ok {
		return false
	}
	rows, _ := awsauth.Parse(c.awsAuth) // what can't be read maps nobody
	_, ok = rows.Find(pathless(p))
	return ok
}

package app

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/kube"
	"github.com/holdfast/holdfast/internal/kubetoken"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/report"
)

// TestTheHighestProofIsNamed: without signs of life an entry is bound; with a
// node that comes in, the log has seen it, and where a node group uses it, it has
// joined.
func TestTheHighestProofIsNamed(t *testing.T) {
	for name, row := range map[string]struct {
		logs, group, node bool
		proof             string
	}{
		"nobody comes":            {logs: true, group: true, proof: access.ProofBound},
		"nobody writes it down":   {node: true, group: true, proof: access.ProofBound},
		"a node comes":            {logs: true, node: true, proof: access.ProofSeen},
		"a node of a group comes": {logs: true, node: true, group: true, proof: access.ProofJoined},
	} {
		t.Run(name, func(t *testing.T) {
			w := staleWorld(1)
			w.HealthDelay = 1000 * time.Hour // its node group hasn't failed yet
			c := &w.Accounts[0].Clusters[0]
			if row.logs {
				c.Logs = []string{"authenticator"}
			}
			if row.group {
				c.Groups = []labeks.GroupSpec{{Name: "blue", RoleARN: "arn:aws:iam::" + accessAccount + ":role/node"}}
			}
			f := startRefused(t, w)
			req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: true, Tell: func(string) {}, Entries: []string{"role/node"}, Wait: 2 * time.Second}
			req.Role = opsRole
			req.Hook = func(p journal.Point) {
				if row.node && p == (journal.Point{Step: "create", Phase: journal.Done}) {
					f.join()
				}
			}
			if e := f.repair(req); e.Outcome != report.Repaired || e.Proof != row.proof {
				t.Errorf("%+v", e)
			}
		})
	}
}

// join starts a node and lets it show its token to the cluster.
func (f refusedLab) join() {
	f.t.Helper()
	i, err := f.lab.Launch(lab.InstanceRequest{Role: "node"})
	if err != nil {
		f.t.Error(err)
		return
	}
	out, err := f.eks.DescribeCluster(f.t.Context(), &awseks.DescribeClusterInput{Name: aws.String("prod-0")})
	if err != nil {
		f.t.Error(err)
		return
	}
	presigned, err := identity.PresignForCluster(f.t.Context(), cred.New(i.AccessKey, i.Secret, i.Token), "eu-west-1", "prod-0", time.Now())
	if err != nil {
		f.t.Error(err)
		return
	}
	k := kube.Cluster{Endpoint: *out.Cluster.Endpoint, CA: pemOf(f.t, *out.Cluster.CertificateAuthority.Data), Token: kubetoken.New("", presigned, time.Now()).Status.Token}
	if in, err := k.LetsIn(f.t.Context()); err != nil || !in {
		f.t.Errorf("the node isn't let in: %v", err)
	}
}

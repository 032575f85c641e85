package lab_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/lab"
)

const kubernetesWorld = `
iam_lag        = "1ms"
settle         = "10ms"
health_delay   = "1m"
update_rebinds = true
limit "logs" {
  rate = 5
}
account "111111111111" {
  user "alice" {}
  role "deploy" {
    path = "/team/"
    trust {
      principals = ["111111111111"]
    }
  }
  role "node" {
    age = "1h"
    trust {
      services = ["ec2.amazonaws.com", "eks-fargate-pods.amazonaws.com"]
    }
  }
  instance_profile "nodes" {
    role = "node"
  }
  cluster "prod" {
    region = "us-east-1"
    logs   = ["authenticator", "audit"]
    tags   = { team = "shop" }
    entry "role/team/deploy" {
      kubernetes_groups = ["deployers"]
      age               = "48h"
      policy "AmazonEKSEditPolicy" {
        namespaces = ["shop"]
      }
    }
    entry "arn:aws:iam::222222222222:role/gone" {
      stale = true
    }
    node_group "workers" {
      role = "role/node"
    }
    fargate_profile "jobs" {
      role = "role/node"
    }
    aws_auth "user/alice" {
      username = "alice"
      groups   = ["system:masters"]
    }
    aws_auth_accounts = ["222222222222"]
  }
  fleet "shop" {
    clusters = 2
    entries  = 3
    stale    = 1
  }
}
account "222222222222" {}
`

func TestKubernetesInAWorldFile(t *testing.T) {
	world, err := lab.ParseWorld([]byte(kubernetesWorld), "w.hcl")
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, lab.Options{World: world})
	c := eks.NewFromConfig(f.config(f.admin()), func(o *eks.Options) { o.Region = "us-east-1" })
	cluster := settled(t, c, "prod")
	if cluster.AccessConfig.AuthenticationMode != "API_AND_CONFIG_MAP" || cluster.Tags["team"] != "shop" {
		t.Errorf("%+v", cluster)
	}
	deploy, node := "arn:aws:iam::111111111111:role/team/deploy", "arn:aws:iam::111111111111:role/node"
	list, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("prod")})
	if got := fmt.Sprint(list.AccessEntries); err != nil || got != "["+node+" "+deploy+" arn:aws:iam::222222222222:role/gone]" {
		t.Error(got, err)
	}
	e := describeEntry(t, c, "prod", deploy)
	role, err := f.iam(f.admin()).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("node")})
	if err != nil || role.Role.CreateDate.Sub(*e.CreatedAt).Hours() < 46 {
		t.Error(e.CreatedAt, role, err)
	}
	if g := groupStatus(t, c, "prod", "workers"); g.Status != "ACTIVE" {
		t.Errorf("%+v", g)
	}
	if status, name := (kube{t, f.env["HOLDFAST_LAB_CLUSTER_PROD"], http.DefaultClient}).whoami(tokenFor(t, aws.Credentials{
		AccessKeyID: f.env["HOLDFAST_LAB_USER_ALICE_ACCESS_KEY_ID"], SecretAccessKey: f.env["HOLDFAST_LAB_USER_ALICE_SECRET_ACCESS_KEY"]}, "prod")); status != 201 || name != "alice" {
		t.Error(status, name)
	}
	ref, ok := f.Cluster(account, "eu-west-1", "shop-0002")
	if got := f.Bindings(ref); !ok || len(got) != 3 || got[0].BoundID == roleID(t, f, "shop-0002-001") || got[1].BoundID != roleID(t, f, "shop-0002-002") {
		t.Errorf("%v %+v", ok, got)
	}
}

func TestKubernetesInAWorldFileErrors(t *testing.T) {
	for name, test := range map[string]struct{ from, to, want string }{
		"nobody":       {`entry "role/team/deploy"`, `entry "role/none"`, "w.hcl:26:3: entry arn:aws:iam::111111111111:role/none: nobody has this ARN; declare the principal above, or set stale = true"},
		"twice":        {`entry "arn:aws:iam::222222222222:role/gone"`, `entry "role/team/deploy"`, "w.hcl:26:3: entry arn:aws:iam::111111111111:role/team/deploy: it stands twice"},
		"policy":       {"AmazonEKSEditPolicy", "AmazonEKSNoPolicy", "w.hcl:26:3: entry arn:aws:iam::111111111111:role/team/deploy: ResourceNotFoundException"},
		"mode":         {`region = "us-east-1"`, `authentication_mode = "X"`, `w.hcl:26:3: authentication mode "X": use CONFIG_MAP`},
		"no entries":   {`region = "us-east-1"`, `authentication_mode = "CONFIG_MAP"`, "w.hcl:26:3: entry arn:aws:iam::111111111111:role/team/deploy: a cluster of mode CONFIG_MAP has no access entries"},
		"log":          {`"audit"`, `"none"`, "w.hcl:26:3: InvalidParameterException: Invalid log type none"},
		"fleet":        {"entries  = 3", "entries  = 0", "w.hcl:52:3: 2 clusters with 0 entries, 1 of them stale"},
		"limit":        {"rate = 5", "rate = 0", `w.hcl:6:1: limit "logs": give a service, a rate above 0`},
		"user":         {`user "alice"`, `user "al ice"`, "w.hcl:10:3: ValidationError"},
		"no such role": {"role = \"node\"\n", "role = \"none\"\n", "w.hcl:23:3: NoSuchEntity: The role with name none cannot be found."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lab.ParseWorld([]byte(strings.Replace(kubernetesWorld, test.from, test.to, 1)), "w.hcl")
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
}

func roleID(t *testing.T, f *fixture, name string) string {
	t.Helper()
	out, err := f.iam(f.admin()).GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Role.RoleId
}

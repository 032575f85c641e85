package lab

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/holdfast/holdfast/internal/lab/awsauth"
	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
)

// What an account of a world file can hold for EKS. A principal or a role is an
// ARN, or role/NAME and user/NAME of the same account.
//
//	user "alice" {}
//	instance_profile "nodes" {
//	  role = "node" # left out: none
//	}
//	cluster "prod" {
//	  region              = "eu-west-1"
//	  authentication_mode = "API_AND_CONFIG_MAP"
//	  logs                = ["authenticator"]
//	  entry "role/deploy" {
//	    kubernetes_groups = ["deployers"]
//	    age               = "48h"
//	    policy "AmazonEKSEditPolicy" {
//	      namespaces = ["shop"]
//	    }
//	  }
//	  entry "role/node" {
//	    type  = "EC2_LINUX"
//	    stale = true
//	  }
//	  node_group "workers" {
//	    role = "role/node"
//	  }
//	  fargate_profile "jobs" {
//	    role = "role/pods"
//	  }
//	  aws_auth "user/alice" {
//	    username = "alice"
//	    groups   = ["system:masters"]
//	  }
//	}
//	fleet "shop" {
//	  clusters = 1000
//	  entries  = 50
//	}
type clusterFile struct {
	Name     string            `hcl:"name,label"`
	Range    hcl.Range         `hcl:",def_range"`
	Region   string            `hcl:"region,optional"`
	Role     string            `hcl:"role,optional"`
	Version  string            `hcl:"version,optional"`
	Mode     string            `hcl:"authentication_mode,optional"`
	Logs     []string          `hcl:"logs,optional"`
	Tags     map[string]string `hcl:"tags,optional"`
	Entries  []entryFile       `hcl:"entry,block"`
	Groups   []groupFile       `hcl:"node_group,block"`
	Profiles []fargateFile     `hcl:"fargate_profile,block"`
	AWSAuth  []awsAuthFile     `hcl:"aws_auth,block"`
	Accounts []string          `hcl:"aws_auth_accounts,optional"`
}

type entryFile struct {
	Principal string            `hcl:"principal,label"`
	Type      string            `hcl:"type,optional"`
	Username  string            `hcl:"user_name,optional"`
	Groups    []string          `hcl:"kubernetes_groups,optional"`
	Tags      map[string]string `hcl:"tags,optional"`
	Stale     bool              `hcl:"stale,optional"`
	Age       string            `hcl:"age,optional"`
	AgeRange  hcl.Range         `hcl:"age,attr_value_range"`
	Policies  []policyFile      `hcl:"policy,block"`
}

type policyFile struct {
	Name       string   `hcl:"name,label"`
	Namespaces []string `hcl:"namespaces,optional"`
}

type groupFile struct {
	Name string            `hcl:"name,label"`
	Role string            `hcl:"role"`
	AMI  string            `hcl:"ami_type,optional"`
	Tags map[string]string `hcl:"tags,optional"`
}

type fargateFile struct {
	Name      string `hcl:"name,label"`
	Role      string `hcl:"role"`
	Namespace string `hcl:"namespace,optional"`
}

type awsAuthFile struct {
	Principal string   `hcl:"principal,label"`
	Username  string   `hcl:"username"`
	Groups    []string `hcl:"groups,optional"`
}

type userFile struct {
	Name  string    `hcl:"name,label"`
	Range hcl.Range `hcl:",def_range"`
	Path  string    `hcl:"path,optional"`
	Age   string    `hcl:"age,optional"`
	Since hcl.Range `hcl:"age,attr_value_range"`
}

type profileFile struct {
	Name  string    `hcl:"name,label"`
	Range hcl.Range `hcl:",def_range"`
	Path  string    `hcl:"path,optional"`
	Role  string    `hcl:"role,optional"`
}

type fleetFile struct {
	Name     string    `hcl:"name,label"`
	Range    hcl.Range `hcl:",def_range"`
	Clusters int       `hcl:"clusters"`
	Entries  int       `hcl:"entries"`
	Stale    int       `hcl:"stale,optional"`
	Age      string    `hcl:"age,optional"`
	Since    hcl.Range `hcl:"age,attr_value_range"`
}

// kubernetes puts what an account holds for EKS into the account.
func (a accountFile) kubernetes(into *Account, duration func(string, hcl.Range) time.Duration) error {
	for _, u := range a.Users {
		into.Users = append(into.Users, User{Name: u.Name, Path: u.Path, Age: duration(u.Age, u.Since)})
	}
	for _, p := range a.Profiles {
		into.Profiles = append(into.Profiles, InstanceProfile{Name: p.Name, Path: p.Path, Role: p.Role})
	}
	for _, f := range a.Fleets {
		into.Fleets = append(into.Fleets, Fleet{Name: f.Name, Clusters: f.Clusters, Entries: f.Entries, Stale: f.Stale, Age: duration(f.Age, f.Since)})
	}
	for _, c := range a.Clusters {
		spec, err := c.spec(a.ID, duration)
		if err != nil {
			return err
		}
		into.Clusters = append(into.Clusters, spec)
	}
	return nil
}

func (c clusterFile) spec(account string, duration func(string, hcl.Range) time.Duration) (eks.Spec, error) {
	arn := func(principal string) string {
		if principal == "" || strings.HasPrefix(principal, "arn:") {
			return principal
		}
		return "arn:" + iam.Partition + ":iam::" + account + ":" + principal
	}
	spec := eks.Spec{Name: c.Name, Region: c.Region, RoleARN: arn(c.Role), Version: c.Version, Mode: c.Mode, Logs: c.Logs, Tags: c.Tags}
	for _, e := range c.Entries {
		entry := eks.EntrySpec{PrincipalARN: arn(e.Principal), Type: e.Type, Username: e.Username, Groups: e.Groups, Tags: e.Tags,
			Stale: e.Stale, Age: duration(e.Age, e.AgeRange), Policies: map[string]eks.Scope{}}
		for _, p := range e.Policies {
			scope := eks.Scope{Type: "cluster"}
			if len(p.Namespaces) > 0 {
				scope = eks.Scope{Type: "namespace", Namespaces: p.Namespaces}
			}
			entry.Policies[eks.PolicyPrefix+strings.TrimPrefix(p.Name, eks.PolicyPrefix)] = scope
		}
		spec.Entries = append(spec.Entries, entry)
	}
	for _, g := range c.Groups {
		spec.Groups = append(spec.Groups, eks.GroupSpec{Name: g.Name, RoleARN: arn(g.Role), AMI: g.AMI, Tags: g.Tags})
	}
	for _, p := range c.Profiles {
		spec.Profiles = append(spec.Profiles, eks.ProfileSpec{Name: p.Name, RoleARN: arn(p.Role), Namespace: p.Namespace})
	}
	var rows []awsauth.Row
	for _, r := range c.AWSAuth {
		row := awsauth.Row{Username: r.Username, Groups: r.Groups}
		if p, ok := iam.ParsePrincipal(arn(r.Principal)); ok && p.Kind == "user" {
			row.UserARN = p.ARN
		} else {
			row.RoleARN = arn(r.Principal)
		}
		rows = append(rows, row)
	}
	if len(rows)+len(c.Accounts) == 0 {
		return spec, nil
	}
	var err error
	spec.AWSAuth, err = awsauth.Render(rows, c.Accounts)
	return spec, err
}

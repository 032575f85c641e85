#!/bin/sh
# The second act: an access entry that points at a dead role. A node joins its
# cluster; its node group and its role are made again under the same names; the
# next node is locked out, and holdfast says why and mends it. Everything runs on
# this machine; nothing leaves it.
#
# usage: access.sh DIR-WITH-HOLDFAST-AND-LAB
set -eu

work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX")
for name in $(env | sed -n 's/^\(AWS_[A-Z_]*\|HOLDFAST_[A-Z_]*\|XDG_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export PATH="$1:$PATH" HOME="$work" AWS_EC2_METADATA_DISABLED=true
cd "$work"

cat >world.hcl <<EOF
account "222222222222" {
  role "ops" {
    age = "900h"
    trust {
      principals = ["222222222222"]
    }
  }
  role "ng-blue" {
    age = "900h"
    trust {
      services = ["ec2.amazonaws.com"]
    }
  }
  role "deploy" {
    age = "900h"
    trust {
      principals = ["222222222222"]
    }
  }
  cluster "payments-prod" {
    authentication_mode = "API"
    entry "role/ops" {
      age = "800h"
      policy "AmazonEKSClusterAdminPolicy" {}
    }
    entry "role/ng-blue" {
      type = "EC2_LINUX"
      age  = "800h"
      tags = { team = "payments", env = "prod" }
    }
    entry "role/deploy" {
      age               = "800h"
      user_name         = "deploy:{{SessionName}}"
      kubernetes_groups = ["deployers"]
      tags              = { team = "payments" }
      policy "AmazonEKSEditPolicy" {
        namespaces = ["shop", "till"]
      }
      policy "AmazonEKSViewPolicy" {}
    }
    node_group "blue" {
      role = "role/ng-blue"
    }
  }
}
EOF
cat >holdfast.hcl <<EOF
identity "ops" {
  from = "environment"
}
cluster "payments-prod" {
  identity = "ops"
  role     = "arn:aws:iam::222222222222:role/ops"
  regions  = ["eu-west-1"]
}
EOF
holdfast-lab serve --world world.hcl --env-file lab.env 2>lab.log &
lab=$!
trap 'kill $lab 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
while [ ! -s lab.env ]; do kill -0 $lab && sleep 0.1; done
set -a; . ./lab.env; set +a
export AWS_ENDPOINT_URL_STS="$AWS_ENDPOINT_URL"

say() { printf '\n%s\n' "$*"; }
# show runs a command and prints what it says, set in, with its exit code.
show() { code=0; "$@" >said 2>&1 || code=$?; sed 's/^/    /' said; [ $code = 0 ] || echo "    exit $code"; }
# expect ends the story where it isn't told as it should be.
expect() { [ "$code" = "$1" ] || { echo "this should have ended with exit $1"; exit 1; }; }
entry() { holdfast-lab entry payments-prod "arn:aws:iam::222222222222:role/$1"; }

say "4  A node of the node group blue joins the cluster payments-prod.
   (the lab's clusters decide by the rules of the real aws-iam-authenticator)"
show holdfast-lab join payments-prod --role ng-blue; expect 0
entry ng-blue >ng-blue.before; entry deploy >deploy.before

say "5  The node group and its role are replaced, and a role of the pipeline too:
   the same names, the same ARNs."
show holdfast-lab recreate --cluster payments-prod --node-group blue --role ng-blue,deploy

say "6  The API shows the entries as they were; the next node stays outside."
entry ng-blue >ng-blue.after
cmp -s ng-blue.before ng-blue.after && echo "    describe-access-entry: no difference"
show holdfast-lab join payments-prod --role ng-blue; expect 1

say "7  \$ holdfast access scan"
show holdfast access scan; expect 2

say "8  \$ holdfast access repair"
show holdfast access repair --propagation 5s

say "9  \$ holdfast access repair --yes"
show holdfast access repair --yes --propagation 5s; expect 0
show holdfast-lab join payments-prod --role ng-blue; expect 0
show holdfast access verify --propagation 3s payments-prod; expect 0

say "10 Everything that the entries had, they have again:"
ended=0
for name in ng-blue deploy; do
	entry $name >$name.after
	if cmp -s $name.before $name.after; then echo "    role/$name: type, user name, groups, tags and policies are the same"; else
		diff $name.before $name.after | sed 's/^/    /'; ended=1; fi
done
exit $ended

#!/bin/sh
# The main job of holdfast, told on the lab: an apply that lasts longer than its
# credentials, once as it is today, once under holdfast. Everything runs on this
# machine; nothing leaves it.
#
# usage: demo.sh DIR-WITH-HOLDFAST-AND-LAB PATH-OF-TOFU
set -eu

work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX")
mkdir "$work/bin" "$work/without" "$work/with"
ln -s "$1/holdfast" "$1/holdfast-lab" "$work/bin/"
ln -s "$2" "$work/bin/tofu"
# Nothing of this machine's own AWS set-up has a part in this.
for name in $(env | sed -n 's/^\(AWS_[A-Z_]*\|TF_[A-Z_]*\|HOLDFAST_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export PATH="$work/bin:$PATH" HOME="$work" TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1 AWS_EC2_METADATA_DISABLED=true

holdfast-lab serve --session 6s --env-file "$work/lab.env" 2>"$work/lab.log" &
lab=$!
trap 'kill $lab 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
while [ ! -s "$work/lab.env" ]; do kill -0 $lab && sleep 0.1; done
set -a; . "$work/lab.env"; set +a

code() {
	cat <<-EOF
	terraform {
	  backend "s3" {
	    bucket         = "$HOLDFAST_LAB_BUCKET"
	    key            = "$1/terraform.tfstate"
	    use_lockfile   = true
	    use_path_style = true
	  }
	}
	resource "terraform_data" "database" {
	  count = 3
	  provisioner "local-exec" {
	    command = "sleep 20"
	  }
	}
	EOF
}
say() { printf '\n%s\n' "$*"; }
show() { sed -n "s/^/    /;$1" "$2" | sed 's/ \[id=.*//' | awk '!seen[$0]++'; }
# How often the lab let the lock of a state go, and refused what had expired.
unlocked() { holdfast-lab calls --service s3 --operation DeleteObject --status 204 --json | grep -c "\"$1/terraform.tfstate.tflock\"" || true; }
expired() { holdfast-lab calls --error ExpiredToken --count; }

code without >"$work/without/main.tf"
code with >"$work/with/main.tf"
(cd "$work/without" && tofu init -no-color >init.log)
(cd "$work/with" && tofu init -no-color >init.log)
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
holdfast-lab token --ttl 30m --out "$work/token"

cat <<EOF
A lab plays AWS here: it checks every signature and refuses what has expired.
Sessions last 6 seconds instead of an hour, and the "databases" take 20 seconds
to make, so this is an apply of more than three lifetimes.

1  What happens today: roles are assumed once, and their keys exported.
   $ export \$(assume ci, then deploy)
   $ tofu apply
EOF
cd "$work/without"
keys=$(holdfast-lab assume --web-identity-token-file "$work/token" --role-arn "$HOLDFAST_LAB_ROLE_CI" --role-arn "$HOLDFAST_LAB_ROLE_DEPLOY")
code=0
(export $keys; tofu apply -auto-approve -no-color >apply.log 2>&1) || code=$?
show '/Creation complete/p; /Error: /p; /ExpiredToken: /{s/.*api error/  api error/;p;}' apply.log
echo "    exit $code; requests that AWS refused because the session had ended: $(expired)"
[ -e errored.tfstate ] && echo "    left behind: errored.tfstate, which only this directory knows"
[ "$(unlocked without)" = 0 ] && echo "    left behind: the lock, so that nobody else can apply"

say "2  The same under holdfast: credentials that renew while it runs.
   \$ holdfast run -- tofu apply"
cd "$work/with"
export AWS_WEB_IDENTITY_TOKEN_FILE="$work/token" AWS_ROLE_ARN="$HOLDFAST_LAB_ROLE_CI" TG_IAM_ASSUME_ROLE="$HOLDFAST_LAB_ROLE_DEPLOY"
before=$(expired)
code=0
holdfast run --report report.json -- tofu apply -auto-approve -no-color >apply.log 2>notes.log || code=$?
show '/ = /,/in sight/p' notes.log
show '/Creation complete/p; /Apply complete/p' apply.log
show '/done in/,$p' notes.log
echo "    exit $code; requests that AWS refused because the session had ended: $(($(expired) - before))"
[ ! -e errored.tfstate ] && [ "$(unlocked with)" = 1 ] && echo "    nothing left behind: the state is in the bucket, the lock released"

say "3  The report (holdfast run --report):"
grep -E '"(name|role_arn|chained|lifetime_seconds|renewals|failures|requests|least_left_seconds|without_credential)"' report.json | sed 's/^ */    /'
exit $code

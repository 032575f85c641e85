#!/bin/sh
# Settles what docs/aws-experiments.md lists, on a real account. It makes roles
# named holdfast-experiment-* and entries for them in one cluster, and takes all
# of it away again.
#
# usage: aws-experiments.sh CLUSTER
set -eu

cluster=${1:?usage: aws-experiments.sh CLUSTER}
command -v aws >/dev/null && command -v jq >/dev/null || { echo "this needs the AWS CLI and jq"; exit 1; }
account=$(aws sts get-caller-identity --query Account --output text)
partition=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
role=holdfast-experiment-$$
arn=arn:$partition:iam::$account:role/$role
trust=$(printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"sts:AssumeRole"}]}' "$account")
work=$(mktemp -d)

say() { printf '\n%s\n' "$*"; }
make() { aws iam create-role --role-name "$role" --assume-role-policy-document "$trust" --query Role.RoleId --output text; }
unmake() { aws iam delete-role --role-name "$role"; }
entry() { aws eks create-access-entry --cluster-name "$cluster" --principal-arn "$arn" --query accessEntry.accessEntryArn --output text; }
unentry() { aws eks delete-access-entry --cluster-name "$cluster" --principal-arn "$arn"; }
clean() { unentry 2>/dev/null || true; aws iam delete-role-policy --role-name "$role" --policy-name x 2>/dev/null || true; unmake 2>/dev/null || true; rm -rf "$work"; }
trap clean EXIT INT TERM

# probe says whether the cluster lets the role in: 401 is no, anything else is yes.
probe() {
	keys=$(aws sts assume-role --role-arn "$arn" --role-session-name probe --query Credentials --output json)
	endpoint=$(aws eks describe-cluster --name "$cluster" --query cluster.endpoint --output text)
	aws eks describe-cluster --name "$cluster" --query cluster.certificateAuthority.data --output text | base64 -d >"$work/ca"
	token=$(AWS_ACCESS_KEY_ID=$(echo "$keys" | jq -r .AccessKeyId) AWS_SECRET_ACCESS_KEY=$(echo "$keys" | jq -r .SecretAccessKey) \
		AWS_SESSION_TOKEN=$(echo "$keys" | jq -r .SessionToken) aws eks get-token --cluster-name "$cluster" --query status.token --output text)
	printf 'header = "Authorization: Bearer %s"\n' "$token" |
		curl -sS -o /dev/null -w '%{http_code}' --config - --cacert "$work/ca" -X POST -H 'Content-Type: application/json' \
			-d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' "$endpoint/apis/authentication.k8s.io/v1/selfsubjectreviews"
}

say "0  A role, an entry, and whether it is let in (want 201)"
make; sleep 20; entry; sleep 20; probe

say "1  The role made again: let in (want 401)? After UpdateAccessEntry (401: it doesn't bind anew)?"
unmake; make; sleep 60; probe
aws eks update-access-entry --cluster-name "$cluster" --principal-arn "$arn" --kubernetes-groups experiment --query accessEntry.modifiedAt
sleep 30; probe

say "2  The principal gone: describe and delete"
unmake; sleep 20
aws eks describe-access-entry --cluster-name "$cluster" --principal-arn "$arn" --query accessEntry.type || true
unentry && echo deleted || true

say "3  A second create by somebody who may not pass the role (409 first, or AccessDenied first?)"
make; sleep 20
aws eks create-access-entry --cluster-name "$cluster" --principal-arn "$arn" --type EC2_LINUX --query accessEntry.type
self=$(aws sts get-caller-identity --query Arn --output text)
case $self in
*:assumed-role/*)
	echo "try it as yourself with a session policy that denies iam:PassRole: aws sts assume-role --policy ..." ;;
*) echo "this needs a role of yours to assume with a session policy that denies iam:PassRole" ;;
esac
unentry

say "4  Entries made 0, 5, 15, 30 and 60 s after the role was made again: which are let in?"
for wait in 0 5 15 30 60; do
	unmake; make >/dev/null; sleep $wait
	entry >/dev/null || { echo "$wait s: refused"; continue; }
	sleep 70; echo "$wait s: $(probe)"; unentry
done

say "5  A delete under a session policy for an entry's older ARN (want AccessDenied)"
old=$(entry); unentry; entry >/dev/null
aws iam put-role-policy --role-name "$role" --policy-name x --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DeleteAccessEntry","Resource":"*"}]}'
sleep 20
keys=$(aws sts assume-role --role-arn "$arn" --role-session-name guard --query Credentials --output json \
	--policy "$(printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DeleteAccessEntry","Resource":"%s"}]}' "$old")")
AWS_ACCESS_KEY_ID=$(echo "$keys" | jq -r .AccessKeyId) AWS_SECRET_ACCESS_KEY=$(echo "$keys" | jq -r .SecretAccessKey) \
	AWS_SESSION_TOKEN=$(echo "$keys" | jq -r .SessionToken) aws eks delete-access-entry --cluster-name "$cluster" --principal-arn "$arn" && echo "DELETED: the guard doesn't hold" || true

say "6  How many describes a second (200 at once, 16 side by side)"
start=$(date +%s)
seq 200 | AWS_MAX_ATTEMPTS=1 xargs -P 16 -I{} sh -c "aws eks describe-access-entry --cluster-name $cluster --principal-arn $arn >/dev/null 2>>$work/errors || echo x >>$work/throttled" || true
echo "200 in $(($(date +%s) - start)) s, refused: $(wc -l <"$work/throttled" 2>/dev/null || echo 0)"
sort "$work/errors" 2>/dev/null | uniq -c | sort -rn | head -3

package gate

import "github.com/holdfast/holdfast/internal/finding"

// Rules are everything that Judge looks for. docs/RULES.md is written from it.
func Rules() []finding.Rule { return append(entryRules(), otherRules()...) }

func severity(id string) finding.Severity {
	for _, r := range Rules() {
		if r.ID == id {
			return r.Severity
		}
	}
	return finding.Error
}

func entryRules() []finding.Rule {
	return []finding.Rule{
		{ID: "HF201", Name: "entry-outlives-role", Severity: finding.Error,
			Title: "an access entry stays while its role is made again",
			About: "EKS stores the unique ID of a role (AROA…) or user (AIDA…) in an access entry when the entry is created. A role that is made again under its old name has the same ARN and another ID, so the entry shows the right ARN and lets nobody in: every call answers 401, and nodes don't join. The plan shows the role replaced, or deleted and created under its old name, perhaps at another address or in another module, or created where an entry for its ARN already is; and the entry unchanged or forgotten.",
			Cure:  "Replace the entry in the same apply, after the role: let principal_arn refer to the role, or give entry and associations a lifecycle with replace_triggered_by on the role's unique_id."},
		{ID: "HF202", Name: "unowned-entry-outlives-role", Severity: finding.Error,
			Title: "the entry that EKS made for a node group or Fargate profile stays while its role is made again",
			About: "EKS creates an access entry for the role of a managed node group or a Fargate profile if there is none, deletes it never, and leaves one that exists alone. No state file knows it. When the role is made again, that entry stays bound to the old one: new nodes are refused, and the node group fails with NodeCreationFailure after a quarter of an hour. Without --live the gate assumes such an entry where the node group or profile was there before the plan; with --live it asks the cluster.",
			Cure:  "Let the code own the entry: aws_eks_access_entry with principal_arn = the role's arn, imported, and the node group depending on it. Otherwise repair it right after the apply: holdfast access repair; holdfast run --verify-access CLUSTER scans then and tells, and repairs only where a cluster block of holdfast.hcl says repair_after_apply = true, node and Fargate entries only, after propagation, and never changes the exit code."},
		{ID: "HF203", Name: "association-outlives-entry", Severity: finding.Error,
			Title: "a policy association stays in the plan while its entry goes",
			About: "Deleting an access entry deletes its associations with access policies. Where the entry is replaced and the association isn't, the new entry has no policy until the next plan notices: everybody who comes in by it may do nothing.",
			Cure:  "Give the association a lifecycle with replace_triggered_by on the entry's access_entry_arn. A reference to its principal_arn alone isn't enough where that stays the same."},
		{ID: "HF204", Name: "entry-created-before-destroyed", Severity: finding.Error,
			Title: "an entry is to be created while its predecessor is still there",
			About: "A cluster has one entry for a principal. With create_before_destroy, EKS answers the second CreateAccessEntry with 409 ResourceInUseException, and the apply fails half way.",
			Cure:  "Take create_before_destroy out of the entry's lifecycle, and of what depends on it: it spreads to dependencies."},
		{ID: "HF205", Name: "entry-type", Severity: finding.Error,
			Title: "an entry's type doesn't fit what its principal is used for",
			About: "Nodes join by an entry of type EC2_LINUX or EC2_WINDOWS, Fargate pods by FARGATE_LINUX; with another type the kubelet gets another user name and is refused. An entry for nodes takes no access policy and no groups.",
			Cure:  "Set the type that the use needs. It can't be changed in place: the entry is replaced."},
		{ID: "HF206", Name: "own-entry", Severity: finding.Warning,
			Title: "the entry of the identity that applies goes",
			About: "The plan deletes or replaces the access entry of whoever runs it. Providers for Kubernetes in the same run lose their access in the middle, and nobody may be left who can see into the cluster. EKS's own API still works for those with eks:CreateAccessEntry.",
			Cure:  "Apply that with another identity, or in a run of its own."},
		{ID: "HF208", Name: "unowned-entry-left", Severity: finding.Warning,
			Title: "an access entry is left behind without its role",
			About: "The role goes and the entry for it stays: in the state, or because EKS made it. It does no harm until a role of that name comes back; then it locks it out, as HF201 and HF202 describe.",
			Cure:  "Delete the entry together with the role."},
		{ID: "HF209", Name: "entry-unseen", Severity: finding.Note,
			Title: "whether a new role meets an old entry can't be seen from the plan",
			About: "The plan makes a role for a node group or Fargate profile in a cluster that is there already. If the cluster holds an entry of an earlier role of that name, the new one is locked out. Only the cluster knows.",
			Cure:  "Ask it: holdfast gate --live."},
		{ID: "HF210", Name: "entry-order", Severity: finding.Warning,
			Title: "nothing makes the entry wait for its role",
			About: "Role and entry are both made again, but the code gives no order between them: principal_arn is text, and there is no depends_on. The entry may be created while the old role is still there, and is then bound to it.",
			Cure:  "Let principal_arn refer to the role."},
	}
}

func otherRules() []finding.Rule {
	return []finding.Rule{
		{ID: "HF220", Name: "principal-by-id", Severity: finding.Error,
			Title: "a policy that stays names a role or user that is made again or goes",
			About: "AWS stores a role or user that a policy names as Principal by its unique ID: trust policies of other roles, and policies of buckets, keys, queues, topics and secrets. A successor of the same name isn't that principal, although the policy shows the same ARN until the old one is gone. What is saved again afterwards is bound to the new one; a condition on aws:PrincipalArn compares names and survives. A reference to the role's arn doesn't help in the same apply: the plan says update, but the text comes out the same, and the provider saves nothing.",
			Cure:  "Save the policy again after the role was made: a second plan sees the ID that AWS shows then, and its apply heals it; or replace the policy's resource in the same apply, by replace_triggered_by on the role's unique_id."},
		{ID: "HF221", Name: "drained-resource", Severity: finding.Error,
			Title: "the plan destroys what an earlier run left tainted when it stopped",
			About: "A run that had to stop while a resource was being created leaves it tainted, although AWS may have finished it. The next plan replaces it: a database or cluster that is whole would be destroyed.",
			Cure:  "Look whether it is whole, and take the mark away: untaint."},
		{ID: "HF231", Name: "static-credentials", Severity: finding.Error,
			Title: "a provider's credentials are keys that nobody can renew",
			About: "Keys in a provider block win over every renewing source, and session keys end in the middle of a long apply, when the state can't be written any more.",
			Cure:  "Take access_key, secret_key and token out of the provider block."},
		{ID: "HF232", Name: "inline-web-identity", Severity: finding.Error,
			Title: "a provider's web identity token is text that ends",
			About: "A token file is read again for every exchange; an inline token isn't, and is refused once it has expired.",
			Cure:  "Use web_identity_token_file."},
		{ID: "HF233", Name: "plan-carries-credentials", Severity: finding.Error,
			Title: "the plan carries an access key",
			About: "Values of variables, provider blocks and the backend's configuration are written into a plan. Whoever reads the plan has them, and an apply of a saved plan uses them however old they are.",
			Cure:  "Give credentials through the environment or the endpoint, make them void, and plan again."},
		{ID: "HF234", Name: "cluster-token", Severity: finding.Error,
			Title: "a cluster's token is read once and ends before the apply does",
			About: "data.aws_eks_cluster_auth gives a token that is good for a quarter of an hour from the plan or refresh on. The plan has resources that take longer; providers that use the token are refused afterwards.",
			Cure:  "Let the provider ask when it needs one: exec { command = \"holdfast\", args = [\"eks-token\", …] }."},
	}
}

package lint

import "github.com/holdfast/holdfast/internal/finding"

// Rules are everything that Check looks for. docs/RULES.md is written from it.
// HF110 and HF111 are doctor's too.
func Rules() []finding.Rule {
	return append(append(entryRules(), nodeRules()...), credentialRules()...)
}

func rule(id string) finding.Rule {
	for _, r := range Rules() {
		if r.ID == id {
			return r
		}
	}
	return finding.Rule{ID: id, Severity: finding.Error}
}

func entryRules() []finding.Rule {
	return []finding.Rule{
		{ID: "HF131", Name: "principal-by-text", Severity: finding.Error,
			Title: "an access entry names its role by text, and the same code makes the role",
			About: "EKS binds an entry to the unique ID of its role. Text (a literal, an interpolated ARN, a variable or local that holds one) is the same before and after the role is made again, so the entry isn't replaced and stays bound to the old role. A reference to the role's arn isn't known while the role is being made again, which replaces the entry in the same apply.",
			Cure:  "principal_arn = aws_iam_role.NAME.arn, or an output of the module that makes the role."},
		{ID: "HF132", Name: "principal-by-data-source", Severity: finding.Error,
			Title: "an access entry reads its role by a data source, and the same code makes the role",
			About: "A data source is read before the plan is made, and gives the ARN that was there already: text, as in HF131.",
			Cure:  "Refer to the resource."},
		{ID: "HF133", Name: "principal-refused", Severity: finding.Error,
			Title: "EKS takes no entry for this principal",
			About: "An entry is for a role or a user. The ARN of a session is refused (data.aws_caller_identity.….arn is one whenever a role runs Terraform), and so are an account's root and service-linked roles, whose entries EKS makes itself.",
			Cure:  "Name the role: data.aws_iam_session_context has the one behind a session."},
		{ID: "HF135", Name: "lifecycle-without-effect", Severity: finding.Warning,
			Title: "a lifecycle argument that binds nothing",
			About: "prevent_destroy = false is the default and does nothing. ignore_changes on principal_arn keeps an entry from following its role.",
			Cure:  "Take it out. What binds an entry is a reference to the role's arn, or replace_triggered_by on its unique_id."},
		{ID: "HF136", Name: "trigger-with-a-gap", Severity: finding.Note,
			Title: "replace_triggered_by binds an entry, but not in every case",
			About: "The trigger replaces the entry when the role is replaced. Terraform doesn't count a role that is created because somebody else deleted it (OpenTofu 1.12 does); and a terraform_data in between arms only what comes after its own creation.",
			Cure:  "Refer to the role's arn: that covers a creation too."},
		{ID: "HF137", Name: "association-by-text", Severity: finding.Error,
			Title: "a policy association names its principal by text, beside an entry that may be replaced",
			About: "Deleting an entry deletes its associations. One that names its principal by text isn't replaced with the entry; its policy is missing until the next apply.",
			Cure:  "principal_arn = aws_eks_access_entry.NAME.principal_arn, and replace_triggered_by on the entry's access_entry_arn where the ARN stays the same."},
		{ID: "HF138", Name: "trigger-that-never-fires", Severity: finding.Warning,
			Title: "replace_triggered_by refers to something that stays the same",
			About: "A role's name, path or policy is what the code says, before and after. Only what AWS makes up changes when the role is made again.",
			Cure:  "replace_triggered_by = [aws_iam_role.NAME.unique_id]"},
		{ID: "HF139", Name: "created-before-destroyed", Severity: finding.Error,
			Title: "create_before_destroy on something that can't be there twice",
			About: "A cluster has one entry for a principal and an account one role of a name; the creation is refused while the old one is there. An association that is made first is taken away again when the old one is destroyed.",
			Cure:  "Take it out. On roles, name_prefix makes it possible."},
		{ID: "HF144", Name: "name-comes-back", Severity: finding.Warning,
			Title: "a role's name comes back, in an environment whose roles shouldn't",
			About: "By the convention of holdfast.hcl (environment blocks), roles of this directory have a suffix that never comes again: whatever was bound to the old role is then plainly orphaned instead of looking right.",
			Cure:  "name_prefix instead of name."},
		{ID: "HF145", Name: "name-changes", Severity: finding.Warning,
			Title: "a role's name changes, in an environment whose roles are permanent",
			About: "By the convention of holdfast.hcl (environment blocks), roles of this directory stay, and others name them.",
			Cure:  "Give it a name."},
	}
}

func nodeRules() []finding.Rule {
	return []finding.Rule{
		{ID: "HF140", Name: "unowned-node-entry", Severity: finding.Warning,
			Title: "nobody owns the entry that EKS makes for a node group or Fargate profile",
			About: "EKS makes an access entry for the role if there is none, and never takes it away. When node group and role go and come back under the same names, the entry is still bound to the old role, and no node can join. A role whose name AWS makes up (name_prefix) never comes back, and isn't meant.",
			Cure:  "An aws_eks_access_entry for the role, which the node group depends on; imported once where the cluster exists."},
		{ID: "HF141", Name: "nodes-before-entry", Severity: finding.Error,
			Title: "node group and entry are made in the wrong order, or in none",
			About: "If the node group is there first, EKS makes the entry, and the code's own is refused with 409.",
			Cure:  "depends_on = [aws_eks_access_entry.NAME] in the node group."},
		{ID: "HF142", Name: "node-entry-type", Severity: finding.Error,
			Title: "an entry's type lets no node in",
			About: "Without a type an entry is STANDARD. Nodes need EC2_LINUX or EC2_WINDOWS, Fargate pods FARGATE_LINUX.",
			Cure:  "Set the type; the entry is replaced."},
		{ID: "HF143", Name: "node-entry-rights", Severity: finding.Error,
			Title: "groups or a policy for a node's entry",
			About: "EKS refuses kubernetes_groups and access policies for entries of types EC2_LINUX, EC2_WINDOWS and FARGATE_LINUX.",
			Cure:  "Take them out; give people a role and an entry of their own."},
		{ID: "HF146", Name: "shared-node-role", Severity: finding.Warning,
			Title: "nodes and people share a role",
			About: "The role of a node group can be assumed by AWS principals other than the service. Whoever does is a node for the cluster, and the role can't be made again without locking both out.",
			Cure:  "A role for the nodes alone."},
		{ID: "HF147", Name: "module-role-comes-back", Severity: finding.Warning,
			Title: "an input of the EKS module makes a node role come back under its old name",
			About: "The module makes the role and the node group, and no entry: EKS does that. With iam_role_use_name_prefix = false the role has a fixed name, and HF140 happens.",
			Cure:  "Leave the prefix on."},
	}
}

func credentialRules() []finding.Rule {
	return []finding.Rule{
		{ID: "HF110", Name: "frozen-credentials", Severity: finding.Error,
			Title: "code names keys or a token of its own",
			About: "access_key, secret_key, token and web_identity_token in a provider or backend win over every source that renews. They end in the middle of a long apply, when the state can't be written any more; the backend's are also written into .terraform and into saved plans.",
			Cure:  "Take them out."},
		{ID: "HF111", Name: "cluster-token", Severity: finding.Warning,
			Title: "a cluster's token is read once and ends after a quarter of an hour",
			About: "data.aws_eks_cluster_auth is read once for a run; providers that take its token are refused after 15 minutes.",
			Cure:  "An exec block, which asks when a token is needed: holdfast eks-token, or aws eks get-token."},
		{ID: "HF148", Name: "no-duration", Severity: finding.Warning,
			Title: "assume_role without a duration",
			About: "The provider asks for 15 minutes then, and renews each session at the instant of its end, so that a request that was signed just before may be refused.",
			Cure:  "duration = \"1h\", which every role allows."},
		{ID: "HF151", Name: "terragrunt-role", Severity: finding.Note,
			Title: "Terragrunt assumes a role once for each process",
			About: "iam_role gives Terraform static keys that end after iam_assume_role_duration, an hour by default, and that nobody renews. Under holdfast run it may stay: Terraform gets a renewing identity for the same role.",
			Cure:  "holdfast run -- terragrunt apply"},
		{ID: "HF152", Name: "terragrunt-duration", Severity: finding.Error,
			Title: "iam_assume_role_duration asks for what STS refuses",
			About: "STS gives 900 to 43200 seconds, and an hour at the most to a role that is assumed from another role's session (role chaining), which IRSA and CI jobs have.",
			Cure:  "3600, and a keeper that renews."},
		{ID: "HF153", Name: "terragrunt-keys", Severity: finding.Error,
			Title: "extra_arguments pass keys",
			About: "Keys in env_vars win over everything in the Terraform process; keys in -backend-config are written down by init.",
			Cure:  "Take them out."},
		{ID: "HF154", Name: "terragrunt-no-errors", Severity: finding.Note,
			Title: "no errors block",
			About: "Without one, an error that would pass (a throttled call, a token that another process is renewing) ends the run of a unit.",
			Cure:  "errors { retry \"transient\" { retryable_errors = […], max_attempts = 3, sleep_interval_sec = 5 } }"},
		{ID: "HF155", Name: "terragrunt-session-name", Severity: finding.Warning,
			Title: "sessionName where Terragrunt reads roleSessionName",
			About: "The JSON of --auth-provider-cmd has roleSessionName. Older documents say sessionName, which is ignored: the session is called terragrunt- and a number, another one each time, and policies and audit logs that look for the name don't find it.",
			Cure:  "roleSessionName"},
	}
}

// Package plan (logic) reads a plan in the JSON form of Terraform and OpenTofu
// as a stream, as far as package gate judges it: roles, access entries, what
// uses them, policies that name principals, and how clients get credentials.
//
// It promises memory that grows with what is kept and never with what is
// skipped, a clear error for what isn't such a plan, and that no secret is kept:
// of an argument that holds one it knows that it is set.
//
// It judges nothing, and doesn't know what a lifecycle block says: that isn't in
// a plan.
package plan

import "strings"

// Plan is what was read.
type Plan struct {
	Format     string // format_version
	Engine     string // terraform_version, which OpenTofu writes too
	Errored    bool
	Incomplete bool // it says so itself
	Deferred   int  // changes that wait for another plan

	// Unplanned are resources in the state or in the code that the plan says
	// nothing about, as with -target: ten at the most, in order of their names.
	Unplanned      []string
	UnplannedCount int

	Changes []Change // of the kinds in Watched, and replacements of tainted resources
	Drift   []Change // what the refresh found to be gone, roles and entries only
	Long    []Change // creates, replacements and deletions that take minutes each
	Total   int      // all planned changes, no-ops included

	Callers []string // ARNs that the state's data sources say are the caller's
	Clients []Client // provider blocks
	Keys    []string // names of variables whose value is an access key

	code    map[string]configured // by address without indexes
	inputs  map[string][]string   // module.m.var.x: what the caller gives it
	outputs map[string][]string   // module.m.x
}

// Change is one planned change.
type Change struct {
	Address  string
	Previous string // before it was moved, else empty
	Type     string
	Deposed  bool
	Actions  Actions
	Reason   string // action_reason
	Before   Values
	After    Values
	Was      []Policy // policies that name principals, before; of what stays only
	Will     []Policy // and after
}

// Actions are a set of planned actions.
type Actions uint8

// Actions, as Terraform names them.
const (
	NoOp Actions = 1 << iota
	Create
	Fetch // of a data source: read
	Update
	Delete
	Forget
	CreateFirst // create_before_destroy: the new one is made first
)

// Has reports whether all of some are among the actions.
func (a Actions) Has(some Actions) bool { return a&some == some }

// Replaces reports whether the resource goes and comes back.
func (a Actions) Replaces() bool { return a.Has(Create | Delete) }

// Stays reports whether the resource is there before and after.
func (a Actions) Stays() bool { return a&(Create|Delete|Forget) == 0 }

// Name is an attribute that is kept.
type Name uint8

// The attributes that are kept, of every kind of resource.
const (
	None Name = iota
	ARN
	RoleName
	Path
	UniqueID
	Cluster
	Principal
	EntryType
	EntryARN
	PolicyARN
	NodeGroup
	NodeRole
	AMIType
	Fargate
	PodRole
	ID
)

func attribute(key []byte) Name {
	switch string(key) {
	case "arn":
		return ARN
	case "name":
		return RoleName
	case "path":
		return Path
	case "unique_id":
		return UniqueID
	case "cluster_name":
		return Cluster
	case "principal_arn":
		return Principal
	case "type":
		return EntryType
	case "access_entry_arn":
		return EntryARN
	case "policy_arn":
		return PolicyARN
	case "node_group_name":
		return NodeGroup
	case "node_role_arn":
		return NodeRole
	case "ami_type":
		return AMIType
	case "fargate_profile_name":
		return Fargate
	case "pod_execution_role_arn":
		return PodRole
	case "id":
		return ID
	}
	return None
}

// Attribute is one attribute's value. It is a string; of others nothing is kept.
type Attribute struct {
	Value   string
	Name    Name
	Unknown bool // known after the apply
}

// Values are the attributes of one side of a change.
type Values []Attribute

// Get is an attribute's value, "" if it isn't known or isn't there.
func (v Values) Get(n Name) string {
	for _, a := range v {
		if a.Name == n {
			return a.Value
		}
	}
	return ""
}

// Unknown reports whether an attribute is known only after the apply.
func (v Values) Unknown(n Name) bool {
	for _, a := range v {
		if a.Name == n {
			return a.Unknown
		}
	}
	return false
}

// Policy is a policy document that names roles or users as principals.
type Policy struct {
	Attribute  string
	Principals []string // ARNs, each once
	Text       uint64   // a hash of the document, to see whether it changes
}

// Client is a provider block.
type Client struct {
	Key         string   // aws, module.eks:aws.west
	Name        string   // aws, kubernetes
	Static      []string // arguments that hold keys: access_key, secret_key, token
	Token       bool     // an inline web identity token
	ClusterAuth string   // the data source whose token it takes
	Variables   []string // variables that Static and Token come from
}

// Bare takes the indexes out of an address.
func Bare(address string) string {
	if !strings.ContainsRune(address, '[') {
		return address
	}
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && depth > 0:
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// watched are the kinds of resources whose changes are kept.
func watched(kind string) bool {
	switch kind {
	case "aws_iam_role", "aws_iam_user", "aws_eks_cluster",
		"aws_eks_access_entry", "aws_eks_access_policy_association",
		"aws_eks_node_group", "aws_eks_fargate_profile":
		return true
	}
	return false
}

// document reports whether an argument holds a policy with principals. The kind
// may not be known yet, because somebody sorted the keys.
func document(kind string, key []byte) bool {
	switch kind {
	case "":
		return string(key) == "policy" || string(key) == "assume_role_policy" || string(key) == "access_policies"
	case "aws_iam_role":
		return string(key) == "assume_role_policy"
	case "aws_s3_bucket_policy", "aws_s3_bucket", "aws_kms_key", "aws_kms_external_key", "aws_kms_key_policy", "aws_kms_replica_key",
		"aws_sqs_queue", "aws_sqs_queue_policy", "aws_sns_topic", "aws_sns_topic_policy",
		"aws_secretsmanager_secret", "aws_secretsmanager_secret_policy",
		"aws_ecr_repository_policy", "aws_efs_file_system_policy", "aws_backup_vault_policy", "aws_vpc_endpoint", "aws_vpc_endpoint_policy":
		return string(key) == "policy"
	case "aws_opensearch_domain", "aws_opensearch_domain_policy", "aws_elasticsearch_domain", "aws_elasticsearch_domain_policy":
		return string(key) == "access_policies"
	}
	return false
}

// hasDocument reports whether a kind of resource has such an argument.
func hasDocument(kind string) bool {
	return document(kind, []byte("policy")) || document(kind, []byte("assume_role_policy")) || document(kind, []byte("access_policies"))
}

// long are the kinds whose creation or deletion commonly takes five minutes or
// more, by the durations that public logs of applies show.
func long(kind string) bool {
	switch kind {
	case "aws_eks_cluster", "aws_eks_node_group", "aws_eks_addon", "aws_eks_fargate_profile",
		"aws_db_instance", "aws_rds_cluster", "aws_rds_cluster_instance", "aws_docdb_cluster", "aws_docdb_cluster_instance",
		"aws_neptune_cluster", "aws_neptune_cluster_instance", "aws_elasticache_cluster", "aws_elasticache_replication_group",
		"aws_msk_cluster", "aws_opensearch_domain", "aws_elasticsearch_domain", "aws_redshift_cluster", "aws_cloudfront_distribution",
		"aws_directory_service_directory", "aws_fsx_lustre_file_system", "aws_fsx_ontap_file_system", "aws_fsx_windows_file_system",
		"aws_mq_broker", "aws_dms_replication_instance", "aws_networkfirewall_firewall", "aws_transfer_server":
		return true
	}
	return false
}

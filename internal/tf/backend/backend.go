// Package backend (logic) tells where a working directory's state lies: from
// what `init` wrote down, the workspace, and the environment.
//
// It promises that an option of the S3 backend which it doesn't understand is
// an error and never passed over: a copy of a state that is written with less
// protection than the state itself would be a leak.
//
// It asks nobody, and reads no HCL: what init wrote is what counts.
package backend

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Backend is what init wrote into the data directory's terraform.tfstate.
type Backend struct {
	Type   string // "local" if the code names none
	Config map[string]any
}

// Parse reads that file; nil means that it isn't there, and the backend local.
func Parse(src []byte) (Backend, error) {
	if src == nil {
		return Backend{Type: "local"}, nil
	}
	var file struct {
		Backend *Backend `json:"backend"`
	}
	if err := json.Unmarshal(src, &file); err != nil {
		return Backend{}, errors.New("not the JSON that init writes") // whose own words may quote a secret
	}
	if file.Backend == nil || file.Backend.Type == "" {
		return Backend{Type: "local"}, nil
	}
	return *file.Backend, nil
}

// Default is the workspace of whoever chose none.
const Default = "default"

// Workspace is the one that is selected: the variable TF_WORKSPACE, the file
// `environment` of the data directory, or the default one.
func Workspace(variable, file string) string {
	for _, name := range []string{variable, strings.TrimSpace(file)} {
		if name != "" {
			return name
		}
	}
	return Default
}

// S3 is a state in a bucket with all that decides how it is read and written.
type S3 struct {
	Bucket, Key string
	Region      string // empty: the environment's
	Table       string // DynamoDB; empty if there is none
	Lockfile    bool

	Encrypt     bool
	KMSKeyID    string
	CustomerKey string // SSE-C, base64; a secret
	ACL         string
	Tags        map[string]string

	Endpoint         string // of S3; empty: the environment's or AWS's
	DynamoDBEndpoint string
	STSEndpoint      string
	PathStyle        bool
	NoChecksum       bool // for stores that don't know the newer ones

	Profile string
	Roles   []Role // assumed one after the other
}

// Role is an assume_role of the backend.
type Role struct {
	ARN         string `json:"role_arn"`
	SessionName string `json:"session_name"`
	ExternalID  string `json:"external_id"`
	Duration    string `json:"duration"`
	Policy      string `json:"policy"`
}

// LockKey is the object that is the lock where lockfiles are used.
func (s S3) LockKey() string { return s.Key + ".tflock" }

// LockID is the key of the lock's item in DynamoDB; the digest's has -md5 behind
// it.
func (s S3) LockID() string { return s.Bucket + "/" + s.Key }

// String is the address of the state.
func (s S3) String() string { return "s3://" + s.Bucket + "/" + s.Key }

// harmless are options that change nothing about the state that is written: how
// init checks, how the program retries, what goes onto the lock.
func harmless(option string) bool {
	return strings.HasPrefix(option, "skip_") && option != "skip_s3_checksum" || slices.Contains([]string{
		"max_retries", "retry_mode", "lock_tags", "allowed_account_ids", "forbidden_account_ids",
		"ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode", "iam_endpoint", "workspace_key_prefix", "key",
	}, option)
}

// S3 is the place of a workspace's state. The error names every option that is
// set and not understood.
func (b Backend) S3(workspace string) (S3, error) {
	r := reader{config: b.Config}
	s := S3{
		Bucket: r.text("bucket"), Region: r.text("region"), Table: r.text("dynamodb_table"), Lockfile: r.truth("use_lockfile"),
		Encrypt: r.truth("encrypt"), KMSKeyID: r.text("kms_key_id"), CustomerKey: r.text("sse_customer_key"), ACL: r.text("acl"),
		PathStyle: r.truth("use_path_style") || r.truth("force_path_style"), NoChecksum: r.truth("skip_s3_checksum"),
		Endpoint: r.text("endpoint"), DynamoDBEndpoint: r.text("dynamodb_endpoint"), STSEndpoint: r.text("sts_endpoint"),
		Profile: r.text("profile"),
	}
	r.truth("force_path_style") // read, even if the other one is true
	s.Tags = r.texts("state_tags", "tags")
	s.Key = workspaceKey(r.text("key"), r.text("workspace_key_prefix"), workspace)
	r.endpoints(&s)
	s.Roles = r.roles()
	if unknown := r.unread(); len(unknown) > 0 {
		return S3{}, fmt.Errorf("the S3 backend's %s: not understood here", strings.Join(unknown, ", "))
	}
	if s.Bucket == "" || s.Key == "" {
		return S3{}, errors.New("the S3 backend names no bucket or no key")
	}
	return s, nil
}

// workspaceKey is the object of a workspace (internal/backend/remote-state/s3/
// backend_state.go): PREFIX/WORKSPACE/KEY, and the key itself for the default.
func workspaceKey(key, prefix, workspace string) string {
	if workspace == Default {
		return key
	}
	if prefix == "" {
		prefix = "env:"
	}
	return path.Join(prefix, workspace, key)
}

// reader takes options out of a configuration and knows which were taken.
type reader struct {
	config map[string]any
	taken  []string
	wrong  []string
}

func (r *reader) text(name string) string {
	r.taken = append(r.taken, name)
	switch v := r.config[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		r.wrong = append(r.wrong, name)
		return ""
	}
}

func (r *reader) truth(name string) bool {
	r.taken = append(r.taken, name)
	v, ok := r.config[name].(bool)
	if !ok && r.config[name] != nil {
		r.wrong = append(r.wrong, name)
	}
	return v
}

// texts takes the first of the named maps that is set.
func (r *reader) texts(names ...string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		r.taken = append(r.taken, name)
		values, _ := r.config[name].(map[string]any)
		for key, value := range values {
			text, ok := value.(string)
			if !ok {
				r.wrong = append(r.wrong, name)
			}
			out[key] = text
		}
	}
	return out
}

func (r *reader) endpoints(s *S3) {
	r.taken = append(r.taken, "endpoints")
	for _, block := range blocks(r.config["endpoints"]) {
		inner := reader{config: block}
		for name, to := range map[string]*string{"s3": &s.Endpoint, "dynamodb": &s.DynamoDBEndpoint, "sts": &s.STSEndpoint} {
			if url := inner.text(name); url != "" {
				*to = url
			}
		}
		inner.text("iam")
		inner.text("sso")
		for _, name := range inner.unread() {
			r.wrong = append(r.wrong, "endpoints."+name)
		}
	}
}

func (r *reader) roles() (all []Role) {
	old := Role{ARN: r.text("role_arn"), SessionName: r.text("session_name"), ExternalID: r.text("external_id"), Policy: r.text("assume_role_policy")}
	if old.ARN != "" {
		all = append(all, old)
	}
	r.taken = append(r.taken, "assume_role")
	for _, block := range blocks(r.config["assume_role"]) {
		inner := reader{config: block}
		role := Role{
			ARN: inner.text("role_arn"), SessionName: inner.text("session_name"), ExternalID: inner.text("external_id"),
			Duration: inner.text("duration"), Policy: inner.text("policy"),
		}
		for _, name := range inner.unread() {
			r.wrong = append(r.wrong, "assume_role."+name)
		}
		all = append(all, role)
	}
	return all
}

// unread are the options that are set and that nobody has taken.
func (r *reader) unread() []string {
	all := slices.Clone(r.wrong)
	for name, value := range r.config {
		if !blank(value) && !slices.Contains(r.taken, name) && !harmless(name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// blank is an option that wasn't set: init writes all of them.
func blank(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// blocks takes a nested block as either engine writes it: an object, or a list.
func blocks(value any) []map[string]any {
	switch v := value.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		var all []map[string]any
		for _, item := range v {
			if m, ok := item.(map[string]any); ok {
				all = append(all, m)
			}
		}
		return all
	}
	return nil
}

// Environment fills in what the backend takes from variables where its
// configuration is silent, old spellings included
// (internal/backend/remote-state/s3/backend.go).
func (s S3) Environment(env map[string]string) S3 {
	fill := func(to *string, names ...string) {
		for _, name := range names {
			if *to == "" {
				*to = env[name]
			}
		}
	}
	fill(&s.Region, "AWS_REGION", "AWS_DEFAULT_REGION")
	fill(&s.Endpoint, "AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT", "AWS_ENDPOINT_URL")
	fill(&s.DynamoDBEndpoint, "AWS_ENDPOINT_URL_DYNAMODB", "AWS_DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL")
	fill(&s.STSEndpoint, "AWS_ENDPOINT_URL_STS", "AWS_STS_ENDPOINT", "AWS_ENDPOINT_URL")
	if s.Encrypt {
		fill(&s.CustomerKey, "AWS_SSE_CUSTOMER_KEY")
	}
	return s
}

package backend_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/tf/backend"
)

func written(config string) []byte {
	return fmt.Appendf(nil, `{"version":3,"backend":{"type":"s3","config":%s,"hash":1}}`, config)
}

func place(t *testing.T, config, workspace string) (backend.S3, error) {
	t.Helper()
	b, err := backend.Parse(written(config))
	if err != nil {
		t.Fatal(err)
	}
	return b.S3(workspace)
}

func TestS3(t *testing.T) {
	base := backend.S3{Bucket: "b", Key: "k", Tags: map[string]string{}}
	with := func(change func(*backend.S3)) backend.S3 {
		s := base
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		config, workspace string
		want              backend.S3
	}{
		"plain":         {`{"bucket":"b","key":"k","encrypt":null,"acl":null}`, "default", base},
		"lockfile":      {`{"bucket":"b","key":"k","use_lockfile":true,"region":"eu-west-1"}`, "default", with(func(s *backend.S3) { s.Lockfile, s.Region = true, "eu-west-1" })},
		"both locks":    {`{"bucket":"b","key":"k","use_lockfile":true,"dynamodb_table":"t"}`, "default", with(func(s *backend.S3) { s.Lockfile, s.Table = true, "t" })},
		"workspace":     {`{"bucket":"b","key":"k"}`, "blue", with(func(s *backend.S3) { s.Key = "env:/blue/k" })},
		"a prefix":      {`{"bucket":"b","key":"k","workspace_key_prefix":"ws"}`, "blue", with(func(s *backend.S3) { s.Key = "ws/blue/k" })},
		"prefix unused": {`{"bucket":"b","key":"k","workspace_key_prefix":"ws"}`, "default", base},
		"endpoints": {`{"bucket":"b","key":"k","endpoints":{"s3":"http://s3","dynamodb":"http://d","sts":"http://sts","iam":null,"sso":null}}`, "default", with(func(s *backend.S3) {
			s.Endpoint, s.DynamoDBEndpoint, s.STSEndpoint = "http://s3", "http://d", "http://sts"
		})},
		"old endpoints":  {`{"bucket":"b","key":"k","endpoint":"http://s3","force_path_style":true}`, "default", with(func(s *backend.S3) { s.Endpoint, s.PathStyle = "http://s3", true })},
		"both styles":    {`{"bucket":"b","key":"k","use_path_style":true,"force_path_style":false}`, "default", with(func(s *backend.S3) { s.PathStyle = true })},
		"encryption":     {`{"bucket":"b","key":"k","encrypt":true,"kms_key_id":"arn"}`, "default", with(func(s *backend.S3) { s.Encrypt, s.KMSKeyID = true, "arn" })},
		"a role":         {`{"bucket":"b","key":"k","assume_role":{"role_arn":"r","session_name":"s","external_id":null,"policy":null,"tags":null,"policy_arns":[]}}`, "default", with(func(s *backend.S3) { s.Roles = []backend.Role{{ARN: "r", SessionName: "s"}} })},
		"two roles":      {`{"bucket":"b","key":"k","assume_role":[{"role_arn":"r"},{"role_arn":"q","duration":"1h"}]}`, "default", with(func(s *backend.S3) { s.Roles = []backend.Role{{ARN: "r"}, {ARN: "q", Duration: "1h"}} })},
		"the old role":   {`{"bucket":"b","key":"k","role_arn":"r","external_id":"x"}`, "default", with(func(s *backend.S3) { s.Roles = []backend.Role{{ARN: "r", ExternalID: "x"}} })},
		"tags":           {`{"bucket":"b","key":"k","state_tags":{"team":"a"}}`, "default", with(func(s *backend.S3) { s.Tags = map[string]string{"team": "a"} })},
		"what only init": {`{"bucket":"b","key":"k","skip_credentials_validation":true,"max_retries":5,"retry_mode":"standard"}`, "default", base},
	} {
		got, err := place(t, c.config, c.workspace)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
}

// What isn't understood is named, all of it, and never with its value.
func TestS3Refuses(t *testing.T) {
	for name, c := range map[string]struct{ config, want string }{
		"unknown":             {`{"bucket":"b","key":"k","new_protection":"hunter2"}`, "new_protection"},
		"keys":                {`{"bucket":"b","key":"k","access_key":"a","secret_key":"hunter2"}`, "access_key, secret_key"},
		"a proxy":             {`{"bucket":"b","key":"k","https_proxy":"http://hunter2"}`, "https_proxy"},
		"web identity":        {`{"bucket":"b","key":"k","assume_role_with_web_identity":{"role_arn":"r"}}`, "assume_role_with_web_identity"},
		"a part of a role":    {`{"bucket":"b","key":"k","assume_role":{"role_arn":"r","policy_arns":["p"]}}`, "assume_role.policy_arns"},
		"an endpoint":         {`{"bucket":"b","key":"k","endpoints":{"kms":"http://hunter2"}}`, "endpoints.kms"},
		"another type":        {`{"bucket":"b","key":"k","encrypt":"yes"}`, "encrypt"},
		"no bucket":           {`{"key":"k"}`, "no bucket"},
		"a number for a text": {`{"bucket":7,"key":"k"}`, "bucket"},
	} {
		_, err := place(t, c.config, "default")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{"": "local", `{"version":3}`: "local", `{"backend":{"type":"","config":null}}`: "local", `{"backend":{"type":"gcs","config":{}}}`: "gcs"} {
		src := []byte(text)
		if text == "" {
			src = nil
		}
		b, err := backend.Parse(src)
		if err != nil || b.Type != want {
			t.Errorf("%q: %q, %v", text, b.Type, err)
		}
	}
	if _, err := backend.Parse([]byte(`{"backend": hunter2`)); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestWorkspace(t *testing.T) {
	for _, c := range []struct{ variable, file, want string }{
		{"", "", "default"}, {"", "blue\n", "blue"}, {"green", "blue", "green"},
	} {
		if got := backend.Workspace(c.variable, c.file); got != c.want {
			t.Errorf("%q, %q: %q", c.variable, c.file, got)
		}
	}
}

func TestEnvironment(t *testing.T) {
	env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "http://all", "AWS_DYNAMODB_ENDPOINT": "http://old", "AWS_SSE_CUSTOMER_KEY": "key"}
	got := backend.S3{Bucket: "b", Endpoint: "http://mine"}.Environment(env)
	if got.Region != "eu-west-1" || got.Endpoint != "http://mine" || got.DynamoDBEndpoint != "http://old" || got.STSEndpoint != "http://all" || got.CustomerKey != "" {
		t.Errorf("%+v", got)
	}
	if got := (backend.S3{Encrypt: true}).Environment(env); got.CustomerKey != "key" {
		t.Error("the key for an encrypted state isn't taken")
	}
}

func FuzzS3(f *testing.F) {
	f.Add([]byte(`{"bucket":"b","key":"k","assume_role":[{"role_arn":"r"}],"endpoints":{"s3":"x"}}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		b, err := backend.Parse(written(string(config)))
		if err != nil {
			return
		}
		if s, err := b.S3("w"); err == nil && (s.Bucket == "" || s.Key == "") {
			t.Errorf("%+v", s)
		}
	})
}

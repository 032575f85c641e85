package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// writePlan writes a plan of n roles with long policies in the form of
// `show -json`: each is made again, and stands in planned_values, in
// resource_changes, in prior_state and in the configuration.
func writePlan(to io.Writer, n int) error {
	w := bufio.NewWriterSize(to, 1<<20)
	role := func(i int) (address, values string) {
		name := fmt.Sprintf("team-%05d-worker", i)
		var statements []string
		for s := range 2 {
			statements = append(statements, fmt.Sprintf(`{\"Action\":\"sts:AssumeRole\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"arn:aws:iam::111111111111:role/ci-%d-%d\",\"arn:aws:iam::222222222222:root\"]},\"Condition\":{\"StringEquals\":{\"sts:ExternalId\":\"%s\"}},\"Sid\":\"S%d\"}`, i, s, strings.Repeat("x", 8), s))
		}
		policy := `{\"Statement\":[` + strings.Join(statements, ",") + `],\"Version\":\"2012-10-17\"}`
		address = fmt.Sprintf("module.team[\\\"%05d\\\"].aws_iam_role.worker", i)
		values = fmt.Sprintf(`"name":"%s","path":"/","description":"made by a generator","max_session_duration":3600,"force_detach_policies":false,"tags":{"team":"%05d"},"assume_role_policy":"%s"`, name, i, policy)
		return address, values
	}
	known := func(i int) string {
		return fmt.Sprintf(`,"arn":"arn:aws:iam::111111111111:role/team-%05d-worker","unique_id":"AROA%017d","create_date":"2026-01-01T00:00:00Z","id":"team-%05d-worker"`, i, i, i)
	}
	list := func(one func(i int)) {
		for i := range n {
			if i > 0 {
				_ = w.WriteByte(',')
			}
			one(i)
		}
	}
	fmt.Fprint(w, `{"format_version":"1.2","terraform_version":"1.12.6","planned_values":{"root_module":{"resources":[`)
	list(func(i int) {
		address, values := role(i)
		fmt.Fprintf(w, `{"address":"%s","mode":"managed","type":"aws_iam_role","name":"worker","provider_name":"registry.opentofu.org/hashicorp/aws","schema_version":0,"values":{%s}}`, address, values)
	})
	fmt.Fprint(w, `]}},"resource_changes":[`)
	list(func(i int) {
		address, values := role(i)
		fmt.Fprintf(w, `{"address":"%s","mode":"managed","type":"aws_iam_role","name":"worker","provider_name":"registry.opentofu.org/hashicorp/aws","change":{"actions":["delete","create"],"before":{%s%s},"after":{%s},"after_unknown":{"arn":true,"unique_id":true,"create_date":true,"id":true,"tags":{}},"before_sensitive":{},"after_sensitive":{},"replace_paths":[["path"]]},"action_reason":"replace_because_cannot_update"}`, address, values, known(i), values)
	})
	fmt.Fprint(w, `],"prior_state":{"format_version":"1.0","values":{"root_module":{"resources":[`)
	list(func(i int) {
		address, values := role(i)
		fmt.Fprintf(w, `{"address":"%s","mode":"managed","type":"aws_iam_role","name":"worker","values":{%s%s}}`, address, values, known(i))
	})
	fmt.Fprint(w, `]}}},"configuration":{"provider_config":{"aws":{"name":"aws"}},"root_module":{"module_calls":{"team":{"for_each_expression":{"references":["var.teams"]},"module":{"resources":[{"address":"aws_iam_role.worker","mode":"managed","type":"aws_iam_role","name":"worker","provider_config_key":"aws","expressions":{"name":{"references":["var.name"]}}}]}}}}}}`+"\n")
	return w.Flush()
}

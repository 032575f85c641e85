package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeCode writes modules of twenty files each: what repositories have, with
// roles in one module of five and clusters in one of ten, and a root that calls
// ten of them for each ten.
func writeCode(dir string, modules int) error {
	for m := range modules {
		files := map[string]string{
			"versions.tf":  "terraform {\n  required_version = \">= 1.9\"\n  required_providers {\n    aws = { source = \"hashicorp/aws\", version = \"~> 6.0\" }\n  }\n}\n",
			"variables.tf": "variable \"name\" {\n  type        = string\n  description = \"what everything is called\"\n}\nvariable \"tags\" {\n  type    = map(string)\n  default = {}\n}\n",
			"outputs.tf":   "output \"queue\" {\n  value = aws_sqs_queue.q0.arn\n}\n",
			"locals.tf":    "locals {\n  tags = merge(var.tags, { team = \"shop\", env = \"prod\" })\n}\n",
		}
		for f := range 16 {
			files[fmt.Sprintf("resources%02d.tf", f)] = resources(m, f)
		}
		at := filepath.Join(dir, fmt.Sprintf("module%03d", m))
		if err := os.MkdirAll(at, 0o700); err != nil {
			return err
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

func resources(m, f int) string {
	text := fmt.Sprintf(`# queue number %[1]d, and the topic that feeds it
resource "aws_sqs_queue" "q%[1]d" {
  name                       = "${var.name}-%[1]d"
  visibility_timeout_seconds = 30
  message_retention_seconds  = 86400
  tags                       = local.tags
}

resource "aws_sns_topic" "t%[1]d" {
  name = "${var.name}-%[1]d"
  tags = local.tags
}

resource "aws_sns_topic_subscription" "s%[1]d" {
  topic_arn = aws_sns_topic.t%[1]d.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.q%[1]d.arn
}
`, f)
	switch {
	case f == 0 && m%10 == 0 && m > 0:
		text += fmt.Sprintf("\nmodule \"before\" {\n  source = \"../module%03d\"\n  name   = \"${var.name}-before\"\n}\n", m-1)
	case f == 1 && m%5 == 0:
		text += "\nresource \"aws_iam_role\" \"app\" {\n  name               = \"app\"\n  assume_role_policy = jsonencode({ Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = \"sts:AssumeRole\", Principal = { Service = \"ec2.amazonaws.com\" } }] })\n}\n"
	case f == 2 && m%10 == 0:
		text += "\nresource \"aws_eks_access_entry\" \"app\" {\n  cluster_name  = \"prod\"\n  principal_arn = \"arn:aws:iam::111111111111:role/app\"\n}\n"
	}
	return text
}

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

const trusting = head + `
resource "aws_iam_role" "app" {
  name               = "app"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = "arn:aws:iam::111111111111:root" } }] })
}
resource "aws_iam_role" "target" {
  name               = "target"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = PRINCIPAL } }] })
  depends_on         = [aws_iam_role.app]
  MORE
}
`

// A trust policy keeps the ID of the role that it names, a reference to its ARN
// included, because the text is the same afterwards: what the gate calls broken is
// refused after the apply, what it passes isn't.
func TestTrustPoliciesKeepIDs(t *testing.T) {
	for _, row := range []struct {
		principal, more string
		broken          bool
	}{
		{`"arn:aws:iam::111111111111:role/app"`, "", true},
		{"aws_iam_role.app.arn", "", true},
		{"aws_iam_role.app.arn", "lifecycle {\n    replace_triggered_by = [aws_iam_role.app.unique_id]\n  }", false},
	} {
		principal, broken := row.principal, row.broken
		s := begin(t, lab.Options{World: world()}, strings.NewReplacer("PRINCIPAL", principal, "MORE", row.more).Replace(trusting))
		s.mustTofu("apply", "-auto-approve", "-no-color")
		if err := s.chain(t); err != nil {
			t.Fatalf("%s: before: %v", principal, err)
		}
		p, err := plan.Read(bytes.NewReader(s.plan("-replace", "aws_iam_role.app")))
		if err != nil {
			t.Fatal(err)
		}
		said := describe(gate.Judge(gate.Facts{Plan: p}))
		if (said == "HF220 error aws_iam_role.target\n") != broken || !broken && said != "" {
			t.Errorf("%s: the gate says\n%s", principal, said)
		}
		s.mustTofu("apply", "-no-color", "p")
		if err := s.chain(t); (err != nil) != broken {
			t.Errorf("%s: broken: %v, and the chain says: %v", principal, broken, err)
		}
		s.mustTofu("apply", "-auto-approve", "-no-color") // the second one heals it, as the cure says
		if err := s.chain(t); err != nil {
			t.Errorf("%s: after the second apply: %v", principal, err)
		}
	}
}

// chain becomes app, and from there target.
func (s *story) chain(t *testing.T) error {
	t.Helper()
	first, err := s.sdk().sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/app"), RoleSessionName: aws.String("judge")})
	if err != nil {
		t.Fatal(err)
	}
	who := credentials.NewStaticCredentialsProvider(*first.Credentials.AccessKeyId, *first.Credentials.SecretAccessKey, *first.Credentials.SessionToken)
	second := sts.New(sts.Options{Region: region, BaseEndpoint: aws.String(s.lab.URL()), Credentials: who})
	_, err = second.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/target"), RoleSessionName: aws.String("judge")})
	return err
}

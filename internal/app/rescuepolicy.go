package app

import (
	"path/filepath"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/source"
	"github.com/holdfast/holdfast/internal/tf/backend"
)

// RescuePolicy is the least privilege that a rescue of a directory's state
// needs. Where no Terraform was initialised, capitals stand for what somebody
// must fill in. Which action goes with which resource:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
// and list_amazondynamodb.html there.
func RescuePolicy(req Request, dir string, p Process) (Policy, error) {
	one, err := who(req, p)
	if err != nil {
		return Policy{}, err
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.Dir, dir)
	}
	env := precedence.NewEnv(p.Environ)
	at := backend.S3{Bucket: "BUCKET", Key: "KEY", Table: "TABLE", Lockfile: true, KMSKeyID: "arn:aws:kms:REGION:ACCOUNT:key/ID"}
	w := workplace{dir: dir, env: env}
	if exists(filepath.Join(w.dataDir(), "terraform.tfstate")) {
		b, workspace, err := w.backend()
		if err != nil {
			return Policy{}, err
		}
		if at, err = b.S3(workspace); err != nil {
			return Policy{}, err
		}
	}
	principal := "arn:aws:iam::ACCOUNT:role/NAME"
	if n := len(one.plan.Roles); n > 0 {
		principal = one.plan.Roles[n-1].ARN
	}
	if n := len(at.Roles); n > 0 {
		principal = at.Roles[n-1].ARN
	}
	need := source.Need{Principal: principal, IdentityPolicy: &source.Document{Version: "2012-10-17", Statement: rescueStatements(at)}}
	return Policy{PolicyVersion, one.name, one.plan.Found, []source.Need{need}}, nil
}

func rescueStatements(at backend.S3) []source.Statement {
	object := "arn:aws:s3:::" + at.Bucket + "/" + at.Key
	all := []source.Statement{
		// Without it an object that isn't there looks forbidden.
		{Effect: "Allow", Resource: "arn:aws:s3:::" + at.Bucket, Action: []string{"s3:ListBucket"}},
		{Effect: "Allow", Resource: object, Action: []string{"s3:GetObject", "s3:PutObject"}},
		{Effect: "Allow", Resource: object + ".rescue/*", Action: []string{"s3:PutObject"}},
	}
	if at.Lockfile {
		all = append(all, source.Statement{Effect: "Allow", Resource: object + ".tflock", Action: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}})
	}
	if at.Table != "" {
		all = append(all, source.Statement{
			Effect: "Allow", Resource: "arn:aws:dynamodb:*:*:table/" + at.Table, Action: []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"},
		})
	}
	if at.KMSKeyID != "" {
		all = append(all, source.Statement{Effect: "Allow", Resource: at.KMSKeyID, Action: []string{"kms:Decrypt", "kms:GenerateDataKey"}})
	}
	return all
}

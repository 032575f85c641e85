package lab_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/holdfast/holdfast/internal/lab"
)

const (
	account    = "111111111111"
	ciRole     = "arn:aws:iam::" + account + ":role/ci"
	deployRole = "arn:aws:iam::" + account + ":role/deploy"
	runner     = "system:serviceaccount:ci:runner"
	audience   = "sts.amazonaws.com"
	bucket     = "holdfast-state"
	table      = "holdfast-locks"
)

// fixture is a lab with the real SDK as its client.
type fixture struct {
	*lab.Server
	t   *testing.T
	env map[string]string
}

func start(t *testing.T, o lab.Options) *fixture {
	t.Helper()
	s, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	f := &fixture{Server: s, t: t, env: map[string]string{}}
	for _, e := range s.Env() {
		name, value, _ := strings.Cut(e, "=")
		f.env[name] = value
	}
	return f
}

func (f *fixture) admin() aws.Credentials {
	return aws.Credentials{AccessKeyID: f.env["AWS_ACCESS_KEY_ID"], SecretAccessKey: f.env["AWS_SECRET_ACCESS_KEY"]}
}

func (f *fixture) config(c aws.Credentials) aws.Config {
	return aws.Config{
		Region:       f.env["AWS_REGION"],
		BaseEndpoint: aws.String(f.URL()),
		Credentials:  credentials.StaticCredentialsProvider{Value: c},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		// As config.LoadDefaultConfig has it.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
}

func (f *fixture) sts(c aws.Credentials) *sts.Client { return sts.NewFromConfig(f.config(c)) }
func (f *fixture) iam(c aws.Credentials) *iam.Client { return iam.NewFromConfig(f.config(c)) }
func (f *fixture) dynamodb(c aws.Credentials) *dynamodb.Client {
	return dynamodb.NewFromConfig(f.config(c))
}
func (f *fixture) s3(c aws.Credentials) *s3.Client {
	return s3.NewFromConfig(f.config(c), func(o *s3.Options) { o.UsePathStyle = true })
}

func keys(c *ststypes.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}
}

// ci exchanges a web identity token for a session of the role ci.
func (f *fixture) ci() aws.Credentials {
	f.t.Helper()
	out, err := f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(f.t.Context(), f.webIdentity())
	if err != nil {
		f.t.Fatal(err)
	}
	return keys(out.Credentials)
}

func (f *fixture) webIdentity() *sts.AssumeRoleWithWebIdentityInput {
	return &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(ciRole), RoleSessionName: aws.String("runner"),
		WebIdentityToken: aws.String(f.WebIdentityToken(runner, audience, time.Minute)),
	}
}

// assume goes on to a role from given credentials.
func (f *fixture) assume(from aws.Credentials, role string, change ...func(*sts.AssumeRoleInput)) (*sts.AssumeRoleOutput, error) {
	f.t.Helper()
	in := &sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("apply")}
	for _, c := range change {
		c(in)
	}
	return f.sts(from).AssumeRole(f.t.Context(), in)
}

// refused checks an error's code, status and text.
func refused(t *testing.T, err error, code string, status int, text string) {
	t.Helper()
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	if !errors.As(err, &api) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("got %s: %s\nwant %s: %s", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
	if errors.As(err, &response) && response.HTTPStatusCode() != status {
		t.Errorf("got status %d, want %d", response.HTTPStatusCode(), status)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Fault(lab.Fault{Kind: lab.FaultHang})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		client := sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), Retryer: aws.NopRetryer{},
			Credentials: credentials.NewStaticCredentialsProvider("AKIAX", "x", "")})
		_, err := client.GetCallerIdentity(ctx, nil)
		failed <- err
	}()
	waitFor(t, func() bool { return s.Hits() == 1 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("a request that hung got an answer from a closing lab")
	}
	cancel()
	waitFor(t, func() bool { return runtime.NumGoroutine() <= before+2 }) // the SDK's own idle connection
}

// waitFor polls for what another goroutine is about to do.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatal("didn't happen in 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestEnvNamesTheZeroWorld(t *testing.T) {
	f := start(t, lab.Options{})
	for name, want := range map[string]string{
		"AWS_ENDPOINT_URL": f.URL(), "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
		"HOLDFAST_LAB_ISSUER": f.URL() + "/oidc", "HOLDFAST_LAB_ROLE_CI": ciRole, "HOLDFAST_LAB_ROLE_DEPLOY": deployRole,
		"HOLDFAST_LAB_BUCKET": bucket, "HOLDFAST_LAB_TABLE": table,
	} {
		if f.env[name] != want {
			t.Errorf("%s is %q, want %q", name, f.env[name], want)
		}
	}
	if len(maps.Clone(f.env)) != 10 {
		t.Errorf("%d variables: %v", len(f.env), f.env)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80", "example.com:80", "127.0.0.1", "localhost:0"} {
		if s, err := lab.Start(lab.Options{Listen: address}); err == nil {
			s.Close()
			t.Errorf("%s: listened", address)
		}
	}
}

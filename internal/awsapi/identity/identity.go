// Package identity (adapter) speaks to AWS STS and to the SDK's default chain
// of credentials. It is where the SDK's errors become source's and where a
// session's end is corrected for the difference between the server's clock and
// ours.
//
// It makes one attempt for each call, without the SDK's retries: when to try
// again is the keeper's decision. It caches nothing.
package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/source"
)

// noticeable is the least difference of clocks that is corrected: the Date
// header has whole seconds, and the way there takes time.
const noticeable = 5 * time.Second

// Options say where to ask. Empty fields are what the SDK makes of the
// environment and the config files.
type Options struct {
	Profile string
	Region  string
}

// AWS is a loaded configuration: the client of STS, and the default chain.
type AWS struct {
	config aws.Config
	sts    *sts.Client
}

// Load reads the environment and the config files as every AWS SDK does. It
// asks no server.
func Load(ctx context.Context, o Options) (*AWS, error) {
	with := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
	}
	if o.Profile != "" {
		with = append(with, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Region != "" {
		with = append(with, config.WithRegion(o.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, with...)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return &AWS{config: cfg, sts: sts.NewFromConfig(cfg)}, nil
}

// Region is where STS is asked; empty if nothing names one.
func (a *AWS) Region() string { return a.config.Region }

// AssumeRole implements source.STS.
func (a *AWS) AssumeRole(ctx context.Context, from cred.Set, role source.Role) (cred.Set, error) {
	in := &sts.AssumeRoleInput{
		RoleArn:           &role.ARN,
		RoleSessionName:   &role.SessionName,
		ExternalId:        optional(role.ExternalID),
		SourceIdentity:    optional(role.SourceIdentity),
		Policy:            optional(role.Policy),
		DurationSeconds:   seconds(role.Duration),
		TransitiveTagKeys: role.TransitiveTags,
	}
	for _, name := range sorted(role.Tags) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(name), Value: aws.String(role.Tags[name])})
	}
	out, err := a.sts.AssumeRole(ctx, in, func(o *sts.Options) { o.Credentials = fixed(from) })
	if err != nil {
		return cred.Set{}, refusal("AssumeRole", err)
	}
	return received(out.Credentials, out.ResultMetadata)
}

// AssumeRoleWithWebIdentity implements source.STS. The request is not signed.
func (a *AWS) AssumeRoleWithWebIdentity(ctx context.Context, token string, role source.Role) (cred.Set, error) {
	out, err := a.sts.AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn:          &role.ARN,
		RoleSessionName:  &role.SessionName,
		WebIdentityToken: &token,
		Policy:           optional(role.Policy),
		DurationSeconds:  seconds(role.Duration),
	})
	if err != nil {
		return cred.Set{}, refusal("AssumeRoleWithWebIdentity", err)
	}
	return received(out.Credentials, out.ResultMetadata)
}

// Caller asks whose credentials a set is.
func (a *AWS) Caller(ctx context.Context, set cred.Set) (arn string, err error) {
	out, err := a.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Credentials = fixed(set) })
	if err != nil {
		return "", refusal("GetCallerIdentity", err)
	}
	return aws.ToString(out.Arn), nil
}

// Default is the SDK's own chain as a first hop: environment keys, profiles
// (SSO included), container and instance roles.
type Default struct{ AWS *AWS }

// Fetch asks the chain anew. The SDK's cache in front of it is emptied first,
// because it would give the old credential until its very end.
func (d *Default) Fetch(ctx context.Context) (cred.Set, error) {
	if cache, ok := d.AWS.config.Credentials.(*aws.CredentialsCache); ok {
		cache.Invalidate()
	}
	got, err := d.AWS.config.Credentials.Retrieve(ctx)
	if err != nil {
		return cred.Set{}, refusal("the SDK's default chain", err)
	}
	set := cred.New(got.AccessKeyID, got.SecretAccessKey, got.SessionToken)
	set.Issued = time.Now()
	if got.CanExpire {
		set.Expires = got.Expires
	}
	set.Origin = got.Source
	return set, nil
}

func received(c *types.Credentials, meta smithymiddleware.Metadata) (cred.Set, error) {
	if c == nil || c.AccessKeyId == nil || c.SecretAccessKey == nil || c.SessionToken == nil || c.Expiration == nil {
		return cred.Set{}, errors.New("the answer of STS lacks a part of the credential")
	}
	set := cred.New(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	set.Issued = time.Now()
	if server, ok := middleware.GetServerTime(meta); ok {
		if skew := server.Sub(set.Issued.Round(0)); skew > noticeable || skew < -noticeable {
			set.Skew = skew
		}
	}
	set.Expires = c.Expiration.Add(-set.Skew)
	return set, nil
}

// refusal turns an error of the SDK into source's.
func refusal(operation string, err error) *source.Refusal {
	r := &source.Refusal{Operation: operation, Err: err}
	var api smithy.APIError
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		r.Status = response.HTTPStatusCode()
	}
	switch {
	case errors.As(err, &api):
		r.Code, r.Message = api.ErrorCode(), api.ErrorMessage()
	default:
		r.Message = innermost(err)
		r.Final = r.Status == 0 && !onTheWay(err)
	}
	return r
}

// onTheWay reports whether somebody was asked and the answer didn't come. What
// else fails without an answer fails before asking: no region, no profile, no
// key, a login that is over.
func onTheWay(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// innermost drops the SDK's wrapping, which repeats operation, URL and request
// ID on one long line.
func innermost(err error) string {
	var network *net.OpError
	var address *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &network):
		return network.Error()
	case errors.As(err, &address):
		return address.Err.Error()
	}
	message := err.Error()
	for _, noise := range []string{"failed to resolve service endpoint, ", "failed to refresh cached credentials, "} {
		if i := strings.LastIndex(message, noise); i >= 0 {
			message = message[i+len(noise):]
		}
	}
	return message
}

func fixed(set cred.Set) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: set.AccessKeyID(), SecretAccessKey: set.Secret(), SessionToken: set.Token()}, nil
	})
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func seconds(d time.Duration) *int32 {
	if d == 0 {
		return nil
	}
	return aws.Int32(int32(d / time.Second))
}

func sorted(tags map[string]string) []string {
	names := make([]string, 0, len(tags))
	for name := range tags {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

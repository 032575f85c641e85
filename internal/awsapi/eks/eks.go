// Package eks (adapter) reads and changes access entries, and reads what their
// verdicts need: clusters, node groups and Fargate profiles, roles and users of
// IAM, and the authenticator's log.
//
// It promises that requests of one account, region and service keep to a pace
// that gives way to throttling; that what AWS refuses for the moment is asked
// again, and what it refuses for good isn't; and that every error of AWS is an
// *access.Refusal with the permission that the operation needs. No attempt waits
// longer for an answer than Options say. It decides nothing.
package eks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/pace"
	"github.com/holdfast/holdfast/internal/source"
)

// Options say how to ask.
type Options struct {
	Profile string        // whose region and endpoints count; the SDK's choice if empty
	Rate    float64       // requests a second for each account, region and service
	Timeout time.Duration // of one attempt
	Tries   int           // attempts of one request
}

// AWS makes clients for places. It is safe for use by several goroutines.
type AWS struct {
	options Options
	config  aws.Config
	calls   atomic.Int64

	mu    sync.Mutex
	paces map[[3]string]*pace.Pace
}

// Load reads the environment and the config files as every AWS SDK does. It
// asks no server.
func Load(ctx context.Context, o Options) (*AWS, error) {
	with := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(o.Timeout)),
		config.WithCredentialsProvider(aws.AnonymousCredentials{}), // each client gets its own
	}
	if o.Profile != "" {
		with = append(with, config.WithSharedConfigProfile(o.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, with...)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	return &AWS{options: o, config: cfg, paces: map[[3]string]*pace.Pace{}}, nil
}

// Calls is how many requests were sent so far, repeated ones included.
func (a *AWS) Calls() int { return int(a.calls.Load()) }

func (a *AWS) pace(account, region, service string) *pace.Pace {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := [3]string{account, region, service}
	p, ok := a.paces[key]
	if !ok {
		p = pace.New(a.options.Rate)
		a.paces[key] = p
	}
	return p
}

// Place is EKS in one account and region, as somebody with credentials for it.
type Place struct {
	aws   *AWS
	at    access.Place
	creds aws.CredentialsProvider
	eks   *eks.Client
	retry *retryer
}

// In returns EKS in a place.
func (a *AWS) In(at access.Place, who source.Getter) *Place {
	p := &Place{aws: a, at: at, creds: provider(who)}
	p.retry = a.retryer(at.Account, at.Region, "eks")
	p.eks = eks.NewFromConfig(a.config, func(o *eks.Options) {
		o.Region, o.Credentials, o.Retryer = at.Region, p.creds, p.retry
	})
	return p
}

// Directory is IAM of one account.
type Directory struct {
	account string
	iam     *iam.Client
}

// IAM returns IAM of an account. Any region of its partition will do.
func (a *AWS) IAM(account, region string, who source.Getter) *Directory {
	return &Directory{account, iam.NewFromConfig(a.config, func(o *iam.Options) {
		o.Region, o.Credentials, o.Retryer = region, provider(who), a.retryer(account, "", "iam")
	})}
}

func provider(who source.Getter) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		set, err := who.Get(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		return aws.Credentials{AccessKeyID: set.AccessKeyID(), SecretAccessKey: set.Secret(), SessionToken: set.Token()}, nil
	})
}

// retryer is the SDK's standard one with our pace in front of every attempt.
type retryer struct {
	aws.RetryerV2
	aws  *AWS
	pace *pace.Pace
}

func (a *AWS) retryer(account, region, service string) *retryer {
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = a.options.Tries
		// The SDK waits long after a throttle, and has a budget of retries, for
		// callers without a pace.
		o.Backoff, o.RateLimiter = retry.NewExponentialJitterBackoff(2*time.Second), unlimited{}
	})
	return &retryer{RetryerV2: standard, aws: a, pace: a.pace(account, region, service)}
}

// GetAttemptToken implements aws.RetryerV2.
func (r *retryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	if err := r.pace.Wait(ctx); err != nil {
		return nil, err
	}
	r.aws.calls.Add(1)
	return func(err error) error {
		switch {
		case err == nil:
			r.pace.Well()
		case throttled(err):
			r.pace.Slower()
		}
		return nil
	}, nil
}

// IsErrorRetryable doesn't ask a server again that gave no answer in time: each
// attempt would cost a whole timeout.
func (r *retryer) IsErrorRetryable(err error) bool {
	if silent(err) {
		return false
	}
	return r.RetryerV2.IsErrorRetryable(err)
}

func throttled(err error) bool {
	return retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
}

// silent reports whether an attempt ended because no answer came in time.
func silent(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// unlimited lets every retry through: the number of attempts is bounded, and
// their pace.
type unlimited struct{}

// GetToken implements retry.RateLimiter.
func (unlimited) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

// AddTokens implements retry.RateLimiter.
func (unlimited) AddTokens(uint) error { return nil }

// refusal turns an error of the SDK into access's.
func refusal(service, operation string, err error) error {
	r := &access.Refusal{Operation: operation, Permission: service + ":" + operation, Err: err}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		r.Status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
		r.Code, r.Message = api.ErrorCode(), api.ErrorMessage()
	case silent(err):
		r.Message = "no answer in time"
	default:
		r.Message = innermost(err)
	}
	return r
}

// innermost drops the SDK's wrapping, which repeats operation, URL and request
// ID on one long line.
func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

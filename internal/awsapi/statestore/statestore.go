// Package statestore (adapter) is a Terraform state in S3 with its locks and its
// digest, as the S3 backend keeps them (internal/backend/remote-state/s3 in
// OpenTofu, internal/backend/remote-state/s3 in Terraform).
//
// It promises that whatever it changes is conditional on what the caller saw:
// a lock is released only while it has the given ID, a digest replaced only
// while it is the given one, a copy never put over another. What it writes is
// protected as the backend's own settings say.
//
// It never writes the state itself: Terraform does that.
//
// An Object is what else is kept beside states by several writers, and reached
// in the same way.
package statestore

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/backend"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// largest is the size of a state in bytes above which it isn't read.
const largest = 1 << 30

// Credentials give what requests are signed with.
type Credentials func(context.Context) (cred.Set, error)

// Store is one state. It implements rescue.Store.
type Store struct {
	at     backend.S3
	s3     *s3.Client
	tables *dynamodb.Client // nil without a table
}

// New makes the clients, with the roles that the backend itself assumes. It
// asks nobody.
func New(at backend.S3, credentials Credentials) (*Store, error) {
	if at.Region == "" {
		return nil, errors.New("no region: neither the backend nor AWS_REGION names one")
	}
	config := aws.Config{Region: at.Region, Credentials: provider(credentials), HTTPClient: awshttp.NewBuildableClient()}
	for _, role := range at.Roles {
		assumed, err := assume(config, at.STSEndpoint, role)
		if err != nil {
			return nil, err
		}
		config.Credentials = assumed
	}
	s := &Store{at: at, s3: client(at, config)}
	if at.Table != "" {
		s.tables = dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.BaseEndpoint = optional(at.DynamoDBEndpoint) })
	}
	return s, nil
}

func client(at backend.S3, config aws.Config) *s3.Client {
	return s3.NewFromConfig(config, func(o *s3.Options) {
		o.UsePathStyle = at.PathStyle
		o.BaseEndpoint = optional(at.Endpoint)
		if at.NoChecksum {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		}
	})
}

func provider(credentials Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		set, err := credentials(ctx)
		if err != nil {
			return aws.Credentials{}, err
		}
		return aws.Credentials{AccessKeyID: set.AccessKeyID(), SecretAccessKey: set.Secret(), SessionToken: set.Token(), Source: "holdfast"}, nil
	})
}

// assume is a role of the backend, as aws-sdk-go-base assumes it.
func assume(config aws.Config, endpoint string, role backend.Role) (aws.CredentialsProvider, error) {
	var length time.Duration
	if role.Duration != "" {
		var err error
		if length, err = time.ParseDuration(role.Duration); err != nil {
			return nil, fmt.Errorf("the backend's assume_role has the duration %q: %w", role.Duration, err)
		}
	}
	client := sts.NewFromConfig(config, func(o *sts.Options) { o.BaseEndpoint = optional(endpoint) })
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, role.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = role.SessionName, length
		o.ExternalID, o.Policy = optional(role.ExternalID), optional(role.Policy)
	})), nil
}

// Look reads the object, its locks and its digest.
func (s *Store) Look(ctx context.Context) (rescue.Remote, error) {
	r := rescue.Remote{Where: s.at.String(), Locks: s.at.Lockfile || s.tables != nil, Digests: s.tables != nil}
	content, changed, err := s.get(ctx, s.at.Key)
	if err != nil {
		return r, err
	}
	if len(content) > 0 { // an empty object is no state to the backend either
		r.Exists, r.MD5, r.Changed = true, state.Digest(content), changed
		if r.State, err = state.Parse(content); err != nil {
			return r, fmt.Errorf("%s: %w", r.Where, err)
		}
	}
	if s.at.Lockfile {
		if r.File, err = s.lockFile(ctx); err != nil {
			return r, err
		}
	}
	if s.tables != nil {
		err = s.lookTable(ctx, &r)
	}
	return r, err
}

// Lock reads the lock alone, from one of its places; nil if there is none.
func (s *Store) Lock(ctx context.Context) (lock *state.Lock, err error) {
	switch {
	case s.at.Lockfile:
		return s.lockFile(ctx)
	case s.tables != nil:
		lock, _, err = s.lockItem(ctx)
	}
	return lock, err
}

func (s *Store) get(ctx context.Context, key string) (content []byte, changed time.Time, err error) {
	in := &s3.GetObjectInput{Bucket: &s.at.Bucket, Key: &key}
	if s.customerKey() {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = s.customer()
	}
	out, err := s.s3.GetObject(ctx, in)
	if gone(err) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, refusal("s3:GetObject", "s3://"+s.at.Bucket+"/"+key, err)
	}
	defer out.Body.Close()
	if size := aws.ToInt64(out.ContentLength); size > largest {
		return nil, time.Time{}, fmt.Errorf("s3://%s/%s has %d bytes: too large for a state", s.at.Bucket, key, size)
	}
	content, err = read(out.Body)
	return content, aws.ToTime(out.LastModified), err
}

func (s *Store) lockFile(ctx context.Context) (*state.Lock, error) {
	content, _, err := s.get(ctx, s.at.LockKey())
	if content == nil || err != nil {
		return nil, err
	}
	lock, err := state.ParseLock(content)
	if err != nil {
		return nil, fmt.Errorf("s3://%s/%s: %w", s.at.Bucket, s.at.LockKey(), err)
	}
	return &lock, nil
}

// Copy implements rescue.Store. The copy lies under KEY.rescue/.
func (s *Store) Copy(ctx context.Context, name string, content []byte) (where string, err error) {
	key := s.at.Key + ".rescue/" + name + ".tfstate"
	return s.put(ctx, key, content)
}

// Put puts a file under the key, which is a prefix here, and never over another.
func (s *Store) Put(ctx context.Context, name string, content []byte) (where string, err error) {
	return s.put(ctx, strings.TrimPrefix(s.at.Key+"/"+name+".tfstate", "/"), content)
}

func (s *Store) put(ctx context.Context, key string, content []byte) (where string, err error) {
	in := &s3.PutObjectInput{
		Bucket: &s.at.Bucket, Key: &key, Body: strings.NewReader(string(content)), ContentType: aws.String("application/json"),
		IfNoneMatch: aws.String("*"), Tagging: optional(s.tags()),
	}
	if s.at.Encrypt {
		switch {
		case s.at.KMSKeyID != "":
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &s.at.KMSKeyID
		case s.customerKey():
			in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = s.customer()
		default:
			in.ServerSideEncryption = types.ServerSideEncryptionAes256
		}
	}
	if s.at.ACL != "" {
		in.ACL = types.ObjectCannedACL(s.at.ACL)
	}
	where = "s3://" + s.at.Bucket + "/" + key
	_, err = s.s3.PutObject(ctx, in)
	if status(err) == http.StatusPreconditionFailed {
		return where, nil // put by the attempt before
	}
	return where, refusal("s3:PutObject", where, err)
}

func (s *Store) tags() string {
	var pairs []string
	for name, value := range s.at.Tags {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// customerKey reports whether the state is encrypted with a key that goes with
// each request. The backend heeds it only with encrypt = true.
func (s *Store) customerKey() bool { return s.at.Encrypt && s.at.CustomerKey != "" }

func (s *Store) customer() (algorithm, key, sum *string) {
	raw, err := base64.StdEncoding.DecodeString(s.at.CustomerKey)
	if err != nil {
		raw = nil // S3 will refuse it, in its own words
	}
	digest := md5.Sum(raw)
	return aws.String("AES256"), &s.at.CustomerKey, aws.String(base64.StdEncoding.EncodeToString(digest[:]))
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func status(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

func gone(err error) bool {
	var api smithy.APIError // a put with a condition says it too, though no model has it
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchKey"
}

// refusal is what AWS said, with the permission and the thing that it said it
// about; nil stays nil.
func refusal(action, what string, err error) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Errorf("%s of %s: %s: %s", action, what, api.ErrorCode(), api.ErrorMessage())
	}
	return fmt.Errorf("%s of %s: %w", action, what, err)
}

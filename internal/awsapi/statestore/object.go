package statestore

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/tf/backend"
)

// Object is one object, read as a stream and replaced only while it is the one
// that was read. It implements ledger.Object. Errors of AWS are *access.Refusal.
type Object struct {
	at     backend.S3
	s3     *s3.Client
	region atomic.Pointer[string] // of the bucket, as far as it is known
}

// NewObject makes the client for bucket and key of at. Region is where the bucket
// is looked for first: S3 says where it is, and is believed. Patience is how long
// an answer may take to begin. It asks nobody.
func NewObject(at backend.S3, credentials Credentials, patience time.Duration) *Object {
	o := &Object{at: at}
	o.region.Store(&at.Region)
	answers := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = patience })
	o.s3 = client(at, aws.Config{Region: at.Region, Credentials: provider(credentials), HTTPClient: answers})
	return o
}

// Open reads the object; body is nil and version empty where there is none. A
// bucket that isn't there is an error.
func (o *Object) Open(ctx context.Context) (body io.ReadCloser, size int64, version string, err error) {
	var out *s3.GetObjectOutput
	err = o.in(func(there func(*s3.Options)) error {
		var err error
		out, err = o.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.at.Bucket, Key: &o.at.Key}, there)
		return err
	})
	if gone(err) {
		return nil, 0, "", nil
	}
	if err != nil {
		return nil, 0, "", o.refused("s3:GetObject", err)
	}
	return out.Body, aws.ToInt64(out.ContentLength), aws.ToString(out.ETag), nil
}

// Replace puts content in the place of a version, of none where it is empty. Ok
// is false if that isn't the one that is there, or somebody writes it at the same
// moment (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
func (o *Object) Replace(ctx context.Context, version string, content io.ReadSeeker) (ok bool, err error) {
	in := &s3.PutObjectInput{Bucket: &o.at.Bucket, Key: &o.at.Key, Body: content, ContentType: aws.String("application/x-ndjson")}
	if version == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &version
	}
	err = o.in(func(there func(*s3.Options)) error {
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := o.s3.PutObject(ctx, in, there)
		return err
	})
	if s := status(err); s == http.StatusPreconditionFailed || s == http.StatusConflict || gone(err) {
		return false, nil
	}
	if err != nil {
		return false, o.refused("s3:PutObject", err)
	}
	return true, nil
}

// in makes a request where the bucket is, again if S3 says that it is elsewhere
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html).
func (o *Object) in(do func(there func(*s3.Options)) error) error {
	region := *o.region.Load()
	err := do(func(s *s3.Options) { s.Region = region })
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.Response == nil {
		return err
	}
	told := response.Response.Header.Get("X-Amz-Bucket-Region")
	if told == "" || told == region {
		return err
	}
	o.region.Store(&told)
	return do(func(s *s3.Options) { s.Region = told })
}

func (o *Object) refused(action string, err error) error {
	r := &access.Refusal{Operation: action + " of " + o.at.String(), Permission: action, Status: status(err), Message: err.Error(), Err: err}
	var api smithy.APIError
	var sent *url.Error
	switch {
	case errors.As(err, &api):
		r.Code, r.Message = api.ErrorCode(), api.ErrorMessage()
	case errors.As(err, &sent): // behind a line of operation, URL and request ID
		r.Message = sent.Err.Error()
	}
	return r
}

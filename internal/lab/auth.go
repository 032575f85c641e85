package lab

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/logs"
	"github.com/holdfast/holdfast/internal/lab/policy"
	"github.com/holdfast/holdfast/internal/lab/s3"
	"github.com/holdfast/holdfast/internal/lab/sigv4"
	"github.com/holdfast/holdfast/internal/lab/sns"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// How far a clock may be off. S3 says its limit in the error
// (MaxAllowedSkewMilliseconds); the others say "5 min." in theirs.
const (
	skewLimit   = 5 * time.Minute
	skewLimitS3 = 15 * time.Minute
	presignSTS  = 15 * time.Minute
)

// authenticate verifies the signature and finds the caller. Only a web identity
// token is a way in without one.
func (x *exchange) authenticate() error {
	if x.service == "sts" && x.req.Operation == "AssumeRoleWithWebIdentity" {
		return nil
	}
	switch {
	case errors.Is(x.authErr, sigv4.ErrUnsigned) && x.req.HTTP.URL.Query().Has("AWSAccessKeyId"):
		return wire.Unsupported("Signature Version 2")
	case errors.Is(x.authErr, sigv4.ErrUnsigned):
		return x.deny(unsigned, "")
	case x.authErr != nil:
		return x.deny(malformed, strings.TrimPrefix(x.authErr.Error(), sigv4.ErrMalformed.Error()+": "))
	case x.auth.Service != x.service:
		return x.deny(wrongScope, x.auth.Service)
	}
	credential, err := x.credential()
	if err != nil {
		return err
	}
	if missing := x.auth.Unsigned(x.req.HTTP); len(missing) > 0 {
		return x.deny(notSigned, strings.Join(missing, ", "))
	}
	if err := x.timely(); err != nil {
		return err
	}
	hash, err := x.payloadHash()
	if err != nil {
		return err
	}
	expected, err := x.auth.Expected(x.req.HTTP, credential.Secret, hash)
	if err != nil {
		return x.deny(malformed, err.Error())
	}
	if !x.auth.Matches(expected) {
		return x.deny(mismatch, "")
	}
	if strings.HasPrefix(hash, "STREAMING-") {
		if err := x.unchunk(hash, credential.Secret); err != nil {
			return err
		}
	}
	x.caller = credential.Caller
	x.call.Principal = x.caller.ARN
	return nil
}

// credential finds the key and checks the session token and its life.
func (x *exchange) credential() (iam.Credential, error) {
	c, ok := x.server.directory.Lookup(x.auth.AccessKey)
	if !ok {
		return c, x.deny(unknownKey, "")
	}
	if c.Token != "" && x.auth.Token == "" {
		return c, x.deny(unknownKey, "") // without its token a session's key means nothing
	}
	if subtle.ConstantTimeCompare([]byte(c.Token), []byte(x.auth.Token)) != 1 {
		return c, x.deny(badToken, "")
	}
	if s := c.Caller.Session; s != nil && !x.req.Now.Before(s.Expires) {
		return c, x.deny(expired, "")
	}
	return c, nil
}

func (x *exchange) timely() error {
	limit := skewLimit
	if x.service == "s3" {
		limit = skewLimitS3
	}
	now, signed := x.req.Now.UTC(), x.auth.Time
	life := limit
	if x.auth.Presigned {
		if x.service == "s3" && !x.req.HTTP.URL.Query().Has("X-Amz-Expires") {
			return x.deny(malformed, "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
		switch {
		case x.service == "sts":
			// Whatever X-Amz-Expires says: pkg/token/token.go of
			// aws-iam-authenticator, which lives by it.
			life = presignSTS
		case x.auth.Expires > 0:
			life = x.auth.Expires
		}
		if now.After(signed.Add(life)) {
			return x.deny(presignExpired, oldText(signed, now, life))
		}
	}
	switch {
	case now.Sub(signed) > life:
		return x.deny(tooOld, oldText(signed, now, limit))
	case signed.Sub(now) > limit:
		return x.deny(tooNew, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %d min.)",
			signed.Format(sigv4.TimeFormat), now.Add(limit).Format(sigv4.TimeFormat), now.Format(sigv4.TimeFormat), limit/time.Minute))
	}
	return nil
}

func oldText(signed, now time.Time, limit time.Duration) string {
	return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)",
		signed.Format(sigv4.TimeFormat), now.Add(-limit).Format(sigv4.TimeFormat), now.Format(sigv4.TimeFormat), limit/time.Minute)
}

// payloadHash is what the signature covers, checked against the body.
func (x *exchange) payloadHash() (string, error) {
	actual := sigv4.HashPayload(x.req.Body)
	claimed := x.req.HTTP.Header.Get("X-Amz-Content-Sha256")
	if x.service != "s3" {
		if claimed != "" && claimed != actual {
			return "", x.deny(mismatch, "")
		}
		return actual, nil
	}
	if x.auth.Presigned && claimed == "" {
		if claimed = x.req.HTTP.URL.Query().Get("X-Amz-Content-Sha256"); claimed == "" {
			claimed = sigv4.UnsignedPayload
		}
	}
	switch claimed {
	case "":
		return "", wire.Refuse(http.StatusBadRequest, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	case sigv4.UnsignedPayload, sigv4.StreamingSigned, sigv4.StreamingSignedTrailer, sigv4.StreamingUnsignedTrailer:
		return claimed, nil
	case actual:
		return claimed, nil
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(claimed) {
		if strings.HasPrefix(claimed, "STREAMING-") {
			return "", wire.Unsupported("x-amz-content-sha256: " + claimed)
		}
		return "", &wire.Error{Status: http.StatusBadRequest, Code: "InvalidArgument",
			Message: "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value."}
	}
	return "", &wire.Error{Status: http.StatusBadRequest, Code: "XAmzContentSHA256Mismatch",
		Message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
		Detail:  map[string]any{"ClientComputedContentSHA256": claimed, "S3ComputedContentSHA256": actual}}
}

func (x *exchange) unchunk(mode, secret string) error {
	payload, trailer, err := x.auth.Decode(mode, secret, x.req.Body)
	switch {
	case errors.Is(err, sigv4.ErrChunkSignature):
		return x.deny(mismatch, "")
	case err != nil:
		return wire.Refuse(http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly: "+err.Error())
	}
	length := x.req.HTTP.Header.Get("X-Amz-Decoded-Content-Length")
	if length == "" {
		return wire.Refuse(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if length != strconv.Itoa(len(payload)) {
		return wire.Refuse(http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
	}
	x.req.Body, x.req.Trailer = payload, trailer
	return nil
}

// authorise asks the session policy. GetCallerIdentity needs no permission:
// https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
func (x *exchange) authorise() error {
	x.req.May = func(action, resource string) bool {
		s := x.caller.Session
		return s == nil || s.Policy == nil || s.Policy.Decide(policy.Query{Action: action, Resource: resource}) == policy.Allow
	}
	if x.service == "sts" && x.req.Operation != "AssumeRole" {
		return nil
	}
	action, resource := x.permission()
	if x.service == "s3" && x.req.Operation == "DeleteObjects" || x.req.May(action, resource) {
		return nil // DeleteObjects asks for each key
	}
	return x.deny(forbidden, fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because no session policy allows the %s action",
		x.caller.ARN, action, resource, action))
}

func (x *exchange) permission() (action, resource string) {
	switch x.service {
	case "s3":
		return s3.Permission(&x.req)
	case "dynamodb":
		return "dynamodb:" + x.req.Operation, x.server.tables.ARN(x.caller.Account, x.call.Table)
	case "iam":
		if x.call.Role == "" {
			return "iam:" + x.req.Operation, "*"
		}
		return "iam:" + x.req.Operation, "arn:aws:iam::" + x.caller.Account + ":role/" + x.call.Role
	}
	if x.service == "eks" {
		return x.server.eks.Permission(x.eks, x.caller.Account, x.auth.Region)
	}
	if x.service == "logs" {
		return "logs:" + x.req.Operation, logs.ARN(x.caller.Account, x.auth.Region, x.req.Body)
	}
	if x.service == "sns" {
		return "sns:" + x.req.Operation, sns.ARN(&x.req, x.caller.Account, x.auth.Region)
	}
	return "sts:" + x.req.Operation, x.call.Role
}

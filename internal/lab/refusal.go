package lab

import (
	"net/http"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// refusal is a reason not to believe a signature. Each service has its own code,
// status and text for it.
type refusal int

const (
	unsigned refusal = iota
	malformed
	wrongScope
	unknownKey
	badToken
	expired
	notSigned
	tooOld
	tooNew
	presignExpired
	mismatch
	forbidden
)

const (
	doesNotMatch    = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	doesNotMatchS3  = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	tokenInvalid    = "The security token included in the request is invalid."
	tokenExpired    = "The security token included in the request is expired"
	tooSkewed       = "The difference between the request time and the current time is too large."
	missingToken    = "Request is missing Authentication Token"
	unknownKeyS3    = "The AWS Access Key Id you provided does not exist in our records."
	tokenInvalidS3  = "The provided token is malformed or otherwise invalid."
	tokenExpiredS3  = "The provided token has expired."
	headersUnsigned = "There were headers present in the request which were not signed"
)

// deny says no in the words of the service that was asked.
func (x *exchange) deny(why refusal, detail string) error {
	switch x.service {
	case "s3":
		return x.denyS3(why, detail)
	case "dynamodb", "logs":
		return denyJSON(why, detail, x.service, http.StatusBadRequest)
	case "eks":
		// https://docs.aws.amazon.com/eks/latest/APIReference/CommonErrors.html
		return denyJSON(why, detail, x.service, http.StatusForbidden)
	}
	return denyQuery(why, detail, x.service)
}

// denyQuery: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
func denyQuery(why refusal, detail, service string) error {
	const no = http.StatusForbidden
	switch why {
	case unsigned:
		return wire.Refuse(no, "MissingAuthenticationToken", missingToken)
	case malformed:
		return wire.Refuse(http.StatusBadRequest, "IncompleteSignature", detail)
	case wrongScope:
		return wire.Refuse(no, "SignatureDoesNotMatch", "Credential should be scoped to correct service: '"+service+"'. ")
	case unknownKey, badToken:
		return wire.Refuse(no, "InvalidClientTokenId", tokenInvalid)
	case expired:
		return wire.Refuse(no, "ExpiredToken", tokenExpired)
	case notSigned:
		return wire.Refuse(no, "SignatureDoesNotMatch", "'"+detail+"' must be a 'SignedHeader' in the AWS Authorization.")
	case tooOld, tooNew, presignExpired:
		return wire.Refuse(no, "SignatureDoesNotMatch", detail)
	case forbidden:
		return wire.Refuse(no, "AccessDenied", detail)
	}
	return wire.Refuse(no, "SignatureDoesNotMatch", doesNotMatch)
}

// denyJSON: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
func denyJSON(why refusal, detail, service string, status int) error {
	code, text := "InvalidSignatureException", doesNotMatch
	switch why {
	case unsigned:
		code, text = "MissingAuthenticationTokenException", missingToken
	case malformed:
		code, text = "IncompleteSignatureException", detail
	case wrongScope:
		text = "Credential should be scoped to correct service: '" + service + "'. "
	case unknownKey, badToken:
		code, text = "UnrecognizedClientException", tokenInvalid
	case expired:
		code, text = "ExpiredTokenException", tokenExpired
	case notSigned:
		text = "'" + detail + "' must be a 'SignedHeader' in the AWS Authorization."
	case tooOld, tooNew, presignExpired:
		text = detail
	case forbidden:
		code, text = "AccessDeniedException", detail
	}
	return &wire.Error{Status: status, Code: code, Message: text, Namespace: coral}
}

// denyS3: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func (x *exchange) denyS3(why refusal, detail string) error {
	const bad, no = http.StatusBadRequest, http.StatusForbidden
	switch why {
	case unsigned:
		return wire.Refuse(no, "AccessDenied", "Access Denied")
	case malformed:
		if x.req.HTTP.Header.Get("Authorization") == "" {
			return wire.Refuse(bad, "AuthorizationQueryParametersError", detail)
		}
		return wire.Refuse(bad, "AuthorizationHeaderMalformed", "The authorization header is malformed; "+detail)
	case wrongScope:
		return wire.Refuse(bad, "AuthorizationHeaderMalformed",
			"The authorization header is malformed; incorrect service \""+detail+"\". This endpoint belongs to \"s3\".")
	case unknownKey:
		return &wire.Error{Status: no, Code: "InvalidAccessKeyId", Message: unknownKeyS3, Detail: map[string]any{"AWSAccessKeyId": x.auth.AccessKey}}
	case badToken:
		return wire.Refuse(bad, "InvalidToken", tokenInvalidS3)
	case expired:
		return &wire.Error{Status: bad, Code: "ExpiredToken", Message: tokenExpiredS3, Detail: map[string]any{"Token-0": x.auth.Token}}
	case notSigned:
		return &wire.Error{Status: no, Code: "AccessDenied", Message: headersUnsigned, Detail: map[string]any{"HeadersNotSigned": detail}}
	case tooOld, tooNew:
		return &wire.Error{Status: no, Code: "RequestTimeTooSkewed", Message: tooSkewed, Detail: map[string]any{
			"RequestTime": x.auth.Time.Format("20060102T150405Z"), "ServerTime": x.req.Now.UTC().Format("2006-01-02T15:04:05Z"),
			"MaxAllowedSkewMilliseconds": skewLimitS3.Milliseconds(),
		}}
	case presignExpired:
		return wire.Refuse(no, "AccessDenied", "Request has expired")
	case forbidden:
		return wire.Refuse(no, "AccessDenied", detail)
	}
	return &wire.Error{Status: no, Code: "SignatureDoesNotMatch", Message: doesNotMatchS3, Detail: map[string]any{"AWSAccessKeyId": x.auth.AccessKey}}
}

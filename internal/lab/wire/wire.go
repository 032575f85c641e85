// Package wire (lab) holds what the lab's services share on the wire: a routed
// request, an answer, an error with AWS's code and status, and the ways in
// which AWS writes them down (query as XML and JSON, REST XML, REST JSON, JSON
// 1.0 and 1.1).
//
// It knows no service and no credential. What a service doesn't know it
// answers with Unsupported, so that a client never mistakes a guess for AWS.
package wire

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Request is one call after routing and authentication.
type Request struct {
	HTTP      *http.Request
	ID        string // request id, as AWS sends it back
	Operation string
	Now       time.Time // the service's clock, which a fault may have moved
	Body      []byte    // the payload; chunk signatures already taken out
	Trailer   http.Header
	Form      url.Values // query protocol only
	Bucket    string     // S3 only
	Key       string     // S3 only
	Arrived   uint64     // S3 only: the store's generation when the headers came in
	// May asks the caller's session policy for one more permission than the
	// operation's own.
	May func(action, resource string) bool
}

// Response is a successful answer.
type Response struct {
	Status int // 0 means 200
	Header http.Header
	Body   []byte
	Result any // marshalled by the protocol if Body is nil
}

// Error is a refusal in AWS's words.
type Error struct {
	Status  int
	Code    string
	Message string
	// Namespace is the Smithy namespace of JSON errors; empty means the
	// service's own.
	Namespace string
	// Detail goes beside code and message: elements in XML, members in JSON.
	Detail map[string]any
	Header http.Header
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Refuse is the common case of an Error.
func Refuse(status int, code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

// CodeUnsupported is the error code of everything the lab doesn't know.
const CodeUnsupported = "HoldfastLabUnsupported"

// Unsupported says that the lab doesn't know how AWS answers this. It isn't a
// code of AWS's, and 501 isn't retried by the SDKs, so a client stops here.
func Unsupported(what string) *Error {
	return Refuse(http.StatusNotImplemented, CodeUnsupported,
		"holdfast-lab doesn't simulate "+what+"; teach it in internal/lab or leave it out of the request")
}

// Invalid is the text of a request that breaks its own model:
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
func Invalid(value any, member, constraint string) *Error {
	return Refuse(http.StatusBadRequest, "ValidationError", fmt.Sprintf(
		"1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, constraint))
}

package lab

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// suffer applies the lab's latency and the fault that fits the request.
func (x *exchange) suffer() error {
	if err := x.wait(time.NewTimer(x.server.latency), nil); err != nil {
		return err
	}
	if account, region, known := x.sender(); known && !x.server.limits.take(account, region, x.service, time.Now()) {
		x.call.Fault = "limit"
		return throttled(x.service)
	}
	f, cleared, ok := x.server.faults.hit(x.target())
	if !ok {
		return nil
	}
	x.call.Fault = string(f.Kind)
	switch f.Kind {
	case FaultSlow:
		return x.wait(time.NewTimer(f.Delay), cleared)
	case FaultHang:
		return x.wait(nil, cleared)
	case FaultDrop:
		return errNoAnswer
	case FaultSkew:
		x.req.Now = x.req.Now.Add(f.Offset)
		return nil
	case FaultError:
		return wire.Refuse(f.Status, f.Code, f.Message)
	case FaultThrottle:
		return throttled(x.service)
	default: // FaultStatus
		return broken(x.service, f.Status)
	}
}

// wait ends with the timer, when faults are cleared, or when the client leaves.
func (x *exchange) wait(timer *time.Timer, cleared <-chan struct{}) error {
	var fires <-chan time.Time
	if timer != nil {
		defer timer.Stop()
		fires = timer.C
	}
	select {
	case <-fires:
	case <-cleared:
	case <-x.req.HTTP.Context().Done():
		return errNoAnswer
	}
	// The service's clock went on meanwhile.
	x.req.Now = time.Now()
	return nil
}

// sender is whose limits a request counts against.
func (x *exchange) sender() (account, region string, known bool) {
	if x.auth == nil {
		return "", "", false
	}
	c, ok := x.server.directory.Lookup(x.auth.AccessKey)
	return c.Caller.Account, x.auth.Region, ok
}

func (x *exchange) target() target {
	t := target{service: x.service, operation: x.req.Operation, lived: -1}
	if x.auth != nil {
		t.region = x.auth.Region
	}
	if strings.HasPrefix(x.req.Operation, "AssumeRole") {
		t.role = x.call.Role[strings.LastIndex(x.call.Role, "/")+1:]
		if s, ok := x.server.directory.LastIssued(x.call.Role); ok {
			t.lived = float64(x.req.Now.Sub(s.Issued)) / float64(s.Expires.Sub(s.Issued))
		}
		return t
	}
	if c, ok := x.server.directory.Lookup(x.call.AccessKey); ok && c.Caller.Session != nil {
		t.role = c.Caller.Session.Role.Name
	}
	return t
}

// throttled: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html,
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
func throttled(service string) error {
	switch service {
	case "s3":
		return wire.Refuse(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	case "dynamodb":
		return &wire.Error{Status: http.StatusBadRequest, Code: "ThrottlingException", Message: "Rate of requests exceeds the allowed throughput.", Namespace: coral}
	case "logs":
		return wire.Refuse(http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
	case "eks": // awslabs/amazon-eks-ami#218
		return wire.Refuse(http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests")
	}
	return wire.Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded")
}

func broken(service string, status int) error {
	unavailable := status == http.StatusServiceUnavailable
	switch {
	case service == "eks" && unavailable:
		return wire.Refuse(status, "ServiceUnavailableException", "Service Unavailable")
	case service == "eks":
		return wire.Refuse(status, "ServerException", "Internal server error")
	case service == "logs" && unavailable:
		return wire.Refuse(status, "ServiceUnavailableException", "Service Unavailable")
	case service == "s3" && unavailable:
		return wire.Refuse(status, "ServiceUnavailable", "Service is unable to handle request.")
	case service == "s3":
		return wire.Refuse(status, "InternalError", "We encountered an internal error. Please try again.")
	case unavailable:
		return &wire.Error{Status: status, Code: "ServiceUnavailable", Message: "Service Unavailable", Namespace: coral}
	case service == "dynamodb":
		return wire.Refuse(status, "InternalServerError", "The request processing has failed because of an unknown error, exception or failure.")
	}
	return wire.Refuse(status, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure.")
}

// coral is the namespace of errors that every JSON service has in common.
const coral = "com.amazon.coral.service"

func requestID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

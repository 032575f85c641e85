package lab_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/lab"
)

func TestFaultsSpeakEachServicesLanguage(t *testing.T) {
	f := start(t, lab.Options{})
	calls := map[string]func() error{
		"sts":      func() error { _, err := f.sts(f.admin()).GetCallerIdentity(t.Context(), nil); return err },
		"iam":      func() error { _, err := f.iam(f.admin()).ListRoles(t.Context(), nil); return err },
		"s3":       func() error { _, err := f.s3(f.admin()).ListBuckets(t.Context(), nil); return err },
		"dynamodb": func() error { _, err := f.dynamodb(f.admin()).ListTables(t.Context(), nil); return err },
	}
	for _, test := range []struct {
		fault   lab.Fault
		service string
		code    string
		status  int
	}{
		{lab.Fault{Kind: lab.FaultThrottle}, "sts", "Throttling", 400},
		{lab.Fault{Kind: lab.FaultThrottle}, "iam", "Throttling", 400},
		{lab.Fault{Kind: lab.FaultThrottle}, "s3", "SlowDown", 503},
		{lab.Fault{Kind: lab.FaultThrottle}, "dynamodb", "ThrottlingException", 400},
		{lab.Fault{Kind: lab.FaultStatus, Status: 500}, "sts", "InternalFailure", 500},
		{lab.Fault{Kind: lab.FaultStatus, Status: 503}, "sts", "ServiceUnavailable", 503},
		{lab.Fault{Kind: lab.FaultStatus, Status: 500}, "s3", "InternalError", 500},
		{lab.Fault{Kind: lab.FaultStatus, Status: 503}, "s3", "ServiceUnavailable", 503},
		{lab.Fault{Kind: lab.FaultStatus, Status: 500}, "dynamodb", "InternalServerError", 500},
		{lab.Fault{Kind: lab.FaultError, Status: 400, Code: "IDPCommunicationError", Message: "m"}, "sts", "IDPCommunicationError", 400},
	} {
		test.fault.Service, test.fault.Count = test.service, 1
		f.Fault(test.fault)
		refused(t, calls[test.service](), test.code, test.status, "")
		if err := calls[test.service](); err != nil {
			t.Errorf("%+v hit twice: %v", test.fault, err)
		}
	}
	f.Fault(lab.Fault{Service: "s3", Kind: lab.FaultThrottle})
	if err := calls["sts"](); err != nil {
		t.Error("a fault of S3 hit STS:", err)
	}
}

func TestSlowHangAndDrop(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.sts(f.admin())
	f.Fault(lab.Fault{Kind: lab.FaultSlow, Delay: 30 * time.Millisecond, Count: 1})
	began := time.Now()
	if _, err := c.GetCallerIdentity(t.Context(), nil); err != nil || time.Since(began) < 30*time.Millisecond {
		t.Errorf("slow: %s, %v", time.Since(began), err)
	}
	f.Fault(lab.Fault{Kind: lab.FaultDrop, Count: 1})
	if _, err := c.GetCallerIdentity(t.Context(), nil); err == nil {
		t.Error("dropped and still answered")
	}
	f.Fault(lab.Fault{Kind: lab.FaultHang})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.GetCallerIdentity(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("hang: %v", err)
	}
	waitFor(t, func() bool { return len(f.Calls()) == 3 })
	for i, want := range []lab.Call{{Status: 200, Fault: "slow"}, {Fault: "drop"}, {Fault: "hang"}} {
		if got := f.Calls()[i]; got.Status != want.Status || got.Fault != want.Fault || got.Operation != "GetCallerIdentity" {
			t.Errorf("call %d: %+v", i, got)
		}
	}
	hits := f.Hits()
	answered := make(chan error, 1)
	go func() {
		_, err := c.GetCallerIdentity(t.Context(), nil)
		answered <- err
	}()
	waitFor(t, func() bool { return f.Hits() > hits })
	f.ClearFaults()
	if err := <-answered; err != nil {
		t.Error("after the faults were cleared:", err)
	}
}

func TestFaultOfARoleAndAShare(t *testing.T) {
	f := start(t, lab.Options{})
	ci := f.ci()
	f.Fault(lab.Fault{Operation: "AssumeRole", Role: "deploy", Kind: lab.FaultThrottle, Count: 1})
	f.Fault(lab.Fault{Service: "iam", Role: "ci", Kind: lab.FaultThrottle})
	if _, err := f.iam(f.admin()).ListRoles(t.Context(), nil); err != nil {
		t.Error("the administrator was hit:", err)
	}
	_, err := f.iam(ci).ListRoles(t.Context(), nil)
	refused(t, err, "Throttling", 400, "Rate exceeded")
	_, err = f.assume(ci, deployRole)
	refused(t, err, "Throttling", 400, "Rate exceeded")
	f.ClearFaults()
	f.Fault(lab.Fault{Kind: lab.FaultThrottle, Percent: 25})
	hits := 0
	for range 40 {
		if _, err := f.sts(ci).GetCallerIdentity(t.Context(), nil); err != nil {
			hits++
		}
	}
	if hits != 10 {
		t.Errorf("25 %% of 40 hit %d", hits)
	}
}

// An early renewal fails and a late one succeeds.
func TestFaultDuringLifetime(t *testing.T) {
	f := start(t, lab.Options{Session: 3 * time.Second})
	f.Fault(lab.Fault{Operation: "AssumeRoleWithWebIdentity", Kind: lab.FaultStatus, Status: 503, DuringLifetime: 0.5})
	exchange := func() (time.Time, error) {
		out, err := f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), f.webIdentity())
		if err != nil {
			return time.Time{}, err
		}
		return *out.Credentials.Expiration, nil
	}
	issued := time.Now()
	expires, err := exchange()
	if err != nil {
		t.Fatal("the first exchange was hit:", err)
	}
	_, err = exchange()
	refused(t, err, "ServiceUnavailable", 503, "")
	waitFor(t, func() bool { _, err := exchange(); return err == nil })
	if passed := time.Since(issued); passed < expires.Sub(issued)/2 {
		t.Errorf("it ended %s into a life of %s", passed, expires.Sub(issued))
	}
}

func TestSkewMovesTheServicesClock(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.iam(f.admin())
	for offset, want := range map[time.Duration]string{6 * time.Minute: "Signature expired: ", -6 * time.Minute: "Signature not yet current: "} {
		f.Fault(lab.Fault{Kind: lab.FaultSkew, Offset: offset})
		_, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("ci")})
		refused(t, err, "SignatureDoesNotMatch", 403, want)
		_, err = f.dynamodb(f.admin()).GetItem(t.Context(), getItem("x"))
		refused(t, err, "InvalidSignatureException", 400, want)
		if _, err = f.s3(f.admin()).ListBuckets(t.Context(), nil); err != nil {
			t.Error("S3 allows a quarter of an hour:", err)
		}
		f.ClearFaults()
	}
	f.Fault(lab.Fault{Kind: lab.FaultSkew, Offset: 16 * time.Minute})
	_, err := f.s3(f.admin()).ListBuckets(t.Context(), nil)
	refused(t, err, "RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large.")
}

func TestFaultCheck(t *testing.T) {
	for _, f := range []lab.Fault{
		{}, {Kind: "x"}, {Kind: lab.FaultStatus, Status: 404}, {Kind: lab.FaultError, Status: 400}, {Kind: lab.FaultSlow},
		{Kind: lab.FaultSkew}, {Kind: lab.FaultDrop, Count: -1}, {Kind: lab.FaultDrop, Percent: 101}, {Kind: lab.FaultDrop, DuringLifetime: 2},
	} {
		if f.Check() == nil {
			t.Errorf("%+v accepted", f)
		}
	}
}

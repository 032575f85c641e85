package lab_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/lab"
)

func TestFaultsOfEKS(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	list := func() error { _, err := c.ListClusters(t.Context(), nil); return err }
	for _, test := range []struct {
		fault  lab.Fault
		code   string
		status int
	}{
		{lab.Fault{Kind: lab.FaultThrottle}, "TooManyRequestsException", 429},
		{lab.Fault{Kind: lab.FaultStatus, Status: 500}, "ServerException", 500},
		{lab.Fault{Kind: lab.FaultStatus, Status: 503}, "ServiceUnavailableException", 503},
		{lab.Fault{Kind: lab.FaultError, Status: 403, Code: "AccessDeniedException"}, "AccessDeniedException", 403},
	} {
		test.fault.Service, test.fault.Count = "eks", 1
		f.Fault(test.fault)
		refused(t, list(), test.code, test.status, "")
		if err := list(); err != nil {
			t.Errorf("%+v hit twice: %v", test.fault, err)
		}
	}
	// The SDK's own retryer takes both for what they are.
	patient := eks.NewFromConfig(f.config(f.admin()), func(o *eks.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	})
	for _, kind := range []lab.Fault{{Kind: lab.FaultThrottle}, {Kind: lab.FaultStatus, Status: 500}} {
		before := len(f.Calls())
		kind.Operation, kind.Count = "ListClusters", 2
		f.Fault(kind)
		if _, err := patient.ListClusters(t.Context(), nil); err != nil || len(f.Calls())-before != 3 {
			t.Errorf("%s: %v after %d calls", kind.Kind, err, len(f.Calls())-before)
		}
	}
	f.Fault(lab.Fault{Service: "eks", Kind: lab.FaultSlow, Delay: 200 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.ListClusters(ctx, nil); err == nil {
		t.Error("a slow answer came at once")
	}
	if err := list(); err != nil {
		t.Error(err)
	}
}

func TestWhoMayCallEKS(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld(), Session: 2 * time.Second})
	_, err := f.eks(aws.Credentials{AccessKeyID: "AKIAX", SecretAccessKey: "x"}).ListClusters(t.Context(), nil)
	refused(t, err, "UnrecognizedClientException", 403, "The security token included in the request is invalid")
	wrong := f.admin()
	wrong.SecretAccessKey += "x"
	_, err = f.eks(wrong).ListClusters(t.Context(), nil)
	refused(t, err, "InvalidSignatureException", 403, "")
	ci := f.ci()
	if _, err := f.eks(ci).ListClusters(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	narrow, err := f.assume(ci, deployRole, func(in *sts.AssumeRoleInput) {
		in.Policy = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*Access*","Resource":"*"}}`)
	})
	if err != nil {
		t.Fatal(err)
	}
	c := f.eks(keys(narrow.Credentials))
	createEntry(t, c, clusterTest, deployRole)
	_, err = c.ListClusters(t.Context(), nil)
	refused(t, err, "AccessDeniedException", 403, "is not authorized to perform: eks:ListClusters on resource: *")
	_, err = c.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(nodeRole), Type: aws.String("EC2_LINUX")})
	refused(t, err, "AccessDeniedException", 403, "iam:PassRole on resource: "+nodeRole)
	waitFor(t, func() bool {
		_, err = c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String(clusterTest)})
		return err != nil
	})
	refused(t, err, "ExpiredTokenException", 403, "The security token included in the request is expired")
}

func TestLimits(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld(), Limits: []lab.Limit{{Service: "eks", Rate: 0.001, Burst: 3}, {Service: "sts", Rate: 0.001}}})
	c := f.eks(f.admin())
	for range 3 {
		if _, err := c.ListClusters(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.ListClusters(t.Context(), nil)
	refused(t, err, "TooManyRequestsException", 429, "Too Many Requests")
	if _, err := f.sts(f.admin()).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, err = f.sts(f.admin()).GetCallerIdentity(t.Context(), nil)
	refused(t, err, "Throttling", 400, "Rate exceeded")
	if last := f.Calls()[len(f.Calls())-1]; last.Fault != "limit" {
		t.Errorf("%+v", last)
	}
	elsewhere := sts.NewFromConfig(f.config(f.admin()), func(o *sts.Options) { o.Region = "us-east-1" })
	if _, err := elsewhere.GetCallerIdentity(t.Context(), nil); err != nil {
		t.Error("another region has a bucket of its own:", err)
	}
	if _, err := lab.New(lab.Options{Limits: []lab.Limit{{Service: "eks"}}}); err == nil {
		t.Error("a limit without a rate")
	}
}

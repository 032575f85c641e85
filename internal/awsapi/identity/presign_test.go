package identity_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cred"
)

// TestPresignedForACluster computes the signature anew, by hand, from
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// and holds the URL to what the aws-iam-authenticator lets through.
func TestPresignedForACluster(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	clean(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
	t.Setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
	for region, host := range map[string]string{
		"eu-west-1": "sts.eu-west-1.amazonaws.com", "us-east-1": "sts.us-east-1.amazonaws.com",
		"cn-north-1": "sts.cn-north-1.amazonaws.com.cn", "us-gov-west-1": "sts.us-gov-west-1.amazonaws.com",
	} {
		got, err := identity.PresignForCluster(t.Context(), cred.New("ASIAEXAMPLE", "secret", "to/ken+=="), region, "payments", now)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != host || u.Path != "/" {
			t.Errorf("%s: %s, %v", region, got, err)
			continue
		}
		q := u.Query()
		allowed := []string{"Action", "Version", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders"}
		for name, values := range q {
			if !slices.Contains(allowed, name) || len(values) != 1 {
				t.Errorf("%s: the verifier refuses %s=%q", region, name, values)
			}
		}
		if q.Get("X-Amz-Expires") != "60" || q.Get("X-Amz-SignedHeaders") != "host;x-k8s-aws-id" || q.Get("Action") != "GetCallerIdentity" || q.Get("Version") != "2011-06-15" {
			t.Errorf("%s: %s", region, got)
		}
		if want := signature(q, host, region); q.Get("X-Amz-Signature") != want {
			t.Errorf("%s: signature %s, want %s", region, q.Get("X-Amz-Signature"), want)
		}
		if strings.Contains(got, "secret") {
			t.Error("the secret itself is in the URL")
		}
	}
}

func signature(q url.Values, host, region string) string {
	var pairs []string
	for name := range q {
		if name != "X-Amz-Signature" {
			pairs = append(pairs, name+"="+strings.ReplaceAll(url.QueryEscape(q.Get(name)), "+", "%20"))
		}
	}
	slices.Sort(pairs)
	empty := sha256.Sum256(nil)
	canonical := fmt.Sprintf("GET\n/\n%s\nhost:%s\nx-k8s-aws-id:payments\n\nhost;x-k8s-aws-id\n%x", strings.Join(pairs, "&"), host, empty)
	hash := sha256.Sum256([]byte(canonical))
	scope := "20261122/" + region + "/sts/aws4_request"
	key := []byte("AWS4secret")
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n20261122T100000Z\n"+scope+"\n"+hex.EncodeToString(hash[:])) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

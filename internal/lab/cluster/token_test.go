package cluster

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
)

const goodURL = "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
	"&X-Amz-Credential=AKIAX%2F20260101%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60" +
	"&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=00"

func encoded(url string) string {
	return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(url))
}

// Whatever a token is, it is judged without a panic, and STS is only asked
// about what the form allows: AWS's host over https, and a life of 15 minutes.
func FuzzToken(f *testing.F) {
	f.Add(encoded(goodURL))
	f.Add(encoded(strings.Replace(goodURL, "Action", "action", 1)))
	f.Add(encoded(goodURL + "&x-amz-date=20260101T000000Z"))
	f.Add(encoded("https://sts.amazonaws.com"))
	f.Add(encoded(strings.Replace(goodURL, "amazonaws", "example", 1)))
	f.Add("k8s-aws-v1.")
	now := time.Date(2026, 1, 1, 0, 14, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, token string) {
		p := New()
		asked := false
		p.Identify = func(r *http.Request, _ time.Time) (iam.Caller, error) {
			asked = true
			if r.URL.Scheme != "https" || !strings.HasPrefix(r.Host, "sts") || !strings.HasSuffix(r.Host, ".amazonaws.com") || r.Header.Get(clusterHeader) != "c" {
				t.Errorf("asked STS about %s with %v", r.URL, r.Header)
			}
			return iam.Caller{Account: "111111111111", ARN: "arn:aws:iam::111111111111:user/x", UserID: "AIDA"}, nil
		}
		id, err := p.Verify(eks.Ref{Name: "c", Region: "eu-west-1"}, token, now)
		if (err == nil) != asked || asked && id.UserID != "AIDA" {
			t.Errorf("%v, asked is %v", err, asked)
		}
	})
}

func TestAWellFormedTokenIsAskedAbout(t *testing.T) {
	p := New()
	p.Identify = func(*http.Request, time.Time) (iam.Caller, error) { return iam.Caller{UserID: "AIDA"}, nil }
	born := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for age, ok := range map[time.Duration]bool{0: true, tokenLife: true, tokenLife + time.Second: false} {
		if _, err := p.Verify(eks.Ref{Name: "c"}, encoded(goodURL), born.Add(age)); (err == nil) != ok {
			t.Errorf("after %s: %v", age, err)
		}
	}
	for name, url := range map[string]string{
		"expires":   strings.Replace(goodURL, "Expires=60", "Expires=901", 1),
		"duplicate": goodURL + "&x-amz-date=20260101T000000Z",
		"case":      strings.Replace(goodURL, "Action", "action", 1),
		"date":      strings.Replace(goodURL, "20260101T000000Z", "2026", 1),
		"no date":   strings.Replace(goodURL, "&X-Amz-Date=20260101T000000Z", "", 1),
	} {
		if _, err := p.Verify(eks.Ref{Name: "c"}, encoded(url), born); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

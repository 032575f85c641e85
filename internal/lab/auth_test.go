package lab_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/lab/sigv4"
)

// signed sends a request with the SDK's signature, changed on its way.
func (f *fixture) signed(c aws.Credentials, service, method, path, body string, header http.Header, change func(*http.Request)) (int, string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.URL()+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	hash := sigv4.HashPayload([]byte(body))
	if service == "s3" {
		if v := r.Header.Get("X-Amz-Content-Sha256"); v != "" {
			hash = v
		}
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err := signer.SignHTTP(f.t.Context(), c, r, hash, service, "eu-west-1", time.Now()); err != nil {
		f.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	return f.do(r)
}

func (f *fixture) do(r *http.Request) (int, string) {
	f.t.Helper()
	transport := &http.Transport{DialContext: (&net.Dialer{}).DialContext, DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

const whoAmI = "Action=GetCallerIdentity&Version=2011-06-15"

func form() http.Header { return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}} }

func dynamo() http.Header {
	return http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"DynamoDB_20120810.ListTables"}}
}

func TestEachServiceRefusesAChangedRequest(t *testing.T) {
	f := start(t, lab.Options{})
	session := f.ci()
	body := func(s string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), int64(len(s))
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	reauth := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
		}
	}
	drop := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	for name, test := range map[string]struct {
		change             func(*http.Request)
		sts, dynamodb, s3  string
		status, jsonStatus int
		s3Status           int
	}{
		"signature":   {reauth("Signature=", "Signature=0"), "SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch", 403, 400, 403},
		"body":        {body(whoAmI + "&"), "SignatureDoesNotMatch", "InvalidSignatureException", "XAmzContentSHA256Mismatch", 403, 400, 400},
		"token":       {set("X-Amz-Security-Token", "x"), "InvalidClientTokenId", "UnrecognizedClientException", "InvalidToken", 403, 400, 400},
		"no token":    {drop("X-Amz-Security-Token"), "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", 403, 400, 403},
		"key":         {reauth("ASIA", "ASIB"), "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", 403, 400, 403},
		"unsigned":    {drop("Authorization"), "MissingAuthenticationToken", "MissingAuthenticationTokenException", "AccessDenied", 403, 400, 403},
		"malformed":   {reauth("SignedHeaders", "Signed"), "IncompleteSignature", "IncompleteSignatureException", "AuthorizationHeaderMalformed", 400, 400, 400},
		"more header": {set("X-Amz-Meta-New", "1"), "SignatureDoesNotMatch", "InvalidSignatureException", "AccessDenied", 403, 400, 403},
		"date":        {set("X-Amz-Date", time.Now().UTC().Add(time.Second).Format("20060102T150405Z")), "SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch", 403, 400, 403},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(service string, status int, answer string, wantStatus int, want string) {
				t.Helper()
				if status != wantStatus || !strings.Contains(answer, want) {
					t.Errorf("%s: %d %s; want %d %s", service, status, answer, wantStatus, want)
				}
			}
			status, answer := f.signed(session, "sts", "POST", "/", whoAmI, form(), test.change)
			check("sts", status, answer, test.status, "<Code>"+test.sts+"</Code>")
			status, answer = f.signed(session, "dynamodb", "POST", "/", "{}", dynamo(), test.change)
			check("dynamodb", status, answer, test.jsonStatus, "#"+test.dynamodb+`"`)
			status, answer = f.signed(session, "s3", "PUT", "/"+bucket+"/k", "x", nil, test.change)
			check("s3", status, answer, test.s3Status, "<Code>"+test.s3+"</Code>")
		})
	}
	if status, answer := f.signed(session, "sts", "POST", "/", whoAmI, form(), nil); status != 200 {
		t.Error(status, answer)
	}
}

func TestScopeMustFitTheService(t *testing.T) {
	f := start(t, lab.Options{})
	status, answer := f.signed(f.admin(), "iam", "POST", "/", whoAmI, form(), nil)
	if status != 403 || !strings.Contains(answer, "Credential should be scoped to correct service: &#39;sts&#39;.") {
		t.Error(status, answer)
	}
	status, answer = f.signed(f.admin(), "sts", "POST", "/", "{}", dynamo(), nil)
	if status != 400 || !strings.Contains(answer, "scoped to correct service: 'dynamodb'") {
		t.Error(status, answer)
	}
	status, answer = f.signed(f.admin(), "rds", "GET", "/x/y", "", nil, nil)
	if status != 501 || !strings.Contains(answer, "the service rds (GET /x/y)") {
		t.Error(status, answer)
	}
}

func TestVirtualHostedBucket(t *testing.T) {
	f := start(t, lab.Options{})
	r, err := http.NewRequestWithContext(t.Context(), "GET", f.URL()+"/?list-type=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = bucket + "." + strings.TrimPrefix(f.URL(), "http://")
	hash := sigv4.HashPayload(nil)
	r.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner().SignHTTP(t.Context(), f.admin(), r, hash, "s3", "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if status, answer := f.do(r); status != 200 || !strings.Contains(answer, "<Name>"+bucket+"</Name>") {
		t.Error(status, answer)
	}
}

func TestTrailingChecksum(t *testing.T) {
	f := start(t, lab.Options{})
	send := func(body, length string) (int, string) {
		return f.signed(f.admin(), "s3", "PUT", "/"+bucket+"/chunked", body, http.Header{
			"X-Amz-Content-Sha256": {sigv4.StreamingUnsignedTrailer}, "Content-Encoding": {"aws-chunked"},
			"X-Amz-Trailer": {"x-amz-checksum-crc32"}, "X-Amz-Decoded-Content-Length": {length},
		}, nil)
	}
	const good = "9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n"
	if status, answer := send(good, "9"); status != 200 {
		t.Error(status, answer)
	}
	out, err := f.s3(f.admin()).GetObject(t.Context(), get("chunked"))
	if got := read(t, out, err); got != "123456789" || out.ContentEncoding != nil {
		t.Errorf("%q, %v", got, out.ContentEncoding)
	}
	for name, test := range map[string][3]string{
		"other sum":  {strings.Replace(good, "y/Q5", "y/Q6", 1), "9", "BadDigest"},
		"no trailer": {"9\r\n123456789\r\n0\r\n\r\n", "9", "MalformedTrailerError"},
		"length":     {good, "10", "IncompleteBody"},
		"cut off":    {good[:8], "9", "IncompleteBody"},
	} {
		if status, answer := send(test[0], test[1]); status != 400 || !strings.Contains(answer, "<Code>"+test[2]+"</Code>") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestControlPathsAreNotForPages(t *testing.T) {
	f := start(t, lab.Options{})
	ask := func(method, path, body string, change func(*http.Request)) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, f.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if change != nil {
			change(r)
		}
		return f.do(r)
	}
	if status, _ := ask("GET", "/lab/calls", "", func(r *http.Request) { r.Header.Set("Origin", "http://x") }); status != 403 {
		t.Error("Origin:", status)
	}
	if status, _ := ask("GET", "/lab/calls", "", func(r *http.Request) { r.Host = "evil.example:80" }); status != 403 {
		t.Error("Host:", status)
	}
	if status, _ := ask("POST", "/lab/faults", `{"kind":"drop"}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }); status != 400 {
		t.Error("a form's content type:", status)
	}
	if status, answer := ask("POST", "/lab/faults", `{"kind":"drop","counts":1}`, nil); status != 400 || !strings.Contains(answer, "counts") {
		t.Error("unknown member:", status, answer)
	}
	if status, _ := ask("GET", "/lab/none", "", nil); status != 404 {
		t.Error("unknown path:", status)
	}
	if status, answer := ask("POST", "/lab/faults", `{"service":"sts","kind":"slow","delay":"1.5s","count":1}`, nil); status != 204 {
		t.Error(status, answer)
	}
	var faults []lab.Fault
	_, answer := ask("GET", "/lab/faults", "", nil)
	if err := json.Unmarshal([]byte(answer), &faults); err != nil || len(faults) != 1 || faults[0].Delay != 1500*time.Millisecond {
		t.Error(answer, err)
	}
	ask("DELETE", "/lab/faults", "", nil)
	f.ci()
	var calls []lab.Call
	_, answer = ask("GET", "/lab/calls?service=sts&operation=AssumeRoleWithWebIdentity&status=200", "", nil)
	if err := json.NewDecoder(bytes.NewReader([]byte(answer))).Decode(&calls); err != nil || len(calls) != 1 || calls[0].Role != ciRole {
		t.Error(answer, err)
	}
	if _, answer = ask("GET", "/lab/calls?service=s3", "", nil); strings.TrimSpace(answer) != "[]" {
		t.Error(answer)
	}
}

func TestIssuerDocuments(t *testing.T) {
	f := start(t, lab.Options{})
	var discovery struct {
		Issuer string
		Keys   string `json:"jwks_uri"`
	}
	resp, err := http.Get(f.URL() + "/oidc/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&discovery); err != nil || discovery.Issuer != f.URL()+"/oidc" {
		t.Fatal(discovery, err)
	}
	keys, err := http.Get(discovery.Keys)
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Body.Close()
	var set struct{ Keys []map[string]string }
	if err := json.NewDecoder(keys.Body).Decode(&set); err != nil || len(set.Keys) != 1 || set.Keys[0]["kty"] != "RSA" || set.Keys[0]["d"] != "" {
		t.Error(set, err)
	}
}

// Package sigv4 (lab) reads AWS Signature Version 4 from a request and says
// which signature it should carry: in the Authorization header, in the query
// string (presigned) and in the chunks of an aws-chunked body.
//
// It promises to follow the published algorithm, not any SDK's shortcuts:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
// The SDK's own signer is only its judge. It holds no keys, doesn't look at
// the clock and doesn't know SigV4a or post policies.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Algorithm is the only one that the lab knows.
const Algorithm = "AWS4-HMAC-SHA256"

// TimeFormat is ISO 8601 basic, as X-Amz-Date has it.
const TimeFormat = "20060102T150405Z"

const dateFormat = "20060102"

// MaxPresign is the longest life of a presigned URL: seven days.
const MaxPresign = 7 * 24 * time.Hour

var (
	// ErrUnsigned is a request without any signature.
	ErrUnsigned = errors.New("request is not signed")
	// ErrMalformed is a signature that can't be read; wrapped with the reason.
	ErrMalformed = errors.New("malformed signature")
)

// Authorization is what a request says about its own signature.
type Authorization struct {
	AccessKey     string
	Date          string // of the credential scope
	Region        string
	Service       string
	SignedHeaders []string // lower case, sorted as sent
	Signature     string
	Token         string
	Time          time.Time
	Presigned     bool
	Expires       time.Duration // of a presigned request; 0 if not said
}

// Scope is the credential scope.
func (a *Authorization) Scope() string {
	return a.Date + "/" + a.Region + "/" + a.Service + "/aws4_request"
}

// Parse reads the header or the query string.
func Parse(r *http.Request) (*Authorization, error) {
	headers := r.Header.Values("Authorization")
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("the query string can't be decoded")
	}
	presigned := query.has("X-Amz-Algorithm") || query.has("X-Amz-Signature")
	switch {
	case len(headers) == 0 && !presigned:
		return nil, ErrUnsigned
	case len(headers) > 0 && presigned:
		return nil, malformed("only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case len(headers) > 1:
		return nil, malformed("more than one Authorization header")
	case presigned:
		return parsePresigned(query)
	}
	return parseHeader(r, headers[0])
}

func parseHeader(r *http.Request, header string) (*Authorization, error) {
	rest, ok := strings.CutPrefix(header, Algorithm)
	if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '\t') {
		return nil, malformed("unsupported authorization type in '" + header + "'")
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, malformed(fmt.Sprintf("'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", part, header))
		}
		if _, twice := fields[name]; twice {
			return nil, malformed("'" + name + "' stands twice in Authorization header")
		}
		fields[name] = value
	}
	var missing []string
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if fields[name] == "" {
			missing = append(missing, "Authorization header requires '"+name+"' parameter.")
		}
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(missing) > 0 {
		return nil, malformed(strings.Join(missing, " ") + " Authorization=" + header)
	}
	if len(fields) != 3 {
		return nil, malformed("unknown parameter in Authorization header: '" + header + "'")
	}
	a := &Authorization{Signature: fields["Signature"], Token: r.Header.Get("X-Amz-Security-Token")}
	return a, a.fill(fields["Credential"], fields["SignedHeaders"], date)
}

func parsePresigned(query pairs) (*Authorization, error) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		if query.get(name) == "" {
			return nil, malformed("query string authentication requires " + name)
		}
		if query.count(name) > 1 {
			return nil, malformed(name + " stands twice in the query string")
		}
	}
	if query.get("X-Amz-Algorithm") != Algorithm {
		return nil, malformed("X-Amz-Algorithm only supports \"" + Algorithm + "\"")
	}
	a := &Authorization{
		Presigned: true,
		Signature: query.get("X-Amz-Signature"),
		Token:     query.get("X-Amz-Security-Token"),
	}
	if s := query.get("X-Amz-Expires"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return nil, malformed("X-Amz-Expires should be a number")
		}
		if time.Duration(n) > MaxPresign/time.Second {
			return nil, malformed("X-Amz-Expires must be less than a week (in seconds) that is 604800")
		}
		a.Expires = time.Duration(n) * time.Second
	}
	return a, a.fill(query.get("X-Amz-Credential"), query.get("X-Amz-SignedHeaders"), query.get("X-Amz-Date"))
}

func (a *Authorization) fill(credential, signedHeaders, date string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") {
		return malformed(fmt.Sprintf("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential))
	}
	if parts[4] != "aws4_request" {
		return malformed(fmt.Sprintf("Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.", parts[4]))
	}
	a.AccessKey, a.Date, a.Region, a.Service = parts[0], parts[1], parts[2], parts[3]
	t, err := time.Parse(TimeFormat, date)
	if err != nil {
		return malformed(fmt.Sprintf("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", date))
	}
	a.Time = t
	if want := t.Format(dateFormat); a.Date != want {
		return malformed(fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", a.Date, want, date))
	}
	a.SignedHeaders = strings.Split(signedHeaders, ";")
	for i, name := range a.SignedHeaders {
		if name == "" || name != strings.ToLower(name) || (i > 0 && a.SignedHeaders[i-1] >= name) {
			return malformed("SignedHeaders must be lower case and sorted: '" + signedHeaders + "'")
		}
	}
	return nil
}

// Unsigned returns the headers that have to be signed and aren't: host, and
// every x-amz-* header that the request carries.
func (a *Authorization) Unsigned(r *http.Request) []string {
	var out []string
	if !slices.Contains(a.SignedHeaders, "host") {
		out = append(out, "host")
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(a.SignedHeaders, lower) {
			out = append(out, lower)
		}
	}
	slices.Sort(out)
	return out
}

// Expected computes the signature that the request should carry. S3 signs the
// path as it is; every other service signs it encoded a second time.
func (a *Authorization) Expected(r *http.Request, secret, payloadHash string) (string, error) {
	canonical, err := a.Canonical(r, payloadHash)
	if err != nil {
		return "", err
	}
	return a.sign(secret, Algorithm, hash([]byte(canonical))), nil
}

// Matches compares in constant time.
func (a *Authorization) Matches(expected string) bool {
	return hmac.Equal([]byte(expected), []byte(a.Signature))
}

// Canonical is the canonical request, the text that both sides hash.
func (a *Authorization) Canonical(r *http.Request, payloadHash string) (string, error) {
	path, err := canonicalPath(r.URL.EscapedPath(), a.Service == "s3")
	if err != nil {
		return "", err
	}
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return "", malformed("the query string can't be decoded")
	}
	if a.Presigned {
		query = query.without("X-Amz-Signature")
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n" + query.canonical() + "\n")
	for _, name := range a.SignedHeaders {
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(a.SignedHeaders, ";") + "\n" + payloadHash)
	return b.String(), nil
}

func headerValue(r *http.Request, name string) string {
	values := r.Header.Values(name)
	// net/http takes both out of the header.
	switch {
	case name == "host":
		values = []string{r.Host}
	case name == "content-length" && len(values) == 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(out, ",")
}

func (a *Authorization) sign(secret, algorithm, tail string) string {
	stringToSign := algorithm + "\n" + a.Time.Format(TimeFormat) + "\n" + a.Scope() + "\n" + tail
	key := mac([]byte("AWS4"+secret), a.Date)
	for _, part := range []string{a.Region, a.Service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, stringToSign))
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// HashPayload is what X-Amz-Content-Sha256 says of an unencoded body.
func HashPayload(body []byte) string { return hash(body) }

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }

func canonicalPath(escaped string, s3 bool) (string, error) {
	if escaped == "" {
		escaped = "/"
	}
	if !s3 {
		return encode(removeDots(escaped), "/"), nil
	}
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return "", malformed("the path can't be decoded")
	}
	return encode(decoded, "/"), nil
}

package cluster

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
)

// What pkg/token/token.go of aws-iam-authenticator has.
const (
	tokenPrefix   = "k8s-aws-v1."
	maxToken      = 4 << 10
	clusterHeader = "x-k8s-aws-id"
	tokenLife     = 15 * time.Minute
	dateFormat    = "20060102T150405Z"
	maxExpires    = 900
)

// formatError is a token that isn't worth asking STS; stsError is what STS says.
type (
	formatError string
	stsError    string
)

func (e formatError) Error() string { return "input token was not properly formatted: " + string(e) }
func (e stsError) Error() string    { return "sts getCallerIdentity failed: " + string(e) }

// Identity is who presented a token.
type Identity struct {
	ARN          string // of the session, or of the user
	CanonicalARN string // of the role without its path, or of the user
	AccountID    string
	UserID       string // AROA… or AIDA…
	SessionName  string
	AccessKeyID  string
}

// Verify says whose a token is: first its form, in the order of the real
// verifier, then its signature, which is over the host as it is written and
// over the cluster's name.
func (p *Plane) Verify(r eks.Ref, token string, now time.Time) (Identity, error) {
	signed, err := p.parseToken(r.Region, token, now)
	if err != nil {
		return Identity{}, err
	}
	query := signed.Query()
	// STS tells these names' case apart, other than the verifier.
	if query.Get("Action") != "GetCallerIdentity" || query.Get("Version") != "2011-06-15" {
		return Identity{}, stsError("error from AWS (expected 200, got 400)")
	}
	req := &http.Request{Method: http.MethodGet, URL: signed, Host: signed.Host, Header: http.Header{}}
	req.Header.Set(clusterHeader, r.Name)
	caller, err := p.Identify(req, now)
	if err != nil {
		return Identity{}, stsError("error from AWS (expected 200, got 403). Body: " + err.Error())
	}
	return identityOf(caller, strings.Split(query.Get("X-Amz-Credential"), "/")[0]), nil
}

func identityOf(c iam.Caller, accessKey string) Identity {
	id := Identity{ARN: c.ARN, CanonicalARN: c.ARN, AccountID: c.Account, UserID: c.UserID, AccessKeyID: accessKey}
	if s := c.Session; s != nil {
		// arn.Canonicalize works on the session's ARN, which has no path.
		id.CanonicalARN = "arn:" + iam.Partition + ":iam::" + c.Account + ":role/" + s.Role.Name
		id.UserID, id.SessionName = s.Role.ID, s.Name
	}
	return id
}

// parseToken is the part of the real Verify that asks nobody.
func (p *Plane) parseToken(region, token string, now time.Time) (*url.URL, error) {
	if len(token) > maxToken {
		return nil, formatError("token is too large")
	}
	encoded, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok {
		return nil, formatError(fmt.Sprintf("token is missing expected %q prefix", tokenPrefix))
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, formatError(err.Error())
	}
	signed, err := url.Parse(string(text))
	if err != nil {
		return nil, formatError(err.Error())
	}
	own := p.OwnHost != "" && signed.Host == p.OwnHost
	switch {
	case signed.Scheme != "https" && !(own && signed.Scheme == "http"):
		return nil, formatError(fmt.Sprintf("unexpected scheme %q in pre-signed URL", signed.Scheme))
	case !own && signed.Host != regionalHost(region) && !slices.Contains(STSHosts(), signed.Host):
		return nil, formatError(fmt.Sprintf("unexpected hostname %q in pre-signed URL", signed.Host))
	case signed.Path != "/":
		return nil, formatError("unexpected path in pre-signed URL")
	}
	values, err := url.ParseQuery(signed.RawQuery)
	if err != nil {
		return nil, formatError("malformed query parameter")
	}
	return signed, checkParameters(values, now)
}

func checkParameters(values url.Values, now time.Time) error {
	allowed := []string{"action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-security-token", "x-amz-signature", "x-amz-signedheaders"}
	lower := url.Values{}
	for name, given := range values {
		key := strings.ToLower(name)
		switch {
		case lower.Has(key):
			return formatError(fmt.Sprintf("duplicate query parameter found: %q", name))
		case !slices.Contains(allowed, key):
			return formatError(fmt.Sprintf("non-whitelisted query parameter %q", name))
		case len(given) != 1:
			return formatError("query parameter with multiple values not supported")
		}
		lower.Set(key, given[0])
	}
	if lower.Get("action") != "GetCallerIdentity" {
		return formatError("unexpected action parameter in pre-signed URL")
	}
	named := func(h string) bool { return strings.EqualFold(h, clusterHeader) }
	if !slices.ContainsFunc(strings.Split(lower.Get("x-amz-signedheaders"), ";"), named) {
		return formatError("client did not sign the " + clusterHeader + " header in the pre-signed URL")
	}
	expires, err := strconv.Atoi(lower.Get("x-amz-expires"))
	if err != nil || expires < 0 || expires > maxExpires {
		return formatError(fmt.Sprintf("invalid X-Amz-Expires parameter in pre-signed URL: %d", expires))
	}
	date := lower.Get("x-amz-date")
	if date == "" {
		return formatError("X-Amz-Date parameter must be present in pre-signed URL")
	}
	at, err := time.Parse(dateFormat, date)
	if err != nil {
		return formatError(fmt.Sprintf("error parsing X-Amz-Date parameter %s into format %s: %s", date, dateFormat, err))
	}
	if now.After(at.Add(tokenLife)) {
		return formatError(fmt.Sprintf("X-Amz-Date parameter is expired (15 minute expiration) %s", at))
	}
	return nil
}

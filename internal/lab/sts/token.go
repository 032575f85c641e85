package sts

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// claims are those that STS reads from a web identity token.
type claims struct {
	jwt.Claims
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_adding-assume-role-idp
	Tags struct {
		Principal  map[string]oneOrMore `json:"principal_tags"`
		Transitive []string             `json:"transitive_tag_keys"`
	} `json:"https://aws.amazon.com/tags"`
	SourceIdentity string `json:"https://aws.amazon.com/source_identity"`
}

type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if err := json.Unmarshal(b, &one); err == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

func invalidToken(message string) error {
	return wire.Refuse(http.StatusBadRequest, "InvalidIdentityToken", message)
}

// verify checks a token's form and signature; whom it is for is decided later,
// by the account that the role is in.
func (s *Service) verify(token string) (claims, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return claims{}, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	var c claims
	if err := parsed.UnsafeClaimsWithoutVerification(&c); err != nil {
		return claims{}, invalidToken("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	for _, claim := range []struct {
		name    string
		missing bool
	}{
		{"iss", c.Issuer == ""}, {"sub", c.Subject == ""}, {"aud", len(c.Audience) == 0},
		{"exp", c.Expiry == nil}, {"iat", c.IssuedAt == nil},
	} {
		if claim.missing {
			return claims{}, invalidToken("Missing a required claim: " + claim.name)
		}
	}
	if c.Issuer != s.Issuer {
		return c, nil // refused by the missing provider
	}
	if err := parsed.Claims(s.Keys, &c); err != nil {
		// AWS's text for a key ID that the issuer doesn't publish, and for a
		// signature that isn't the key's.
		if errors.Is(err, jose.ErrJWKSKidNotFound) {
			return claims{}, invalidToken("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
		}
		return claims{}, invalidToken("Provided Token signature is invalid")
	}
	return c, nil
}

// current refuses a token outside of its time; AWS gives both times as seconds
// since 1970.
func (c claims) current(now time.Time) error {
	if !now.Before(c.Expiry.Time()) {
		return wire.Refuse(http.StatusBadRequest, "ExpiredTokenException", fmt.Sprintf(
			"Token expired: current date/time %d must be before the expiration date/time %d", now.Unix(), c.Expiry.Time().Unix()))
	}
	if c.NotBefore != nil && now.Before(c.NotBefore.Time()) {
		return invalidToken("The token's nbf claim lies in the future")
	}
	return nil
}

func (c claims) issuerHost() string {
	_, host, _ := strings.Cut(c.Issuer, "://")
	return strings.TrimSuffix(host, "/")
}

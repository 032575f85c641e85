package source

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Claims are what a token says of itself, none of it secret. Nobody has checked
// its signature.
type Claims struct {
	Issuer   string
	Subject  string
	Audience []string
	Expires  time.Time // zero if the token doesn't say
}

// ParseClaims reads a JWT's claims (RFC 7519) as far as they decide what AWS
// makes of it. The error doesn't show the token.
func ParseClaims(token string) (Claims, error) {
	notOne := errors.New("that isn't a JWT (three parts with dots between them)")
	parts := strings.Split(token, ".")
	if len(parts) != 3 || strings.ContainsAny(token, " \t\r\n") {
		return Claims{}, notOne
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Claims{}, notOne
	}
	var c struct {
		Iss, Sub string
		Aud      audience
		Exp      float64 // a NumericDate may have a fraction (RFC 7519, 2)
	}
	if json.Unmarshal(payload, &c) != nil {
		return Claims{}, notOne
	}
	out := Claims{Issuer: c.Iss, Subject: c.Sub, Audience: c.Aud}
	if c.Exp > 0 && c.Exp < 1<<40 {
		out.Expires = time.Unix(int64(c.Exp), 0)
	}
	return out, nil
}

// Describe is the claims that decide, in a line.
func (c Claims) Describe(now time.Time) string {
	text := fmt.Sprintf("the token: iss %s, sub %s, aud %s", c.Issuer, c.Subject, strings.Join(c.Audience, " and "))
	switch {
	case c.Expires.IsZero():
		return text + ", no exp"
	case c.Expires.After(now):
		return text + ", valid until " + c.Expires.UTC().Format(time.RFC3339)
	}
	return text + ", expired at " + c.Expires.UTC().Format(time.RFC3339)
}

// audience is a string or a list of strings (RFC 7519, 4.1.3).
type audience []string

// UnmarshalJSON reads either.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

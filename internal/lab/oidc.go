package lab

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	issuerPath    = "/oidc"
	discoveryPath = issuerPath + "/.well-known/openid-configuration"
	keysPath      = issuerPath + "/keys"
	issuerKeyID   = "holdfast-lab"
)

// issuer is the lab's OIDC issuer, like the one of an EKS cluster.
type issuer struct {
	url    string
	key    *rsa.PrivateKey
	signer jose.Signer
}

// Claims are those of a web identity token.
type Claims struct {
	Subject        string            `json:"sub"`
	Audience       []string          `json:"aud"`
	TTL            time.Duration     `json:"-"`
	Tags           map[string]string `json:"tags,omitempty"`            // session tags
	TransitiveTags []string          `json:"transitive_tags,omitempty"` // keys of Tags
	SourceIdentity string            `json:"source_identity,omitempty"`
}

func newIssuer(url string) (*issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("lab: the issuer's key: %w", err)
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: issuerKeyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("lab: the issuer's signer: %w", err)
	}
	return &issuer{url: url, key: key, signer: signer}, nil
}

func (i *issuer) keys() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: issuerKeyID, Algorithm: string(jose.RS256), Use: "sig"}}}
}

// token signs claims; what makes no JSON can't be in them, so it doesn't fail.
func (i *issuer) token(c Claims, now time.Time) string {
	expires := now.Add(c.TTL)
	issued := now
	if !expires.After(issued) {
		issued = expires.Add(-time.Minute)
	}
	builder := jwt.Signed(i.signer).Claims(jwt.Claims{
		Issuer: i.url, Subject: c.Subject, Audience: jwt.Audience(c.Audience),
		Expiry: jwt.NewNumericDate(expires), IssuedAt: jwt.NewNumericDate(issued),
	})
	extra := map[string]any{}
	if len(c.Tags) > 0 {
		tags := map[string][]string{}
		for k, v := range c.Tags {
			tags[k] = []string{v}
		}
		extra["https://aws.amazon.com/tags"] = map[string]any{"principal_tags": tags, "transitive_tag_keys": c.TransitiveTags}
	}
	if c.SourceIdentity != "" {
		extra["https://aws.amazon.com/source_identity"] = c.SourceIdentity
	}
	text, err := builder.Claims(extra).Serialize()
	if err != nil {
		panic("lab: a token of plain strings doesn't serialise: " + err.Error())
	}
	return text
}

// serveIssuer answers discovery and keys, as
// https://openid.net/specs/openid-connect-discovery-1_0.html has them.
func (s *Server) serveIssuer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "only GET here", http.StatusMethodNotAllowed)
		return
	}
	var answer any
	switch r.URL.Path {
	case discoveryPath:
		answer = map[string]any{
			"issuer":                                s.issuer.url,
			"jwks_uri":                              s.url + keysPath,
			"authorization_endpoint":                "urn:kubernetes:programmatic_authorization",
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"claims_supported":                      []string{"sub", "iss"},
		}
	case keysPath:
		answer = s.issuer.keys()
	default:
		http.NotFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that left is nobody's error
}

package sts

import (
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/policy"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// assumeRoleWithWebIdentity has no caller: the token is the identity.
func (s *Service) assumeRoleWithWebIdentity(r *wire.Request) (any, error) {
	p := wire.NewParams(r)
	in, err := readAsked(p)
	if err != nil {
		return nil, err
	}
	token := p.Get("WebIdentityToken")
	if p.Get("ProviderId") != "" {
		return nil, wire.Unsupported("OAuth 2.0 providers (ProviderId)")
	}
	if err := p.Unread(); err != nil {
		return nil, err
	}
	if len(token) < 4 {
		return nil, wire.Invalid(token, "webIdentityToken", "Member must have length greater than or equal to 4")
	}
	c, err := s.verify(token)
	if err != nil {
		return nil, err
	}
	provider, audience, err := s.provider(in.roleARN, c)
	if err != nil {
		return nil, err
	}
	if err := c.current(r.Now); err != nil {
		return nil, err
	}
	session := iam.Session{Name: in.sessionName, SourceIdentity: c.SourceIdentity}
	if err := inherit(&session, nil, c.pairs(), c.Tags.Transitive); err != nil {
		return nil, err
	}
	packed, err := restrict(&session, in.policy)
	if err != nil {
		return nil, err
	}
	role, exists := s.Directory.Role(in.roleARN)
	host := strings.ToLower(c.issuerHost())
	keys := map[string]string{
		host + ":aud": strings.Join(c.Audience, "\x00"),
		host + ":sub": c.Subject,
	}
	is := func(p policy.Principal) bool {
		return p.Type == "*" || p.Type == "Federated" && p.ID == provider.ARN
	}
	if trusts(role, exists, session, keys, is, "sts:AssumeRoleWithWebIdentity") != nil {
		return nil, wire.Refuse(http.StatusForbidden, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	}
	// A first hop, so not bound by the hour of role chaining.
	life, err := s.length(in, role, false)
	if err != nil {
		return nil, err
	}
	session.Role = role
	_, out := s.issue(session, life, r.Now)
	out.PackedPolicySize = packed
	out.SubjectFrom, out.Provider, out.Audience = c.Subject, provider.ARN, audience
	return out, nil
}

// provider finds the OIDC provider in the role's account, whose client IDs
// decide the audience.
func (s *Service) provider(roleARN string, c claims) (iam.Provider, string, error) {
	parts := strings.Split(roleARN, ":")
	if len(parts) < 6 {
		return iam.Provider{}, "", validation(roleARN + " is invalid")
	}
	provider, ok := s.Directory.ProviderOf(parts[4], c.issuerHost())
	if !ok {
		return iam.Provider{}, "", invalidToken("No OpenIDConnect provider found in your account for " + c.Issuer)
	}
	for _, audience := range c.Audience {
		if slices.Contains(provider.Audiences, audience) {
			return provider, audience, nil
		}
	}
	return iam.Provider{}, "", invalidToken("Incorrect token audience")
}

func (c claims) pairs() [][2]string {
	var out [][2]string
	for key, values := range c.Tags.Principal {
		if len(values) > 0 {
			out = append(out, [2]string{key, values[0]})
		}
	}
	return out
}

package sts

import (
	"maps"
	"net/http"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/policy"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

func (s *Service) assumeRole(r *wire.Request, caller iam.Caller) (any, error) {
	p := wire.NewParams(r)
	in, err := readAsked(p)
	if err != nil {
		return nil, err
	}
	externalID, sourceIdentity := p.Get("ExternalId"), p.Get("SourceIdentity")
	tags, transitive := p.Pairs("Tags"), p.List("TransitiveTagKeys")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	session := iam.Session{Name: in.sessionName, SourceIdentity: sourceIdentity}
	if err := inherit(&session, caller.Session, tags, transitive); err != nil {
		return nil, err
	}
	packed, err := restrict(&session, in.policy)
	if err != nil {
		return nil, err
	}
	role, exists := s.Directory.Role(in.roleARN)
	keys := callerKeys(caller)
	keys["sts:externalid"] = externalID
	if err := trusts(role, exists, session, keys, caller.TrustFor, "sts:AssumeRole"); err != nil {
		// AWS gives the same text for a role that isn't there.
		return nil, denied(caller, err.action, in.roleARN)
	}
	if caller.Session != nil && caller.Session.SourceIdentity != "" && session.SourceIdentity != caller.Session.SourceIdentity {
		return nil, denied(caller, "sts:SetSourceIdentity", in.roleARN)
	}
	life, err := s.length(in, role, caller.Session != nil)
	if err != nil {
		return nil, err
	}
	session.Role = role
	_, out := s.issue(session, life, r.Now)
	out.PackedPolicySize = packed
	return out, nil
}

func denied(caller iam.Caller, action, resource string) error {
	return wire.Refuse(http.StatusForbidden, "AccessDenied",
		"User: "+caller.ARN+" is not authorized to perform: "+action+" on resource: "+resource)
}

func callerKeys(caller iam.Caller) map[string]string {
	keys := map[string]string{
		"aws:principalarn":     caller.ARN,
		"aws:principalaccount": caller.Account,
		"aws:userid":           caller.UserID,
	}
	if caller.Session == nil {
		return keys
	}
	keys["aws:principalarn"] = caller.Session.Role.ARN
	keys["aws:sourceidentity"] = caller.Session.SourceIdentity
	for k, v := range caller.Session.Tags {
		keys["aws:principaltag/"+strings.ToLower(k)] = v
	}
	return keys
}

// notTrusted names the action that the trust policy doesn't give.
type notTrusted struct{ action string }

// trusts asks the trust policy for each permission that the request needs:
// tags need sts:TagSession, inherited ones too, and a source identity needs
// sts:SetSourceIdentity on every hop.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html
func trusts(role iam.Role, exists bool, session iam.Session, keys map[string]string, is func(policy.Principal) bool, action string) *notTrusted {
	if !exists {
		return &notTrusted{action}
	}
	keys = maps.Clone(keys)
	keys["sts:rolesessionname"] = session.Name
	keys["sts:sourceidentity"] = session.SourceIdentity
	for k, v := range session.Tags {
		keys["aws:requesttag/"+strings.ToLower(k)] = v
	}
	needed := []string{action}
	if len(session.Tags) > 0 {
		needed = append(needed, "sts:TagSession")
	}
	if session.SourceIdentity != "" {
		needed = append(needed, "sts:SetSourceIdentity")
	}
	for _, action := range needed {
		verdict := role.Trusts.Decide(policy.Query{Action: action, Is: is, Keys: func(key string) []string {
			if v := keys[key]; v != "" {
				return strings.Split(v, "\x00")
			}
			return nil
		}})
		if verdict != policy.Allow {
			return &notTrusted{action}
		}
	}
	return nil
}

const (
	maxTags      = 50
	maxTagKey    = 128
	maxTagValue  = 256
	maxPlainText = 2048
)

// inherit puts the caller's transitive tags and the request's own together,
// and takes the caller's source identity over.
func inherit(session *iam.Session, caller *iam.Session, tags [][2]string, transitive []string) error {
	session.Tags, session.Transitive = map[string]string{}, map[string]bool{}
	inherited := map[string]bool{}
	if caller != nil {
		for key := range caller.Transitive {
			session.Tags[key], session.Transitive[key] = caller.Tags[key], true
			inherited[strings.ToLower(key)] = true
		}
		if session.SourceIdentity == "" {
			session.SourceIdentity = caller.SourceIdentity
		}
	}
	if len(tags) > maxTags {
		return wire.Invalid(len(tags), "tags", "Member must have length less than or equal to 50")
	}
	own := map[string]bool{}
	for _, tag := range tags {
		key := strings.ToLower(tag[0])
		switch {
		case tag[0] == "" || len(tag[0]) > maxTagKey:
			return wire.Invalid(tag[0], "tags.member.key", "Member must have length between 1 and 128")
		case len(tag[1]) > maxTagValue:
			return wire.Invalid(tag[1], "tags.member.value", "Member must have length less than or equal to 256")
		case own[key]:
			return parameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case inherited[key]:
			return parameter("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
		own[key] = true
		session.Tags[tag[0]] = tag[1]
	}
	for _, key := range transitive {
		if _, ok := session.Tags[key]; !ok {
			return parameter("The specified transitive tag key must be included in the requested tags.")
		}
		session.Transitive[key] = true
	}
	return nil
}

func parameter(message string) error {
	return wire.Refuse(http.StatusBadRequest, "InvalidParameterValue", message)
}

// restrict reads the session policy and estimates PackedPolicySize as the share
// of the plain-text limit that policy and tags take.
func restrict(session *iam.Session, text string) (packed int, err error) {
	size := len(text)
	for k, v := range session.Tags {
		size += len(k) + len(v)
	}
	if len(text) > maxPlainText {
		return 0, wire.Invalid(text, "policy", "Member must have length less than or equal to 2048")
	}
	packed = (size*100 + maxPlainText - 1) / maxPlainText
	if packed > 100 {
		return 0, wire.Refuse(http.StatusBadRequest, "PackedPolicyTooLarge", "Packed size of session tags consumes "+
			"more than 100% of allotted space.")
	}
	if text == "" {
		return packed, nil
	}
	if session.Policy, err = policy.ParseSession(text); err != nil {
		return 0, iam.PolicyError(err)
	}
	return packed, nil
}

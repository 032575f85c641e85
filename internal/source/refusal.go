package source

import "strings"

// Refusal is AWS's answer that isn't a credential, in AWS's own words.
type Refusal struct {
	Operation string // AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity
	Code      string // AccessDenied; empty if no answer came at all
	Message   string
	Status    int   // of HTTP; 0 if no answer came
	Final     bool  // nobody was asked at all, because there is nothing to ask with
	Err       error // the cause, for errors.Is

	// Token is what the token that was sent says of itself; nil if none was.
	Token *Claims
}

func (r *Refusal) Error() string {
	if r.Code == "" {
		return r.Operation + ": " + r.Message
	}
	return r.Operation + ": " + r.Code + ": " + r.Message
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// Permanent reports whether asking again in the same way won't help. What STS
// models as errors, and which of them pass: API reference, "Errors" of both
// operations; the verification key that couldn't be fetched is retried by AWS's
// own SDKs too.
func (r *Refusal) Permanent() bool {
	if r.Final {
		return true
	}
	switch r.Code {
	case "AccessDenied", "ValidationError", "MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException",
		"ExpiredTokenException", "IDPRejectedClaim", "InvalidClientTokenId", "ExpiredToken", "MissingAuthenticationToken", "IncompleteSignature":
		return true
	case "SignatureDoesNotMatch":
		// A clock that is off is corrected from the answer's Date header before
		// the next attempt; a wrong secret isn't.
		return !strings.Contains(r.Message, "Signature expired") && !strings.Contains(r.Message, "not yet current")
	case "InvalidIdentityToken":
		return !strings.Contains(r.Message, "verification key")
	default:
		return false
	}
}

// chaining reports whether AWS refused because of the one-hour cap of role
// chaining.
func (r *Refusal) chaining() bool {
	return r.Code == "ValidationError" && strings.Contains(r.Message, "1 hour session limit for roles assumed by role chaining")
}

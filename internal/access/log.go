package access

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

// LogPattern is the filter of CloudWatch Logs for the lines that Sightings
// reads: phrases, any of which will do
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html).
const LogPattern = `?"access granted" ?"access denied" ?"STS response"`

// LogLine is a line of the authenticator's log.
type LogLine struct {
	At   time.Time
	Text string
}

// uidPrefix is in front of account and ID in a user's UID
// (aws-iam-authenticator pkg/server).
const uidPrefix = "aws-iam-authenticator:"

// Sightings reads the authenticator's log, in order of time: what became of
// which ID, by the canonical ARN of its principal. The formats are those of
// aws-iam-authenticator pkg/server. A refusal names no ID; it is the one of the
// answer of STS to the same client right before.
func Sightings(lines []LogLine) map[string][]Sighting {
	out := map[string][]Sighting{}
	asked := map[string]struct{ arn, id string }{} // by client
	for _, l := range lines {
		f := fields(l.Text)
		client := f["client"]
		switch f["msg"] {
		case "STS response":
			if p, err := cred.ParsePrincipal(f["arn"]); err == nil && f["userid"] != "" {
				asked[client] = struct{ arn, id string }{Canonical(p), f["userid"]}
			}
		case "access granted":
			arn, id := canonicalText(f["arn"]), f["uid"][strings.LastIndexByte(f["uid"], ':')+1:]
			if arn != "" && strings.HasPrefix(f["uid"], uidPrefix) {
				out[arn] = append(out[arn], Sighting{At: l.At, ID: id, Granted: true})
			}
			delete(asked, client)
		case "access denied":
			before, known := asked[client]
			if known && before.arn == canonicalText(f["arn"]) && unmapped(f["error"]) {
				out[before.arn] = append(out[before.arn], Sighting{At: l.At, ID: before.id})
			}
			delete(asked, client)
		}
	}
	for _, all := range out {
		slices.SortStableFunc(all, func(a, b Sighting) int { return a.At.Compare(b.At) })
	}
	return out
}

// unmapped tells the one refusal that a dead binding causes from the others: a
// template that couldn't be rendered, or a token that STS refused. EKS's build
// says identity, and aws-iam-authenticator v0.6.13 ARN.
func unmapped(text string) bool {
	return strings.HasSuffix(text, "identity is not mapped") || strings.HasSuffix(text, "ARN is not mapped")
}

func canonicalText(arn string) string {
	p, err := cred.ParsePrincipal(arn)
	if err != nil {
		return ""
	}
	return Canonical(p)
}

// fields reads key=value and key="value" as github.com/sirupsen/logrus writes
// them. What isn't of that form is left out.
func fields(line string) map[string]string {
	out := map[string]string{}
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " ") {
		key, rest, ok := strings.Cut(line, "=")
		if !ok {
			return out
		}
		key = key[strings.LastIndexByte(key, ' ')+1:]
		if !strings.HasPrefix(rest, `"`) {
			value, more, _ := strings.Cut(rest, " ")
			out[key], line = value, more
			continue
		}
		value, more := quoted(rest[1:])
		out[key], line = value, more
	}
	return out
}

// quoted reads up to the closing quote, and undoes the escapes of %q that a log
// line has.
func quoted(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

package access_test

import (
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/access"
)

const node = "arn:aws:iam::111111111111:role/node"

// The lines are of aws-iam-authenticator v0.6.13 and of EKS's own build.
func lines(texts ...string) []access.LogLine {
	var out []access.LogLine
	for i, text := range texts {
		out = append(out, access.LogLine{At: noon().Add(time.Duration(i) * time.Second), Text: text})
	}
	return out
}

func TestSightings(t *testing.T) {
	const (
		stsA    = `time="2026-11-22T12:00:00Z" level=info msg="STS response" accesskeyid=ASIA accountid=111111111111 arn="arn:aws:sts::111111111111:assumed-role/Node/i-0" client="127.0.0.1:1" session=i-0 stsendpoint=sts userid=AROAA`
		stsB    = `time="2026-11-22T12:00:00Z" level=info msg="STS response" arn="arn:aws:sts::111111111111:assumed-role/other/i-0" client="127.0.0.1:2" userid=AROAB`
		denied  = `time="2026-11-22T12:00:00Z" level=warning msg="access denied" arn="arn:aws:iam::111111111111:role/Node" client="127.0.0.1:1" error="identity is not mapped" method=POST path=/authenticate`
		old     = `time="2026-11-22T12:00:00Z" level=warning msg="access denied" arn="arn:aws:iam::111111111111:role/node" client="127.0.0.1:1" error="ARN is not mapped" method=POST`
		another = `time="2026-11-22T12:00:00Z" level=warning msg="access denied" arn="arn:aws:iam::111111111111:role/node" client="127.0.0.1:1" error="mapper DynamicFile renderTemplates error: \"x\"" method=POST`
		granted = `time="2026-11-22T12:00:00Z" level=info msg="access granted" arn="arn:aws:iam::111111111111:role/node" client="127.0.0.1:1" groups="[system:nodes]" uid="aws-iam-authenticator:111111111111:AROAA" username="system:node:a"`
	)
	for name, row := range map[string]struct {
		lines []access.LogLine
		want  []access.Sighting
	}{
		"granted":                     {lines(granted), []access.Sighting{{At: noon(), ID: "AROAA", Granted: true}}},
		"refused":                     {lines(stsA, stsB, denied), []access.Sighting{{At: noon().Add(2 * time.Second), ID: "AROAA"}}},
		"the older words":             {lines(stsA, old), []access.Sighting{{At: noon().Add(time.Second), ID: "AROAA"}}},
		"refused for something else":  {lines(stsA, another), nil},
		"nobody said who it was":      {lines(denied), nil},
		"another client's answer":     {lines(stsB, denied), nil},
		"an answer counts once":       {lines(stsA, denied, denied), []access.Sighting{{At: noon().Add(time.Second), ID: "AROAA"}}},
		"nonsense":                    {lines(`msg="access granted" uid= arn`, `"`, `=`, `msg="`), nil},
		"another authenticator's uid": {lines(`msg="access granted" arn="` + node + `" uid="oidc:x:AROAA"`), nil},
	} {
		got := access.Sightings(row.lines)[node]
		if len(got) != len(row.want) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i := range got {
			if got[i] != row.want[i] {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
}

func FuzzSightings(f *testing.F) {
	f.Add(`time="x" level=info msg="access granted" arn="`+node+`" uid="aws-iam-authenticator:1:AROA" a="\"b\\"`, `msg="STS response" userid=A`)
	f.Fuzz(func(t *testing.T, a, b string) { access.Sightings(lines(a, b, a)) })
}

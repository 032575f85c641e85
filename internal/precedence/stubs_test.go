package precedence_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/precedence"
)

// stubs answer for every remote source, each with a key that says who it is.
type stubs struct{ url string }

func serve(t *testing.T) stubs {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)
	return stubs{url: server.URL}
}

const expiry = "2099-01-01T00:00:00Z"

func answer(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/full", path == "/relative", path == "/ours":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"AccessKeyId":"AK%s","SecretAccessKey":"s","Token":"t","Expiration":%q}`, strings.ToUpper(path[1:]), expiry)
	case path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
		fmt.Fprint(w, "token")
	case strings.HasPrefix(path, "/latest/meta-data/iam/security-credentials"):
		if strings.HasSuffix(path, "/machine") {
			fmt.Fprintf(w, `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"AKIMDS","SecretAccessKey":"s","Token":"t","Expiration":%q,"LastUpdated":"2020-01-01T00:00:00Z"}`, expiry)
			return
		}
		fmt.Fprint(w, "machine")
	case path == "/federation/credentials":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"roleCredentials":{"accessKeyId":"AKSSO","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}`)
	default:
		sts(w, r)
	}
}

// sts names the caller in the key of an assumed role, and tells the two web
// identities apart by their role.
func sts(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	action, key := r.Form.Get("Action"), ""
	switch action {
	case "AssumeRole":
		_, caller, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		caller, _, _ = strings.Cut(caller, "/")
		key = "AKROLE-" + strings.TrimPrefix(caller, "AKROLE-")
	case "AssumeRoleWithWebIdentity":
		key = "AKWEB-" + r.Form.Get("RoleArn")[strings.LastIndex(r.Form.Get("RoleArn"), "/")+1:]
	default:
		http.Error(w, "unknown action "+action, http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>%[2]s</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%[3]s</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::111111111111:assumed-role/x/x</Arn></AssumedRoleUser></%[1]sResult></%[1]sResponse>`, action, key, expiry)
}

// environment is all that a row's process has besides what the row sets: no
// variable of the machine that runs the test reaches it.
func (s stubs) environment(home string) precedence.Env {
	return precedence.Env{
		"HOME":                              home,
		"PATH":                              os.Getenv("PATH"),
		"AWS_REGION":                        "us-east-1",
		"AWS_DEFAULT_REGION":                "us-east-1",
		"AWS_ENDPOINT_URL_STS":              s.url,
		"AWS_ENDPOINT_URL_SSO":              s.url,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": s.url,
		"AWS_MAX_ATTEMPTS":                  "1",
	}
}

// key is the access key that a winner leads to, or "none".
func key(w precedence.Winner) string {
	if w.Source == precedence.ProfileRole {
		return "AKROLE-" + key(precedence.Winner{Source: w.Base})
	}
	known := map[precedence.Source]string{
		precedence.EnvKeys:           "AKENV",
		precedence.EnvWebIdentity:    "AKWEB-env",
		precedence.ProfileKeys:       "AKPROFILE",
		precedence.ProfileWeb:        "AKWEB-x",
		precedence.ProfileSSO:        "AKSSO",
		precedence.ProfileLogin:      "AKLOGIN",
		precedence.ProfileProcess:    "AKPROCESS",
		precedence.ContainerRelative: "AKRELATIVE",
		precedence.ContainerFull:     "AKFULL",
		precedence.InstanceMetadata:  "AKIMDS",
		precedence.CodeKeys:          "AKCODE",
		precedence.LegacyFile:        "AKLEGACY",
	}[w.Source]
	if known == "" {
		return "none"
	}
	return known
}

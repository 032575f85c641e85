package kubetoken_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/kubetoken"
)

func TestNew(t *testing.T) {
	signed := time.Date(2026, 11, 22, 10, 0, 0, 500, time.UTC)
	b, err := json.Marshal(kubetoken.New("client.authentication.k8s.io/v1", "https://x/?a=b", signed))
	const want = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{},"status":{"expirationTimestamp":"2026-11-22T10:14:00Z","token":"k8s-aws-v1.aHR0cHM6Ly94Lz9hPWI"}}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v", b, err)
	}
}

func TestVersion(t *testing.T) {
	for info, want := range map[string]string{
		"": "client.authentication.k8s.io/v1",
		`{"apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}`: "client.authentication.k8s.io/v1",
		`{"apiVersion":"client.authentication.k8s.io/v1beta1"}`:                         "client.authentication.k8s.io/v1beta1",
		`{"apiVersion":"client.authentication.k8s.io/v1alpha1"}`:                        "", `{}`: "", `x`: "",
	} {
		if got, err := kubetoken.Version(info); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", info, got, err)
		}
	}
}

func FuzzVersion(f *testing.F) {
	f.Add(`{"apiVersion":"client.authentication.k8s.io/v1"}`)
	f.Fuzz(func(t *testing.T, info string) {
		if got, err := kubetoken.Version(info); err == nil && got == "" {
			t.Errorf("%q: no version and no error", info)
		}
	})
}

// Package kubetoken (words) is the ExecCredential that kubectl and the
// Kubernetes clients take from a command, with a token for an EKS cluster in it.
//
// It promises the token's form of the aws-iam-authenticator (pkg/token) and that
// a client asks again before the server refuses the token.
//
// It signs nothing (awsapi/identity does), and knows no cluster.
package kubetoken

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

const (
	prefix = "k8s-aws-v1."
	// life is what clients are told. The server takes a token for 15 minutes
	// from its X-Amz-Date (pkg/token/token.go, presignedURLExpiration).
	life = 14 * time.Minute

	group = "client.authentication.k8s.io/"
)

// ExecCredential is the answer
// (https://kubernetes.io/docs/reference/config-api/client-authentication.v1/).
type ExecCredential struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Spec       struct{} `json:"spec"`
	Status     Status   `json:"status"`
}

// Status holds the token.
type Status struct {
	ExpirationTimestamp time.Time `json:"expirationTimestamp"`
	Token               string    `json:"token"`
}

// New makes the answer of a presigned GetCallerIdentity.
func New(version, presigned string, signed time.Time) ExecCredential {
	return ExecCredential{Kind: "ExecCredential", APIVersion: version, Status: Status{
		ExpirationTimestamp: signed.UTC().Add(life).Truncate(time.Second),
		Token:               prefix + base64.RawURLEncoding.EncodeToString([]byte(presigned)),
	}}
}

// Version is the API version that the client asks for in KUBERNETES_EXEC_INFO;
// v1 if it doesn't say. The two that are known have the same form.
func Version(execInfo string) (string, error) {
	if execInfo == "" {
		return group + "v1", nil
	}
	var asked struct {
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal([]byte(execInfo), &asked); err != nil {
		return "", fmt.Errorf("KUBERNETES_EXEC_INFO isn't JSON: %w", err)
	}
	switch asked.APIVersion {
	case group + "v1", group + "v1beta1":
		return asked.APIVersion, nil
	}
	return "", fmt.Errorf("KUBERNETES_EXEC_INFO asks for %q, and here are %sv1 and v1beta1", asked.APIVersion, group)
}

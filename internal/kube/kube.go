// Package kube (adapter) makes the few calls to a cluster's own API that
// holdfast needs: it reads the ConfigMap aws-auth, and asks whether a token is
// let in.
//
// It trusts the cluster's own CA and nobody else, follows no redirect, and keeps
// no connection. It knows no AWS: tokens are given to it.
package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// timeout is for a cluster whose address is private, and not reached from here.
const timeout = 10 * time.Second

// Cluster is the API of one cluster.
type Cluster struct {
	Endpoint string
	CA       []byte // PEM
	Token    string
}

// StatusError is an answer that isn't a success.
type StatusError struct {
	Status  int
	Message string
}

func (e *StatusError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("Kubernetes answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("Kubernetes answered %d: %s", e.Status, e.Message)
}

// AWSAuth is the ConfigMap aws-auth: ARNs as they stand there in lower case,
// which is how an authenticator compares them (aws-iam-authenticator
// pkg/mapper/configmap), and accounts whose every principal is let in.
type AWSAuth struct {
	ARNs     []string
	Accounts []string
}

// AWSAuth reads it. A cluster without one lets nobody in by it.
func (c Cluster) AWSAuth(ctx context.Context) (AWSAuth, error) {
	body, err := c.do(ctx, http.MethodGet, "/api/v1/namespaces/kube-system/configmaps/aws-auth", "")
	var status *StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		return AWSAuth{}, nil
	}
	if err != nil {
		return AWSAuth{}, err
	}
	var object struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(body, &object); err != nil {
		return AWSAuth{}, fmt.Errorf("the ConfigMap aws-auth isn't JSON: %w", err)
	}
	return parse(object.Data)
}

// parse reads the three keys, each YAML in a string
// (https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html). One
// that can't be read is an error: the authenticator then goes on with what it
// read before, which nobody can know here.
func parse(data map[string]string) (AWSAuth, error) {
	var rows []struct{ RoleARN, UserARN string }
	var out AWSAuth
	for _, key := range []string{"mapRoles", "mapUsers"} {
		rows = nil
		if err := yaml.Unmarshal([]byte(data[key]), &rows); err != nil {
			return AWSAuth{}, fmt.Errorf("aws-auth, %s: %w", key, err)
		}
		for _, r := range rows {
			if arn := r.RoleARN + r.UserARN; arn != "" {
				out.ARNs = append(out.ARNs, strings.ToLower(arn))
			}
		}
	}
	if err := yaml.Unmarshal([]byte(data["mapAccounts"]), &out.Accounts); err != nil {
		return AWSAuth{}, fmt.Errorf("aws-auth, mapAccounts: %w", err)
	}
	return out, nil
}

// LetsIn asks who the token's owner is: false if the cluster knows nobody by it.
// What that somebody may do is another question
// (https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/self-subject-review-v1/).
func (c Cluster) LetsIn(ctx context.Context) (bool, error) {
	_, err := c.do(ctx, http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`)
	var status *StatusError
	if !errors.As(err, &status) {
		return err == nil, err
	}
	switch status.Status {
	case http.StatusUnauthorized:
		return false, nil
	case http.StatusForbidden:
		return true, nil
	}
	return false, err
}

func (c Cluster) do(ctx context.Context, method, path, body string) ([]byte, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.CA) {
		return nil, errors.New("the cluster's CA can't be read")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Endpoint, "/")+path, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the cluster's address: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 == 2 {
		return answer, nil
	}
	var said struct{ Message string }
	_ = json.Unmarshal(answer, &said) // a proxy's page has none
	return nil, &StatusError{response.StatusCode, said.Message}
}

package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast/holdfast/internal/lab"
)

// standIn is the script command `standin`: servers that a CI system or a pod
// has, with tokens of the lab's issuer.
//
//	standin github [SUB|once|403]    GitHub's token endpoint, and a job that may ask it
//	standin pod                      the EKS Pod Identity agent, and a pod's variables
//	standin keys                     a session of the role ci, as keys in the environment
//	standin azure                    Azure DevOps's token endpoint, its address in SYSTEM_OIDCREQUESTURI
func standIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: standin github|pod|azure")
	}
	l := ts.Value(labKey{}).(*holder).lab
	if l == nil {
		ts.Fatalf("no lab: lab start")
	}
	mode := "system:serviceaccount:ci:runner"
	if len(args) > 1 {
		mode = args[1]
	}
	var s *httptest.Server
	switch args[0] {
	case "github":
		g := &github{lab: l, mode: mode, done: make(chan struct{})}
		s = httptest.NewServer(g)
		ts.Defer(func() { close(g.done) })
		ts.Setenv("GITHUB_ACTIONS", "true")
		ts.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", s.URL+"/token?api-version=2.0")
		ts.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-secret")
	case "pod":
		file := ts.MkAbs("pod-token")
		ts.Check(os.WriteFile(file, []byte("pod-secret"), 0o600))
		s = httptest.NewServer(&pod{lab: l, role: ts.Getenv("HOLDFAST_LAB_ROLE_CI"), file: file})
		ts.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.URL+"/v1/credentials")
		ts.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
	case "keys":
		c, err := session(l, ts.Getenv("HOLDFAST_LAB_ROLE_CI"))
		ts.Check(err)
		ts.Setenv("AWS_ACCESS_KEY_ID", *c.AccessKeyId)
		ts.Setenv("AWS_SECRET_ACCESS_KEY", *c.SecretAccessKey)
		ts.Setenv("AWS_SESSION_TOKEN", *c.SessionToken)
		ts.Setenv("AWS_CREDENTIAL_EXPIRATION", c.Expiration.UTC().Format(time.RFC3339))
		return
	case "azure":
		s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer access-secret" || r.URL.Query().Get("serviceConnectionId") != "aws" {
				http.Error(w, "no", http.StatusForbidden)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{"oidcToken": l.WebIdentityToken(mode, "sts.amazonaws.com", time.Minute)})
		}))
		ts.Setenv("SYSTEM_OIDCREQUESTURI", s.URL+"/oidctoken")
		ts.Setenv("SYSTEM_ACCESSTOKEN", "access-secret")
	default:
		ts.Fatalf("no stand-in %s", args[0])
	}
	ts.Defer(s.Close)
}

// github makes tokens of five minutes for whoever has the job's secret; with
// the mode "once" it makes one, and hangs from then on.
type github struct {
	lab   *lab.Server
	mode  string
	asked atomic.Int64
	done  chan struct{}
}

func (g *github) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Authorization") != "bearer request-secret" || g.mode == "403":
		http.Error(w, "no", http.StatusForbidden)
	case g.mode == "once" && g.asked.Add(1) > 1:
		select {
		case <-g.done:
		case <-r.Context().Done():
		}
	default:
		subject := g.mode
		if subject == "once" {
			subject = "system:serviceaccount:ci:runner"
		}
		fmt.Fprintf(w, `{"count":1,"value":%q}`, g.lab.WebIdentityToken(subject, r.URL.Query().Get("audience"), 5*time.Minute))
	}
}

// pod answers as the agent does, with sessions of the role ci.
type pod struct {
	mu   sync.Mutex
	lab  *lab.Server
	role string
	file string
}

func (p *pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	token, err := os.ReadFile(p.file)
	if err != nil || r.Header.Get("Authorization") != strings.TrimSpace(string(token)) {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	c, err := session(p.lab, p.role)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"AccessKeyId": c.AccessKeyId, "SecretAccessKey": c.SecretAccessKey,
		"Token": c.SessionToken, "Expiration": c.Expiration.UTC().Format(time.RFC3339),
	})
}

// session is one of a role that trusts the runner.
func session(l *lab.Server, role string) (*types.Credentials, error) {
	client := sts.New(sts.Options{Region: "eu-west-1", BaseEndpoint: aws.String(l.URL())})
	out, err := client.AssumeRoleWithWebIdentity(context.Background(), &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("eks-cluster-pod"),
		WebIdentityToken: aws.String(l.WebIdentityToken("system:serviceaccount:ci:runner", "sts.amazonaws.com", time.Minute)),
	})
	if err != nil {
		return nil, err
	}
	return out.Credentials, nil
}

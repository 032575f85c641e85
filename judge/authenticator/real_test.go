package authenticator

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper/configmap"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper/dynamicfile"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"

	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
)

// playSTS lets everybody in this process who asks an STS host reach the lab
// instead: the verifier uses http.DefaultTransport and real names.
func playSTS(t *testing.T, s *lab.Server, hosts []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: hosts,
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	before := http.DefaultTransport
	http.DefaultTransport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err == nil && strings.HasPrefix(host, "sts") {
				address = server.Listener.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		http.DefaultTransport = before
	})
}

// entriesOf is the real mapper of access entries, with what the lab says that
// they are bound to.
func entriesOf(t *testing.T, bindings []labeks.Binding) mapper.Mapper {
	t.Helper()
	var data struct {
		Roles []config.RoleMapping `json:"mapRoles"`
		Users []config.UserMapping `json:"mapUsers"`
	}
	for _, b := range bindings {
		if strings.Contains(b.PrincipalARN, ":user/") {
			data.Users = append(data.Users, config.UserMapping{UserARN: b.PrincipalARN, Username: b.Username, Groups: b.Groups, UserId: b.BoundID})
			continue
		}
		data.Roles = append(data.Roles, config.RoleMapping{RoleARN: b.PrincipalARN, Username: b.Username, Groups: b.Groups, UserId: b.BoundID})
	}
	m, err := dynamicfile.NewDynamicFileMapper(config.Config{DynamicFileUserIDStrict: true})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CallBackForFileLoad(text); err != nil {
		t.Fatal(err)
	}
	return m
}

// sentinel is a user's row that says that the ConfigMap was read.
const sentinel = "arn:aws:iam::999999999999:user/sentinel"

// awsAuthOf is the real mapper of aws-auth. It only learns by a watch, so an
// API server that knows one ConfigMap is played to it.
func awsAuthOf(t *testing.T, data map[string]string) mapper.Mapper {
	t.Helper()
	all := map[string]string{}
	for k, v := range data {
		all[k] = v
	}
	all["mapUsers"] += "- userarn: " + sentinel + "\n  username: sentinel\n"
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"type": "ADDED", "object": map[string]any{"kind": "ConfigMap", "apiVersion": "v1",
			"metadata": map[string]string{"name": "aws-auth", "namespace": "kube-system"}, "data": all}})
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: %q}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n", api.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := configmap.NewConfigMapMapper(config.Config{Kubeconfig: kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); api.CloseClientConnections(); api.Close() })
	if err := m.Start(stop); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := m.UserMapping(sentinel); err == nil {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatal("the mapper didn't read aws-auth in 10 s")
		}
	}
}

// realMap is doMapping and renderTemplates of pkg/server/server.go.
func realMap(mappers []mapper.Mapper, id *token.Identity) (username string, groups []string, err error) {
	for _, m := range mappers {
		mapping, err := m.Map(id)
		if err == nil {
			return render(mapping, id)
		}
		if !errors.Is(err, mapper.ErrNotMapped) {
			return "", nil, err
		}
		if m.IsAccountAllowed(id.AccountID) {
			return id.CanonicalARN, []string{}, nil
		}
	}
	return "", nil, mapper.ErrNotMapped
}

func render(m *config.IdentityMapping, id *token.Identity) (string, []string, error) {
	groups := []string{}
	for i, template := range append([]string{m.Username}, m.Groups...) {
		if strings.Contains(template, "{{EC2PrivateDNSName}}") {
			if !regexp.MustCompile("^i-(\\w{8}|\\w{17})$").MatchString(id.SessionName) {
				return "", nil, errors.New("SessionName did not contain an instance id")
			}
			template = strings.ReplaceAll(template, "{{EC2PrivateDNSName}}", "DNS of "+id.SessionName)
		}
		template = strings.ReplaceAll(template, "{{AccountID}}", id.AccountID)
		template = strings.ReplaceAll(template, "{{SessionName}}", strings.ReplaceAll(id.SessionName, "@", "-"))
		template = strings.ReplaceAll(template, "{{SessionNameRaw}}", id.SessionName)
		template = strings.ReplaceAll(template, "{{AccessKeyID}}", id.AccessKeyID)
		if i == 0 {
			m.Username = template
		} else {
			groups = append(groups, template)
		}
	}
	return m.Username, groups, nil
}

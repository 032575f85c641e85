package identity

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/source"
)

// Pod is EKS Pod Identity as a first hop: the agent on the node, asked with the
// service account's token
// (https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html).
type Pod struct {
	URL       string // AWS_CONTAINER_CREDENTIALS_FULL_URI
	TokenFile string // AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
}

// Fetch asks the agent. The token file is read anew each time, because kubelet
// replaces it and the agent refuses an old token.
func (p *Pod) Fetch(ctx context.Context) (cred.Set, error) {
	if err := p.check(); err != nil {
		return cred.Set{}, err
	}
	token, err := p.token()
	if err != nil {
		return cred.Set{}, err
	}
	got, err := endpointcreds.New(p.URL, func(o *endpointcreds.Options) {
		o.Retryer = aws.NopRetryer{}
		o.AuthorizationToken = token
	}).Retrieve(ctx)
	if err != nil {
		return cred.Set{}, refusal("EKS Pod Identity", err)
	}
	set := cred.New(got.AccessKeyID, got.SecretAccessKey, got.SessionToken)
	set.Issued, set.Expires, set.Origin = time.Now(), got.Expires, "pod identity"
	return set, nil
}

// check refuses an address that isn't the agent's: the SDKs send the token to
// it and to loopback only, and over https anywhere
// (aws-sdk-go-v2 config/resolve_credentials.go, isAllowedHost).
func (p *Pod) check() error {
	u, err := url.Parse(p.URL)
	if err == nil {
		ip := net.ParseIP(u.Hostname())
		if u.Scheme == "https" || ip != nil && (ip.IsLoopback() || u.Hostname() == "169.254.170.23" || u.Hostname() == "fd00:ec2::23") {
			return nil
		}
	}
	return &source.TokenError{From: "AWS_CONTAINER_CREDENTIALS_FULL_URI", Err: errors.New("it isn't the address of the EKS Pod Identity agent"),
		Cure: "the webhook sets http://169.254.170.23/v1/credentials; is the variable in the pod's spec too?"}
}

func (p *Pod) token() (string, error) {
	b, err := os.ReadFile(p.TokenFile)
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	token := strings.TrimSpace(string(b))
	if err == nil && (token == "" || strings.ContainsAny(token, "\r\n")) {
		err = fmt.Errorf("it holds %d bytes that are no token", len(b))
	}
	if err != nil {
		return "", &source.TokenError{From: "pod identity token file " + p.TokenFile, Err: err,
			Cure: "is the token mounted, and may this user read it?  ls -lL " + p.TokenFile}
	}
	return token, nil
}

// Version changes when the token file is replaced.
func (p *Pod) Version() string { return source.TokenFile(p.TokenFile).Version() }

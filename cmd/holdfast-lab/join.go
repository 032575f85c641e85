package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/lab"
)

// emptyHash is the payload hash of a GET: SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// errNotJoined is what the kubelet has said already.
var errNotJoined = errors.New("the node didn't join")

func (e env) joinCommand() *cobra.Command {
	var in lab.InstanceRequest
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "join CLUSTER",
		Short: "Start a machine and let its kubelet join a cluster",
		Long: `Start a machine with a role's credentials, as if the role were in its instance
profile, and do what its kubelet does: make a token, register the node, and
report Ready, or say why it isn't let in.`,
		Example: `  holdfast-lab join prod --role node
  holdfast-lab join prod --instance-profile nodes --retry 30s`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := e.call(cmd.Context(), http.MethodPost, "instances", in)
			if err != nil {
				return err
			}
			var i lab.Instance
			if err := json.Unmarshal(body, &i); err != nil {
				return err
			}
			return e.register(cmd.Context(), args[0], i, time.Now().Add(patience))
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Role, "role", "", "role of the machine, `name` or ARN")
	f.StringVar(&in.Profile, "instance-profile", "", "instance profile of the machine, `name`")
	f.StringVar(&in.Account, "account", "", "`account` of cluster and role (default: the lab's first)")
	f.StringVar(&in.Region, "region", "", "`region` of the cluster (default: the lab's)")
	f.DurationVar(&patience, "retry", 0, "try again for so long")
	return cmd
}

// register posts the node until it is let in or the time is over.
func (e env) register(ctx context.Context, cluster string, i lab.Instance, until time.Time) error {
	node := map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{
		"name": i.PrivateDNS, "labels": map[string]string{"kubernetes.io/hostname": i.PrivateDNS},
	}}
	body, err := json.Marshal(node)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "\"Attempting to register node\" node=%q instance=%s\n", i.PrivateDNS, i.ID)
	for {
		status, message, err := e.postNode(ctx, cluster, i, body)
		switch {
		case err != nil:
			return err
		case status == http.StatusCreated:
			_, err := fmt.Fprintf(e.stdout, "\"Successfully registered node\" node=%q\n%s Ready\n", i.PrivateDNS, i.PrivateDNS)
			return err
		}
		fmt.Fprintf(e.stdout, "\"Unable to register node with API server\" err=%q node=%q\n", message, i.PrivateDNS)
		if !time.Now().Before(until) {
			return errNotJoined
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (e env) postNode(ctx context.Context, cluster string, i lab.Instance, body []byte) (status int, message string, err error) {
	token, err := nodeToken(ctx, cluster, i)
	if err != nil {
		return 0, "", err
	}
	address := strings.TrimSuffix(e.getenv("AWS_ENDPOINT_URL"), "/") + "/lab/k8s/" + i.Account + "/" + i.Region + "/" + url.PathEscape(cluster) + "/api/v1/nodes"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := e.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err
	}
	var answer struct{ Message string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, "", fmt.Errorf("the lab: %s", strings.TrimSpace(string(text)))
	}
	return resp.StatusCode, answer.Message, nil
}

// nodeToken is a presigned GetCallerIdentity, as aws-iam-authenticator and the
// kubelet's credential plugin make it.
func nodeToken(ctx context.Context, cluster string, i lab.Instance) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"https://sts."+i.Region+".amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("x-k8s-aws-id", cluster)
	credentials := aws.Credentials{AccessKeyID: i.AccessKey, SecretAccessKey: i.Secret, SessionToken: i.Token}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, credentials, req, emptyHash, "sts", i.Region, time.Now())
	if err != nil {
		return "", err
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed)), nil
}

package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/kubetoken"
	"github.com/holdfast/holdfast/internal/precedence"
)

// EKSToken makes a token for a cluster, with a credential of the keeper above or
// of an exchange of our own.
func EKSToken(ctx context.Context, r Request, p Process, cluster string) (kubetoken.ExecCredential, error) {
	if err := clusterName(cluster); err != nil {
		return kubetoken.ExecCredential{}, err
	}
	version, err := kubetoken.Version(precedence.NewEnv(p.Environ)["KUBERNETES_EXEC_INFO"])
	if err != nil {
		return kubetoken.ExecCredential{}, &cure.Error{What: err.Error(), Cure: "set apiVersion: client.authentication.k8s.io/v1 in the kubeconfig's exec block", Class: cure.Usage, Err: err}
	}
	one, err := who(r, p)
	if err != nil {
		return kubetoken.ExecCredential{}, err
	}
	region, err := regionOf(ctx, one)
	if err != nil {
		return kubetoken.ExecCredential{}, err
	}
	if region == "" {
		return kubetoken.ExecCredential{}, &cure.Error{What: "no region says which STS the cluster asks", Cure: "name the cluster's:  --region eu-west-1, or AWS_REGION", Class: cure.Usage}
	}
	set, err := Credentials(ctx, r, p)
	if err != nil {
		return kubetoken.ExecCredential{}, err
	}
	now := time.Now()
	presigned, err := identity.PresignForCluster(ctx, set, region, cluster, now.Add(set.Skew))
	if err != nil {
		return kubetoken.ExecCredential{}, err
	}
	return kubetoken.New(version, presigned, now), nil
}

// clusterName refuses what can't be one: the cluster compares the name, and
// would say no more than "Unauthorized"
// (EKS API reference, CreateCluster: name).
func clusterName(name string) error {
	e := &cure.Error{What: fmt.Sprintf("%q isn't the name of a cluster", name), Class: cure.Usage, Cure: "its name, not its ARN or address:  aws eks list-clusters"}
	if _, short, ok := strings.Cut(name, ":cluster/"); ok {
		e.Cure = "that is its ARN; its name is  " + short
		return e
	}
	plain := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' }
	if name == "" || len(name) > 100 || !plain(rune(name[0])) || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) && r != '-' && r != '_' }) {
		return e
	}
	return nil
}

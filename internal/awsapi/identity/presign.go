package identity

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/cred"
)

// emptySHA256 is the hash of a request without a body.
const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// PresignForCluster signs a GetCallerIdentity that an EKS cluster of that name
// will send to STS in our place. Nobody is asked.
//
// The address is STS's own in the region, whatever AWS_ENDPOINT_URL says: the
// cluster takes no other host (aws-iam-authenticator pkg/token/token.go,
// verifyHost), and it takes the cluster's name only as a signed header.
func PresignForCluster(ctx context.Context, set cred.Set, region, cluster string, now time.Time) (string, error) {
	endpoint, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{
		Region: aws.String(region), UseFIPS: aws.Bool(false), UseDualStack: aws.Bool(false), UseGlobalEndpoint: aws.Bool(false),
	})
	if err != nil {
		return "", fmt.Errorf("the address of STS in %s: %w", region, err)
	}
	address := endpoint.URI
	address.Path = "/"
	address.RawQuery = url.Values{"Action": {"GetCallerIdentity"}, "Version": {sts.ServiceAPIVersion}, "X-Amz-Expires": {"60"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return "", fmt.Errorf("the address of STS in %s: %w", region, err)
	}
	request.Header.Set("x-k8s-aws-id", cluster)
	keys := aws.Credentials{AccessKeyID: set.AccessKeyID(), SecretAccessKey: set.Secret(), SessionToken: set.Token()}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, keys, request, emptySHA256, "sts", region, now)
	if err != nil {
		return "", fmt.Errorf("signing for cluster %s: %w", cluster, err)
	}
	return signed, nil
}

package eks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/smithy-go"

	"github.com/holdfast/holdfast/internal/access"
)

// Log reads the lines of a cluster's authenticator that access.LogPattern fits.
// A group that doesn't exist has none.
//
// It is one operation, signed by hand: the client of CloudWatch Logs in the SDK
// costs every start of the program a millisecond.
func (p *Place) Log(ctx context.Context, cluster string, since time.Time) ([]access.LogLine, error) {
	in := struct {
		Group   string `json:"logGroupName"`
		Prefix  string `json:"logStreamNamePrefix"`
		Start   int64  `json:"startTime"`
		Pattern string `json:"filterPattern"`
		Next    string `json:"nextToken,omitempty"`
	}{"/aws/eks/" + cluster + "/cluster", "authenticator-", since.UnixMilli(), access.LogPattern, ""}
	var lines []access.LogLine
	for {
		var out struct {
			Events []struct {
				Timestamp int64
				Message   string
			}
			NextToken string
		}
		err := p.filterLogEvents(ctx, in, &out)
		if r, ok := err.(*access.Refusal); ok && r.Code == "ResourceNotFoundException" {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range out.Events {
			lines = append(lines, access.LogLine{At: time.UnixMilli(e.Timestamp), Text: e.Message})
		}
		if in.Next = out.NextToken; in.Next == "" {
			return lines, nil
		}
	}
}

// logsID is what the SDK calls CloudWatch Logs in AWS_ENDPOINT_URL_…
const logsID = "CloudWatch Logs"

// logsAddress is where variables and files say that CloudWatch Logs is, or AWS's own
// address, which differs from that of EKS in its first word only.
func (p *Place) logsAddress(ctx context.Context) (string, error) {
	for _, s := range p.aws.config.ConfigSources {
		from, ok := s.(interface {
			GetServiceBaseEndpoint(ctx context.Context, id string) (string, bool, error)
		})
		if !ok {
			continue
		}
		if at, found, err := from.GetServiceBaseEndpoint(ctx, logsID); found || err != nil {
			return at, err
		}
	}
	if at := aws.ToString(p.aws.config.BaseEndpoint); at != "" {
		return at, nil
	}
	at, err := eks.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, eks.EndpointParameters{Region: &p.at.Region, UseFIPS: aws.Bool(false), UseDualStack: aws.Bool(false)})
	if err != nil {
		return "", err
	}
	return strings.Replace(at.URI.String(), "//eks.", "//logs.", 1), nil
}

func (p *Place) filterLogEvents(ctx context.Context, in, out any) error {
	fail := func(err error) error { return refusal("logs", "FilterLogEvents", err) }
	at, err := p.logsAddress(ctx)
	if err != nil {
		return fail(err)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fail(err)
	}
	retryer := p.aws.retryer(p.at.Account, p.at.Region, "logs")
	for try := 1; ; try++ {
		err := p.logsOnce(ctx, retryer, at, body, out)
		if err == nil {
			return nil
		}
		if try == p.aws.options.Tries || !retryer.IsErrorRetryable(err) {
			return fail(err)
		}
		delay, _ := retryer.RetryDelay(try, err) // none, if it can't be told
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
}

func (p *Place) logsOnce(ctx context.Context, r *retryer, at string, body []byte, out any) (err error) {
	done, err := r.GetAttemptToken(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = done(err) }() // it says nothing
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(at, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "Logs_20140328.FilterLogEvents")
	keys, err := p.creds.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, request, hex.EncodeToString(sum[:]), "logs", p.at.Region, time.Now()); err != nil {
		return err
	}
	response, err := p.aws.config.HTTPClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return json.NewDecoder(response.Body).Decode(out)
	}
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.NewDecoder(response.Body).Decode(&said) != nil || said.Type == "" {
		return errors.New("CloudWatch Logs answered " + response.Status)
	}
	return &logsError{smithy.GenericAPIError{Code: said.Type[strings.LastIndexByte(said.Type, '#')+1:], Message: said.Message}, response.StatusCode >= 500}
}

// logsError is an answer that isn't a success.
type logsError struct {
	smithy.GenericAPIError
	passes bool
}

// RetryableError tells the SDK's retryer.
func (e *logsError) RetryableError() bool { return e.passes || throttled(&e.GenericAPIError) }

// Package topic (adapter) publishes to a topic of Amazon SNS.
//
// It is one signed request, made with the SDK's signer and without its client of
// SNS, whose tables would cost every start of this program a millisecond. It
// doesn't try again: whoever calls it knows how often.
package topic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
)

// longestSubject: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const longestSubject = 99

// Topic is where to publish. It implements alert.Sink.
type Topic struct {
	ARN         string
	Endpoint    string // AWS's own if empty
	Credentials func(context.Context) (cred.Set, error)
	Client      *http.Client
}

// Send publishes an event as text.
func (t Topic) Send(ctx context.Context, e event.Event) error {
	subject := fmt.Sprintf("holdfast: %s: %s", e.Severity, e.Subject)
	if len(subject) > longestSubject {
		subject = subject[:longestSubject]
	}
	form := url.Values{"Action": {"Publish"}, "Version": {"2010-03-31"}, "TopicArn": {t.ARN}, "Subject": {ascii(subject)}, "Message": {e.Message}}
	parts := strings.Split(t.ARN, ":") // arn:PARTITION:sns:REGION:ACCOUNT:NAME
	if len(parts) != 6 {
		return fmt.Errorf("%q isn't the ARN of a topic", t.ARN)
	}
	set, err := t.Credentials(ctx)
	if err != nil {
		return err
	}
	body := form.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint(parts[1], parts[3]), strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: set.AccessKeyID(), SecretAccessKey: set.Secret(), SessionToken: set.Token()}
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), "sns", parts[3], time.Now()); err != nil {
		return err
	}
	answer, err := t.Client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var said struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if xml.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&said) != nil || said.Code == "" {
		return errors.New("SNS answered " + answer.Status)
	}
	return fmt.Errorf("sns:Publish to %s: %s: %s", t.ARN, said.Code, said.Message)
}

func (t Topic) endpoint(partition, region string) string {
	if t.Endpoint != "" {
		return strings.TrimSuffix(t.Endpoint, "/") + "/"
	}
	host := "sns." + region + ".amazonaws.com"
	if partition == "aws-cn" {
		host += ".cn"
	}
	return "https://" + host + "/"
}

// ascii is a subject as SNS takes it: without line breaks and what isn't ASCII.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

package topic_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"go.uber.org/goleak"

	"github.com/holdfast/holdfast/internal/awsapi/topic"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPublish(t *testing.T) {
	l, err := lab.Start(lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	env := map[string]string{}
	for _, e := range l.Env() {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	sdk := sns.New(sns.Options{
		Region: env["AWS_REGION"], BaseEndpoint: aws.String(l.URL()), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
	})
	made, err := sdk.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("oncall")})
	if err != nil {
		t.Fatal(err)
	}
	// The real SDK judges the lab, and the lab judges us.
	if _, err := sdk.Publish(t.Context(), &sns.PublishInput{TopicArn: made.TopicArn, Message: aws.String("by the SDK"), Subject: aws.String("s")}); err != nil {
		t.Fatal(err)
	}
	keys := cred.New(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")
	ours := topic.Topic{ARN: *made.TopicArn, Endpoint: l.URL(), Client: &http.Client{Transport: transport}, Credentials: func(context.Context) (cred.Set, error) { return keys, nil }}
	e := event.Event{Time: time.Now(), Kind: "state.left", Severity: event.Loss, Subject: "live/zürich/" + strings.Repeat("x", 200), Message: "the state\n& the lock"}
	if err := ours.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got := l.Published()
	if len(got) != 2 || got[1].Text != e.Message || !strings.HasPrefix(got[1].Subject, "holdfast: loss: live/z") || len(got[1].Subject) > 99 {
		t.Errorf("%+v", got)
	}
	ours.ARN += "-other"
	if err := ours.Send(t.Context(), e); err == nil || !strings.Contains(err.Error(), "NotFound: Topic does not exist") {
		t.Error(err)
	}
	keys = cred.New(env["AWS_ACCESS_KEY_ID"], "wrong", "")
	if err := ours.Send(t.Context(), e); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") || strings.Contains(err.Error(), "wrong") {
		t.Error(err)
	}
}

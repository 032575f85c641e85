// Package sns (lab) is Amazon SNS as far as somebody is told something:
// CreateTopic and Publish to a topic.
//
// It promises AWS's answers for a topic that doesn't exist, a subject that isn't
// one, and a message that is empty or too long. It delivers nothing, and keeps
// what was published. Attributes, phone numbers and every other operation it
// refuses.
package sns

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Namespace is the XML namespace of SNS's answers, Version that of its API.
const (
	Namespace = "http://sns.amazonaws.com/doc/2010-03-31/"
	Version   = "2010-03-31"
)

// Limits: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const (
	longestSubject = 99
	longestMessage = 256 << 10
)

// Message is what was published.
type Message struct{ Topic, Subject, Text string }

// Store holds topics and what was published to them.
type Store struct {
	mu       sync.Mutex
	topics   []string
	messages []Message
}

// New returns an empty store.
func New() *Store { return &Store{} }

// Messages is what was published, in order.
func (s *Store) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// ARN is the topic that a request names, for policies.
func ARN(r *wire.Request, account, region string) string {
	if topic := r.Form.Get("TopicArn"); topic != "" {
		return topic
	}
	return arn(account, region, r.Form.Get("Name"))
}

func arn(account, region, name string) string {
	return "arn:" + iam.Partition + ":sns:" + region + ":" + account + ":" + name
}

// Handle answers one operation.
func (s *Store) Handle(r *wire.Request, account, region string) (any, error) {
	p := wire.NewParams(r)
	switch r.Operation {
	case "CreateTopic":
		return s.create(p, account, region)
	case "Publish":
		return s.publish(p)
	}
	return nil, wire.Unsupported("sns:" + r.Operation)
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

func (s *Store) create(p *wire.Params, account, region string) (any, error) {
	name := p.Get("Name")
	if err := p.Unread(); err != nil {
		return nil, err
	}
	if !topicName.MatchString(name) {
		return nil, invalid("Topic Name")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	topic := arn(account, region, name)
	if !slices.Contains(s.topics, topic) {
		s.topics = append(s.topics, topic)
	}
	return struct{ TopicArn string }{topic}, nil
}

func (s *Store) publish(p *wire.Params) (any, error) {
	m := Message{p.Get("TopicArn"), p.Get("Subject"), p.Get("Message")}
	if err := p.Unread(); err != nil {
		return nil, err
	}
	switch {
	case strings.Count(m.Topic, ":") != 5:
		return nil, invalid("TopicArn")
	case m.Text == "":
		return nil, invalid("Empty message")
	case len(m.Text) > longestMessage:
		return nil, invalid("Message too long")
	case len(m.Subject) > longestSubject || strings.ContainsAny(m.Subject, "\r\n"):
		return nil, invalid("Subject")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.topics, m.Topic) {
		return nil, wire.Refuse(http.StatusNotFound, "NotFound", "Topic does not exist")
	}
	s.messages = append(s.messages, m)
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails, by its own contract
	h := hex.EncodeToString(id)
	return struct {
		MessageID string `xml:"MessageId"`
	}{strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")}, nil
}

func invalid(what string) error {
	return wire.Refuse(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: "+what)
}

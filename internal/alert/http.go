package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/event"
)

// Webhook posts an event as JSON (docs/ALERTS.md). With a secret each request
// is signed: X-Holdfast-Signature is "sha256=" and the HMAC, in hexadecimal, of
// X-Holdfast-Timestamp (seconds since 1970), a full stop, and the body.
type Webhook struct {
	URL    string // a secret
	Secret string
	Client *http.Client
	Now    func() time.Time
}

// Send implements Sink.
func (w Webhook) Send(ctx context.Context, e event.Event) error {
	body, err := json.Marshal(struct {
		SchemaVersion int `json:"schema_version"`
		event.Event
	}{1, e})
	if err != nil {
		return permanent{err}
	}
	header := http.Header{}
	if w.Secret != "" {
		at := strconv.FormatInt(w.Now().Unix(), 10)
		header.Set("X-Holdfast-Timestamp", at)
		header.Set("X-Holdfast-Signature", Sign(w.Secret, at, body))
	}
	return post(ctx, w.Client, w.URL, header, body)
}

// Sign is the signature of a webhook's body.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Slack posts an event to an incoming webhook
// (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
type Slack struct {
	URL    string // a secret
	Client *http.Client
}

// Send implements Sink.
func (s Slack) Send(ctx context.Context, e event.Event) error {
	// Slack's own three control characters.
	plain := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	head, rest, more := strings.Cut(e.Message, "\n")
	text := fmt.Sprintf("*%s* %s: %s", e.Severity, plain(e.Subject), plain(head))
	if more {
		text += "\n```" + plain(rest) + "```"
	}
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return permanent{err}
	}
	return post(ctx, s.Client, s.URL, http.Header{}, body)
}

// post posts JSON. Its errors don't name the address.
func post(ctx context.Context, client *http.Client, to string, header http.Header, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return permanent{errors.New("its address can't be used")}
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "holdfast")
	answer, err := client.Do(r)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // without the address
		}
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // for the next request on this connection
	switch {
	case answer.StatusCode < 300:
		return nil
	case answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500:
		return fmt.Errorf("it answered %s", answer.Status)
	}
	return permanent{fmt.Errorf("it answered %s", answer.Status)}
}

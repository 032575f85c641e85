package endpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

// Ask is a client of the endpoint, as an SDK would be one.
func Ask(ctx context.Context, url, token string) (cred.Set, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return cred.Set{}, err
	}
	r.Header.Set("Authorization", token)
	transport := &http.Transport{} // no proxy on the way to loopback
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return cred.Set{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return cred.Set{}, err
	}
	if resp.StatusCode != http.StatusOK {
		var why struct{ Message string }
		_ = json.Unmarshal(body, &why) // without words the status must do
		return cred.Set{}, fmt.Errorf("the endpoint says %s: %s", resp.Status, why.Message)
	}
	var c credentials
	if err := json.Unmarshal(body, &c); err != nil {
		return cred.Set{}, fmt.Errorf("the endpoint's answer: %w", err)
	}
	set := cred.New(c.AccessKeyID, c.SecretAccessKey, c.Token)
	set.Issued = time.Now()
	set.Expires, err = time.Parse(time.RFC3339, c.Expiration)
	return set, err
}

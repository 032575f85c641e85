// Package oidc (adapter) asks a CI system for web identity tokens. Today that
// is GitHub Actions, the one whose tokens come from an address; what comes from
// a file, a variable or a command needs no package of its own.
//
// It promises a new token for every call, an end to every wait, that the request
// token goes to the address that the job named and nowhere else (no redirect is
// followed), and that neither token stands in an error.
//
// It keeps nothing, and doesn't judge what the token says.
package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast/holdfast/internal/source"
)

// answerIn is how long GitHub may take; an ordinary answer takes less than one
// second.
const answerIn = 10 * time.Second

// GitHub asks for tokens as
// https://docs.github.com/en/actions/reference/security/oidc describes it.
type GitHub struct {
	URL      string // ACTIONS_ID_TOKEN_REQUEST_URL
	Token    string // ACTIONS_ID_TOKEN_REQUEST_TOKEN, a secret
	Audience string
}

// WebIdentityToken implements source.Tokens.
func (g GitHub) WebIdentityToken(ctx context.Context) (string, error) {
	address, err := g.address()
	if err != nil {
		return "", refused(err, false)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", refused(errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no address"), false)
	}
	request.Header.Set("Authorization", "bearer "+g.Token)
	request.Header.Set("Accept", "application/json; api-version=2.0")
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	defer transport.CloseIdleConnections()
	client := http.Client{
		Timeout: answerIn, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return "", refused(reason(err), true)
	}
	defer response.Body.Close()
	return read(response)
}

// address adds the audience. The URL has a query already.
func (g GitHub) address() (string, error) {
	u, err := url.Parse(g.URL)
	if err != nil || u.Host == "" {
		return "", errors.New("ACTIONS_ID_TOKEN_REQUEST_URL is no address")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("ACTIONS_ID_TOKEN_REQUEST_URL leads to %s over %s; a secret goes over https only", u.Hostname(), u.Scheme)
	}
	query := u.Query()
	query.Set("audience", g.Audience)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func read(response *http.Response) (string, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	switch status := response.StatusCode; {
	case status == http.StatusTooManyRequests || status >= 500:
		return "", refused(fmt.Errorf("it answered %s", response.Status), true)
	case status != http.StatusOK:
		return "", refused(fmt.Errorf("it answered %s", response.Status), false)
	case err != nil:
		return "", refused(reason(err), true)
	}
	var answer struct{ Value string }
	if json.Unmarshal(body, &answer) != nil || answer.Value == "" {
		return "", refused(fmt.Errorf("its answer of %d bytes holds no token", len(body)), false)
	}
	if _, err := source.ParseClaims(answer.Value); err != nil {
		return "", refused(err, false)
	}
	return answer.Value, nil
}

func refused(err error, passing bool) *source.TokenError {
	e := &source.TokenError{From: "GitHub's token endpoint", Err: err, Passing: passing}
	if passing {
		e.Cure = "can this runner reach it (a proxy, a firewall)? https://www.githubstatus.com"
		return e
	}
	e.Cure = "has this job still `permissions: id-token: write`, and is it the job that the variables belong to?"
	return e
}

// reason takes the address, whose query may say more than everybody should
// read, off an error of net/http.
func reason(err error) error {
	var address *url.Error
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case errors.As(err, &address):
		return address.Err
	}
	return err
}

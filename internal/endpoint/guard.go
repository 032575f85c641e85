package endpoint

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"sync/atomic"
)

// The reasons for a refusal, as Stats names them.
const (
	reasonMethod  = "method"
	reasonHost    = "host"
	reasonBrowser = "browser_or_proxy"
	reasonUser    = "user"
	reasonToken   = "token"
	reasonPath    = "path"
)

type reasons map[string]*atomic.Int64

func newReasons() reasons {
	r := reasons{}
	for _, name := range []string{reasonMethod, reasonHost, reasonBrowser, reasonUser, reasonToken, reasonPath} {
		r[name] = new(atomic.Int64)
	}
	return r
}

// NewToken makes a token of 256 bits, in hex.
func NewToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

type refused struct {
	reason        string
	status        int
	code, message string
}

// tellTale are headers that no SDK sends and that a browser or a proxy does: a
// web page that rebinds a name to 127.0.0.1, or a forwarder that lends its own
// loopback to strangers (aws-vault issues 578 and 580; IMDSv2 refuses
// X-Forwarded-For for the same reason).
func tellTale() []string {
	return []string{"Origin", "Referer", "X-Forwarded-For", "Forwarded", "Via", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User"}
}

// objection says why r gets no credential; nil if it does. The order matters:
// what a stranger can find out without the token is as little as possible.
func (s *Server) objection(r *http.Request) *refused {
	if r.Host != s.host {
		return &refused{reasonHost, http.StatusForbidden, "Forbidden", "this address is not for that host"}
	}
	for _, name := range tellTale() {
		if _, ok := r.Header[name]; ok {
			return &refused{reasonBrowser, http.StatusForbidden, "Forbidden", "not for browsers or proxies"}
		}
	}
	if !s.users.welcome(r.Context()) {
		return &refused{reasonUser, http.StatusForbidden, "Forbidden", "not for this user"}
	}
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(s.token)) != 1 {
		return &refused{reasonToken, http.StatusForbidden, "Forbidden", "wrong or missing token"}
	}
	if r.Method != http.MethodGet {
		return &refused{reasonMethod, http.StatusMethodNotAllowed, "MethodNotAllowed", "GET only"}
	}
	return nil
}

// Package endpoint (adapter) serves credentials on loopback in the way that
// AWS SDKs ask for them (the container credentials provider: a full URI and a
// token; facts and their sources in docs/ENDPOINT.md).
//
// It promises: 127.0.0.1 only; an answer from memory; all four fields, always;
// never an error while a valid credential is held, never an expired one; and
// that it asks who is there: the token in constant time, the exact Host, no
// header that a browser or a proxy would add, and where the kernel can tell,
// the user at the other end of the connection.
//
// It doesn't fetch or renew, and can't keep out other programs of the same
// user.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

// hold is how long a request without a valid credential waits for one: the
// JavaScript SDK gives up after a second.
const hold = 900 * time.Millisecond

// Getter gives a valid credential or says why there is none.
type Getter interface {
	Get(context.Context) (cred.Set, error)
}

// Identities finds who is served under a name; ok is false if nobody is.
type Identities func(name string) (who Getter, ok bool)

// Options are what a server may be told; the zero value is usual.
type Options struct {
	AllowUIDs []uint32 // users beside ours and root who may ask (a sidecar's other user)
	Listen    string   // "127.0.0.1:0" if empty; anything but loopback is refused
}

// Server is a listening endpoint.
type Server struct {
	token      string
	host       string
	identities Identities
	users      users
	http       *http.Server
	listener   net.Listener
	served     chan struct{}
	stats      counters
}

// Listen opens the endpoint for the given identities and begins to serve. Token is what clients must send; see NewToken.
func Listen(token string, identities Identities, o Options) (*Server, error) {
	listener, err := Open(o.Listen)
	if err != nil {
		return nil, err
	}
	return Serve(listener, token, identities, o), nil
}

// Open opens an address of 127.0.0.1, a free port of it if empty.
func Open(listen string) (*net.TCPListener, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	address, err := net.ResolveTCPAddr("tcp4", listen)
	if err != nil || !address.IP.IsLoopback() {
		return nil, fmt.Errorf("the endpoint listens on 127.0.0.1 only, not on %q", listen)
	}
	return net.ListenTCP("tcp4", address)
}

// Serve is Listen on what Open has opened, by this process or another.
func Serve(listener net.Listener, token string, identities Identities, o Options) *Server {
	s := &Server{
		token: token, host: listener.Addr().String(), identities: identities,
		users: newUsers(o.AllowUIDs), listener: listener, served: make(chan struct{}),
	}
	s.stats.least.Store(never)
	s.stats.refused = newReasons()
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       s.users.remember,
		ErrorLog:          log.New(io.Discard, "", 0), // it would quote what a stranger sent
	}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener) // ErrServerClosed, by Close
	}()
	return s
}

// URL is where the identity name is served.
func (s *Server) URL(name string) string { return "http://" + s.host + "/v1/" + name }

// Close stops the server at once and waits until it has ended.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.served
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if why := s.objection(r); why != nil {
		s.stats.refused[why.reason].Add(1)
		answerError(w, why.status, why.code, why.message)
		return
	}
	name, _ := strings.CutPrefix(r.URL.Path, "/v1/")
	identity, ok := s.identities(name)
	if !ok {
		s.stats.refused[reasonPath].Add(1)
		answerError(w, http.StatusNotFound, "NotFound", "no such identity here")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), hold)
	defer cancel()
	set, err := identity.Get(ctx)
	if err != nil {
		// The reason goes to holdfast's own messages, not to whoever asked.
		s.stats.empty.Add(1)
		answerError(w, http.StatusServiceUnavailable, "NoCredentials", "holdfast has no valid credential at the moment; its own messages say why")
		return
	}
	s.stats.answered(set)
	answer(w, set)
}

// Stats is what the endpoint saw so far.
type Stats struct {
	Requests    int64            `json:"requests"`           // answered with a credential
	Empty       int64            `json:"without_credential"` // answered 503
	Refused     map[string]int64 `json:"refused,omitempty"`  // by reason
	LeastLeft   time.Duration    `json:"-"`                  // the smallest validity ever served; 0 if nothing that ends was
	UnseenUsers int64            `json:"unseen_users"`       // connections whose user the kernel couldn't tell
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	out := Stats{Requests: s.stats.requests.Load(), Empty: s.stats.empty.Load(), UnseenUsers: s.users.unseen.Load()}
	if least := s.stats.least.Load(); least != never {
		out.LeastLeft = time.Duration(least)
	}
	for reason, n := range s.stats.refused {
		if n := n.Load(); n > 0 {
			if out.Refused == nil {
				out.Refused = map[string]int64{}
			}
			out.Refused[reason] = n
		}
	}
	return out
}

// never is the validity of what has no end.
const never = 1<<63 - 1

type counters struct {
	requests, empty atomic.Int64
	least           atomic.Int64
	refused         reasons
}

func (c *counters) answered(set cred.Set) {
	c.requests.Add(1)
	left := int64(set.Left(time.Now()))
	for {
		least := c.least.Load()
		if left >= least || c.least.CompareAndSwap(least, left) {
			return
		}
	}
}

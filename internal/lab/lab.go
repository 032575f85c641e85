// Package lab is AWS as far as holdfast and the programs it wraps need it, on
// loopback, over the real wire protocols: STS, IAM, an OIDC issuer, S3,
// DynamoDB, EKS with clusters that let in or refuse, and the logs of those
// clusters. AWS_ENDPOINT_URL is the only seam.
//
// It promises never to be kinder than AWS. Every signature is verified, an
// expired session is refused on every request with the error of the service
// that was asked, limits of roles and of role chaining hold, and a role that
// was created again is another role. What it doesn't know (an operation, a
// parameter, a header, a condition key) it refuses with HTTP 501, code
// HoldfastLabUnsupported and a name for it; nothing is guessed and nothing
// ignored. Every request stands in the call log.
//
// It doesn't have identity-based policies: whoever is in an account may do
// everything there, except what its session policy leaves out, and except
// assuming a role, which is for the role's trust policy to allow. Names and
// data are the same in every region, except for clusters and their logs, which
// belong to the region of the signature. It keeps everything in memory, serves
// plain HTTP, and listens on loopback only. The packages below say what each
// service leaves out.
//
// It imports nothing else of this project: a simulator that shares code with
// what it tests shares its mistakes. The AWS SDKs and OpenTofu are its judges.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/lab/cluster"
	"github.com/holdfast/holdfast/internal/lab/dynamo"
	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/logs"
	"github.com/holdfast/holdfast/internal/lab/s3"
	"github.com/holdfast/holdfast/internal/lab/sns"
	"github.com/holdfast/holdfast/internal/lab/sts"
)

// Options say what to start. The zero value is the zero world on a free port.
type Options struct {
	World  *World // nil: the zero world
	Listen string // "": 127.0.0.1:0
	// Session replaces the hour that a session gets when the request names no
	// duration. It overrides the world's.
	Session time.Duration
	// Latency is waited before each answer. It overrides the world's.
	Latency time.Duration
	// Slowness overrides the world's, each that isn't zero.
	Slowness
	// UpdateRebinds is the world's, or set here.
	UpdateRebinds bool
	// StrictSTSHost makes clusters refuse tokens that were signed for the
	// lab's own address.
	StrictSTSHost bool
	Limits        []Limit // added to the world's; the last of a service wins
}

// How slow AWS is where nobody says otherwise: settling is made short, so that
// a test sees a status change and doesn't wait, and health is as EKS has it.
const (
	defaultSettle      = 50 * time.Millisecond
	defaultHealthDelay = 15 * time.Minute
)

// or fills what is zero from others.
func (s Slowness) or(others ...Slowness) Slowness {
	for _, o := range others {
		s.IAMLag = cmp.Or(s.IAMLag, o.IAMLag)
		s.Settle = cmp.Or(s.Settle, o.Settle)
		s.HealthDelay = cmp.Or(s.HealthDelay, o.HealthDelay)
	}
	return s
}

// Server is one lab.
type Server struct {
	url     string
	region  string
	first   string // account
	latency time.Duration
	env     []string

	directory *iam.Directory
	sts       *sts.Service
	objects   *s3.Store
	tables    *dynamo.Store
	eks       *eks.Service
	logs      *logs.Store
	topics    *sns.Store
	plane     *cluster.Plane
	issuer    *issuer
	limits    *limiter
	calls     callLog
	faults    faultList

	http      *http.Server
	closing   context.Context
	close     context.CancelFunc
	mu        sync.Mutex // guards closed against new requests
	closed    bool
	inflight  sync.WaitGroup
	serving   chan error
	closeOnce sync.Once
	closeErr  error
}

// bareURL is where a lab without a listener says it is.
const bareURL = "http://localhost"

// New returns a lab as an http.Handler that listens nowhere.
func New(o Options) (*Server, error) {
	if o.Listen != "" {
		return nil, errors.New("lab: New doesn't listen; use Start for Listen " + o.Listen)
	}
	return build(o, bareURL)
}

// Start returns a lab that listens and serves until Close.
func Start(o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if err := loopback(o.Listen); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	s, err := build(o, "http://"+l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.serving = make(chan error, 1)
	go func() { s.serving <- s.http.Serve(l) }()
	return s, nil
}

// loopback refuses an address that others can reach: the lab's control paths
// ask for no credentials.
func loopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("lab: listen address %q: %w; write 127.0.0.1:PORT, port 0 for a free one", address, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("lab: listen address %q isn't a loopback IP; write 127.0.0.1:PORT", address)
	}
	return nil
}

func build(o Options, url string) (*Server, error) {
	world := o.World
	if world == nil {
		world = ZeroWorld()
	}
	if o.Session == 0 {
		o.Session = world.Session
	}
	if o.Latency == 0 {
		o.Latency = world.Latency
	}
	if err := validSession(o.Session); err != nil {
		return nil, fmt.Errorf("lab: session %w", err)
	}
	if o.Latency < 0 {
		return nil, fmt.Errorf("lab: latency %s is negative", o.Latency)
	}
	issuer, err := newIssuer(url + issuerPath)
	if err != nil {
		return nil, err
	}
	s := &Server{url: url, region: world.region(), latency: o.Latency, issuer: issuer}
	s.closing, s.close = context.WithCancel(context.Background())
	s.directory = iam.New(issuer.url)
	s.sts = &sts.Service{Directory: s.directory, Issuer: issuer.url, Keys: issuer.keys()}
	s.sts.SetDefault(o.Session)
	s.objects = s3.NewStore(s.region)
	s.tables = dynamo.NewStore(s.region)
	s.logs, s.topics = logs.New(), sns.New()
	if s.limits, err = newLimiter(slices.Concat(world.Limits, o.Limits)); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	slow := o.Slowness.or(world.Slowness, Slowness{Settle: defaultSettle, HealthDelay: defaultHealthDelay})
	s.directory.Lag = slow.IAMLag
	s.eks = eks.New(s.directory)
	s.eks.Settle, s.eks.HealthDelay = slow.Settle, slow.HealthDelay
	s.eks.UpdateRebinds = world.UpdateRebinds || o.UpdateRebinds
	s.plane = cluster.New()
	s.plane.EKS, s.plane.Logs, s.plane.Identify = s.eks, s.logs, s.identify
	if !o.StrictSTSHost {
		s.plane.OwnHost = s.host()
	}
	if url != bareURL {
		s.eks.Address = s.plane.Address
	}
	s.faults.cleared = make(chan struct{})
	if err := s.populate(world); err != nil {
		return nil, err
	}
	return s, nil
}

// URL is where the lab listens, for AWS_ENDPOINT_URL.
func (s *Server) URL() string { return s.url }

// Env is the environment that points a program at the lab, as KEY=value: the
// administrator of the first account, the region, and HOLDFAST_LAB_* names of
// what is in the world.
func (s *Server) Env() []string { return append([]string(nil), s.env...) }

// WebIdentityToken signs a token of the lab's issuer. It may be expired: a
// negative ttl is one that ended in the past.
func (s *Server) WebIdentityToken(sub, aud string, ttl time.Duration) string {
	return s.issuer.token(Claims{Subject: sub, Audience: []string{aud}, TTL: ttl}, time.Now())
}

// SetSession is Options.Session for sessions that begin from now on.
func (s *Server) SetSession(d time.Duration) error {
	if err := validSession(d); err != nil {
		return err
	}
	s.sts.SetDefault(d)
	return nil
}

// Token signs a token with more claims than WebIdentityToken.
func (s *Server) Token(c Claims) string { return s.issuer.token(c, time.Now()) }

// Close ends every request, waits for them and stops listening.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.close()
		if s.http != nil {
			s.closeErr = s.http.Close()
			if err := <-s.serving; !errors.Is(err, http.ErrServerClosed) {
				s.closeErr = errors.Join(s.closeErr, err)
			}
		}
		s.closeErr = errors.Join(s.closeErr, s.plane.Close())
		s.inflight.Wait()
	})
	return s.closeErr
}

// enter counts a request in; false once the lab closes.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.inflight.Add(1)
	return true
}

func (s *Server) host() string {
	_, host, _ := strings.Cut(s.url, "://")
	return host
}

// Published is what was published to topics of SNS, in order.
func (s *Server) Published() []sns.Message { return s.topics.Messages() }

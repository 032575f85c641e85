package lab

import (
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Call is one request to an AWS service, answered or not. GET /lab/calls gives
// them as a JSON array, oldest first; its query parameters service, operation,
// principal, role, status and error select those that are equal.
type Call struct {
	Seq       int       `json:"seq"`
	Time      time.Time `json:"time"`    // of arrival
	Service   string    `json:"service"` // as signatures name it: sts, iam, s3, dynamodb, eks, logs, sns
	Operation string    `json:"operation"`
	// Principal is the caller's ARN, only if the signature was right.
	Principal string `json:"principal,omitempty"`
	AccessKey string `json:"access_key,omitempty"` // as claimed
	Role      string `json:"role,omitempty"`       // ARN of the role to assume or of the access entry, name of the role to manage
	Bucket    string `json:"bucket,omitempty"`
	Key       string `json:"key,omitempty"`
	Table     string `json:"table,omitempty"`
	Cluster   string `json:"cluster,omitempty"`
	// Status is 0 if no answer was sent.
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"` // AWS's code
	Detail string `json:"detail,omitempty"`
	Fault  string `json:"fault,omitempty"` // kind of the fault that hit it; limit for a limit
	// Duration is in nanoseconds, from arrival to answer.
	Duration time.Duration `json:"duration"`
}

type callLog struct {
	mu    sync.Mutex
	seq   int
	calls []Call
}

// arrive gives the next number; a call is in the log once it ended.
func (l *callLog) arrive() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	return l.seq
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, c)
}

// Calls returns the finished calls in order of arrival.
func (s *Server) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	out := slices.Clone(s.calls.calls)
	slices.SortFunc(out, func(a, b Call) int { return a.Seq - b.Seq })
	return out
}

// matches applies the filters of GET /lab/calls.
func (c Call) matches(q url.Values) bool {
	fields := map[string]string{
		"service": c.Service, "operation": c.Operation, "principal": c.Principal,
		"role": c.Role, "status": strconv.Itoa(c.Status), "error": c.Error,
	}
	for name, wanted := range q {
		if len(wanted) > 0 && wanted[0] != "" && fields[name] != wanted[0] {
			return false
		}
	}
	return true
}

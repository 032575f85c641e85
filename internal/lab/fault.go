package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is what a fault does to a request.
type Kind string

// The kinds of faults.
const (
	// FaultStatus answers with Status (500 or 503) in the service's words.
	FaultStatus Kind = "status"
	// FaultThrottle answers as the service does when it throttles.
	FaultThrottle Kind = "throttle"
	// FaultSlow waits for Delay and answers normally then.
	FaultSlow Kind = "slow"
	// FaultHang answers nothing until the client leaves, or normally once the
	// faults are cleared.
	FaultHang Kind = "hang"
	// FaultDrop closes the connection without an answer.
	FaultDrop Kind = "drop"
	// FaultError answers with Status, Code and Message.
	FaultError Kind = "error"
	// FaultSkew moves the service's clock by Offset: the Date header, the
	// judgement of signatures and expiry, and the times of what is issued.
	FaultSkew Kind = "skew"
)

// Fault is scripted trouble. As JSON it is the body of POST /lab/faults, with
// durations written as in "1.5s".
type Fault struct {
	Service   string // "": every service
	Operation string // "": every operation
	// Role limits it to a role's name: the role to assume, for STS; the
	// caller's role, elsewhere. "": every caller.
	Role    string
	Region  string // of the signature; "": every region
	Kind    Kind
	Status  int
	Code    string
	Message string
	Delay   time.Duration
	Offset  time.Duration
	// Count is how many requests it hits; 0 is no limit.
	Count int
	// Percent is the share of matching requests that it hits, evenly spread;
	// 0 is every one.
	Percent float64
	// DuringLifetime limits it to an STS exchange for a role while less than
	// this share of the life of the session issued last for that role has
	// passed. With 0.8 an early renewal fails and a late one succeeds; the
	// first exchange is never hit. 0: no such limit.
	DuringLifetime float64
}

type faultJSON struct {
	Service        string  `json:"service,omitempty"`
	Operation      string  `json:"operation,omitempty"`
	Role           string  `json:"role,omitempty"`
	Region         string  `json:"region,omitempty"`
	Kind           Kind    `json:"kind"`
	Status         int     `json:"status,omitempty"`
	Code           string  `json:"code,omitempty"`
	Message        string  `json:"message,omitempty"`
	Delay          string  `json:"delay,omitempty"`
	Offset         string  `json:"offset,omitempty"`
	Count          int     `json:"count,omitempty"`
	Percent        float64 `json:"percent,omitempty"`
	DuringLifetime float64 `json:"during_lifetime,omitempty"`
}

// MarshalJSON writes durations as text.
func (f Fault) MarshalJSON() ([]byte, error) {
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	return json.Marshal(faultJSON{
		f.Service, f.Operation, f.Role, f.Region, f.Kind, f.Status, f.Code, f.Message,
		text(f.Delay), text(f.Offset), f.Count, f.Percent, f.DuringLifetime,
	})
}

// UnmarshalJSON reads what MarshalJSON writes and refuses unknown members.
func (f *Fault) UnmarshalJSON(b []byte) error {
	var j faultJSON
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return err
	}
	*f = Fault{
		Service: j.Service, Operation: j.Operation, Role: j.Role, Region: j.Region, Kind: j.Kind, Status: j.Status, Code: j.Code, Message: j.Message,
		Count: j.Count, Percent: j.Percent, DuringLifetime: j.DuringLifetime,
	}
	for _, field := range []struct {
		text string
		into *time.Duration
	}{{j.Delay, &f.Delay}, {j.Offset, &f.Offset}} {
		if field.text == "" {
			continue
		}
		var err error
		if *field.into, err = time.ParseDuration(field.text); err != nil {
			return fmt.Errorf("%q isn't a duration; write for instance 1.5s", field.text)
		}
	}
	return nil
}

// Check says what is wrong with a fault.
func (f Fault) Check() error {
	switch {
	case f.Kind == FaultStatus && f.Status != 500 && f.Status != 503:
		return fmt.Errorf("fault status %d: a service answers 500 or 503 by itself; use kind error for another", f.Status)
	case f.Kind == FaultError && (f.Status < 400 || f.Status > 599 || f.Code == ""):
		return fmt.Errorf("fault error: give a status from 400 to 599 and a code, not %d and %q", f.Status, f.Code)
	case f.Kind == FaultSlow && f.Delay <= 0:
		return fmt.Errorf("fault slow: give a delay above 0")
	case f.Kind == FaultSkew && f.Offset == 0:
		return fmt.Errorf("fault skew: give an offset")
	case f.Count < 0:
		return fmt.Errorf("fault count %d is negative", f.Count)
	case f.Percent < 0 || f.Percent > 100:
		return fmt.Errorf("fault percent %g isn't between 0 and 100", f.Percent)
	case f.DuringLifetime < 0 || f.DuringLifetime > 1:
		return fmt.Errorf("fault during_lifetime %g isn't between 0 and 1", f.DuringLifetime)
	}
	kinds := []Kind{FaultStatus, FaultThrottle, FaultSlow, FaultHang, FaultDrop, FaultError, FaultSkew}
	if !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("fault kind %q: use one of %q", f.Kind, kinds)
	}
	return nil
}

type faultList struct {
	mu      sync.Mutex
	active  []*activeFault
	cleared chan struct{} // closed by ClearFaults
}

type activeFault struct {
	Fault
	hits  int
	share float64 // percents saved up; a hit takes 100
}

// Fault adds a fault; the first that fits a request is the one that hits it. It
// panics on a fault that Check refuses: that is a mistake in a test.
func (s *Server) Fault(f Fault) {
	if err := f.Check(); err != nil {
		panic("lab: " + err.Error())
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = append(s.faults.active, &activeFault{Fault: f})
}

// ClearFaults ends all faults; requests that hang are answered.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.active = nil
	close(s.faults.cleared)
	s.faults.cleared = make(chan struct{})
}

// Faults are those that can still hit.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := []Fault{}
	for _, f := range s.faults.active {
		if f.Count == 0 || f.hits < f.Count {
			out = append(out, f.Fault)
		}
	}
	return out
}

// Hits counts the requests that faults have hit, those included that still hang
// and so aren't in the call log yet.
func (s *Server) Hits() int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	n := 0
	for _, f := range s.faults.active {
		n += f.hits
	}
	return n
}

// target is what a fault looks at.
type target struct {
	service, operation, role, region string
	// lived is the share of its life that the role's last session has behind
	// it; negative if the request is no exchange, or the first.
	lived float64
}

// hit finds the fault for a request. The channel closes when it is cleared.
func (l *faultList) hit(t target) (Fault, <-chan struct{}, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.active {
		if !f.fits(t) {
			continue
		}
		if f.Percent > 0 {
			if f.share += f.Percent; f.share < 100 {
				continue
			}
			f.share -= 100
		}
		f.hits++
		return f.Fault, l.cleared, true
	}
	return Fault{}, nil, false
}

func (f *activeFault) fits(t target) bool {
	same := func(wanted, got string) bool { return wanted == "" || wanted == got }
	switch {
	case f.Count > 0 && f.hits >= f.Count:
		return false
	case !same(f.Service, t.service), !same(f.Operation, t.operation), !same(f.Role, t.role), !same(f.Region, t.region):
		return false
	case f.DuringLifetime > 0:
		return t.lived >= 0 && t.lived < f.DuringLifetime
	}
	return true
}

// Package logs (lab) is CloudWatch Logs as far as somebody reads what a cluster's
// authenticator wrote: FilterLogEvents over JSON 1.1.
//
// It promises AWS's answer for a group that doesn't exist, paging, and filter
// patterns that are terms, phrases and alternatives (?term). Patterns of JSON
// and of fields, and every other operation, it refuses. Groups come into being
// with the first line.
package logs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// TargetPrefix is in front of the operation in X-Amz-Target.
const TargetPrefix = "Logs_20140328."

// maxEvents: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
const maxEvents = 10000

// Store holds groups of events in order of writing.
type Store struct {
	mu     sync.Mutex
	groups map[place][]event
}

type place struct{ account, region, name string }

type event struct {
	Stream   string `json:"logStreamName"`
	Time     int64  `json:"timestamp"` // milliseconds
	Message  string `json:"message"`
	Ingested int64  `json:"ingestionTime"`
	ID       string `json:"eventId"`
}

// New returns an empty store.
func New() *Store { return &Store{groups: map[place][]event{}} }

// Write adds a line.
func (s *Store) Write(account, region, group, stream, message string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{account, region, group}
	ms := now.UnixMilli()
	s.groups[at] = append(s.groups[at], event{stream, ms, message, ms, fmt.Sprintf("%056d", len(s.groups[at]))})
}

// ARN is the group that a request names, for policies.
func ARN(account, region string, body []byte) string {
	var in struct {
		Group string `json:"logGroupName"`
	}
	if json.Unmarshal(body, &in) != nil {
		return "*"
	}
	return "arn:" + iam.Partition + ":logs:" + region + ":" + account + ":log-group:" + in.Group + ":*"
}

// Handle answers one operation.
func (s *Store) Handle(r *wire.Request, account, region string) (any, error) {
	if r.Operation != "FilterLogEvents" {
		return nil, wire.Unsupported("logs:" + r.Operation)
	}
	return s.filter(r, account, region)
}

type filterInput struct {
	Group       string   `json:"logGroupName"`
	Streams     []string `json:"logStreamNames"`
	Prefix      string   `json:"logStreamNamePrefix"`
	Start       *int64   `json:"startTime"`
	End         *int64   `json:"endTime"`
	Pattern     string   `json:"filterPattern"`
	Next        string   `json:"nextToken"`
	Limit       *int     `json:"limit"`
	Interleaved *bool    `json:"interleaved"` // since 2019 without effect: the API reference
}

func invalid(message string) error {
	return wire.Refuse(http.StatusBadRequest, "InvalidParameterException", message)
}

func (s *Store) filter(r *wire.Request, account, region string) (any, error) {
	var in filterInput
	d := json.NewDecoder(bytes.NewReader(r.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return nil, wire.Unsupported("the member " + name + " of FilterLogEvents")
		}
		return nil, wire.Refuse(http.StatusBadRequest, "SerializationException", err.Error())
	}
	if in.Group == "" {
		return nil, invalid("1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null")
	}
	if in.Prefix != "" && len(in.Streams) > 0 {
		return nil, invalid("Both logStreamNamePrefix and logStreamNames are specified.") // the lab's own text
	}
	limit := maxEvents
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > maxEvents {
			return nil, invalid("limit must be between 1 and 10000") // the lab's own text
		}
	}
	from, err := position(in.Next)
	if err != nil {
		return nil, err
	}
	wanted, err := parsePattern(in.Pattern)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all, ok := s.groups[place{account, region, in.Group}]
	if !ok {
		return nil, wire.Refuse(http.StatusBadRequest, "ResourceNotFoundException", "The specified log group does not exist.")
	}
	out := map[string]any{"searchedLogStreams": []any{}}
	events := []event{}
	for i := from; i < len(all); i++ {
		if !in.fits(all[i]) || !wanted.fits(all[i].Message) {
			continue
		}
		if len(events) == limit {
			out["nextToken"] = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(i)))
			break
		}
		events = append(events, all[i])
	}
	out["events"] = events
	return out, nil
}

func position(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		if n, err := strconv.Atoi(string(b)); err == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, invalid("The specified nextToken is invalid.")
}

func (in filterInput) fits(e event) bool {
	switch {
	case in.Start != nil && e.Time < *in.Start, in.End != nil && e.Time > *in.End:
		return false
	case len(in.Streams) > 0:
		return slices.Contains(in.Streams, e.Stream)
	}
	return strings.HasPrefix(e.Stream, in.Prefix)
}

package eks

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Codes of the API model.
const (
	codeInvalidParameter = "InvalidParameterException"
	codeInvalidRequest   = "InvalidRequestException"
	codeNotFound         = "ResourceNotFoundException"
	codeInUse            = "ResourceInUseException"
	codeLimit            = "ResourceLimitExceededException"
)

func invalidParameter(format string, args ...any) error {
	return wire.Refuse(http.StatusBadRequest, codeInvalidParameter, fmt.Sprintf(format, args...))
}

func invalidRequest(format string, args ...any) error {
	return wire.Refuse(http.StatusBadRequest, codeInvalidRequest, fmt.Sprintf(format, args...))
}

func notFound(message string, detail map[string]any) error {
	return &wire.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: message, Detail: detail}
}

func inUse(message string, detail map[string]any) error {
	return &wire.Error{Status: http.StatusConflict, Code: codeInUse, Message: message, Detail: detail}
}

// limitExceeded has the lab's own text.
func limitExceeded(what string, limit int) error {
	return wire.Refuse(http.StatusBadRequest, codeLimit, fmt.Sprintf("%s limit exceeded: %d", what, limit))
}

// decode reads the body and refuses members that the lab doesn't know.
func (c *call) decode(into any) error {
	body := c.Body
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.Decode(&struct{}{}) != io.EOF {
		err = fmt.Errorf("data after the end")
	}
	switch {
	case err == nil:
		return c.query.unread(c.Operation)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return wire.Unsupported("the member " + strings.TrimPrefix(err.Error(), "json: unknown field ") + " of " + c.Operation)
	}
	return wire.Refuse(http.StatusBadRequest, "SerializationException", err.Error())
}

// required checks members that the API model requires.
func required(members map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] == "" {
			return invalidParameter("The %s parameter is required.", name) // the lab's own text
		}
	}
	return nil
}

// query is a query string that remembers what was read.
type query struct {
	values url.Values
	read   map[string]bool
}

func newQuery(u *url.URL) *query { return &query{u.Query(), map[string]bool{}} }

func (q *query) get(name string) string {
	q.read[name] = true
	return q.values.Get(name)
}

func (q *query) list(name string) []string {
	q.read[name] = true
	return q.values[name]
}

func (q *query) unread(operation string) error {
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		if !q.read[name] && !strings.HasPrefix(name, "X-Amz-") {
			return wire.Unsupported("the parameter " + name + " of " + operation)
		}
	}
	return nil
}

// page reads maxResults and nextToken and picks from the sorted names.
func (c *call) page(names []string) (page []string, next string, err error) {
	limit := 100
	if text := c.query.get("maxResults"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 100 {
			return nil, "", invalidParameter("maxResults must be between 1 and 100") // the lab's own text
		}
	}
	after := ""
	if token := c.query.get("nextToken"); token != "" {
		b, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", invalidParameter("Invalid nextToken") // the lab's own text
		}
		after = string(b)
	}
	if err := c.query.unread(c.Operation); err != nil {
		return nil, "", err
	}
	slices.Sort(names)
	page = []string{}
	for _, name := range names {
		if name <= after {
			continue
		}
		if len(page) == limit {
			return page, base64.RawURLEncoding.EncodeToString([]byte(page[limit-1])), nil
		}
		page = append(page, name)
	}
	return page, "", nil
}

// replay is what a client token stands for.
type replay struct {
	body   [sha256.Size]byte
	answer any
	alive  func() bool // whether what it made still exists
}

func (c *call) tokenKey(token string) string {
	return strings.Join([]string{c.account, c.region, c.Operation, token}, "|")
}

// replayed finds the answer to a request that was sent before: the same client
// token with the same body is answered the same, as long as what was made then
// exists. AWS says no more than "unique, case-sensitive identifier that you
// provide to ensure the idempotency of the request".
func (s *Service) replayed(c *call, token string) (any, bool, error) {
	old, ok := s.tokens[c.tokenKey(token)]
	switch {
	case token == "" || !ok || !old.alive():
		return nil, false, nil
	case old.body != sha256.Sum256(c.Body):
		// The lab's own text.
		return nil, false, invalidParameter("The client request token %s was used with other parameters.", token)
	}
	return old.answer, true, nil
}

func (s *Service) remember(c *call, token string, answer any, alive func() bool) {
	if token != "" {
		s.tokens[c.tokenKey(token)] = replay{sha256.Sum256(c.Body), answer, alive}
	}
}

// stamp is a time as the protocol writes it: seconds with a fraction.
type stamp time.Time

// MarshalJSON writes milliseconds.
func (s stamp) MarshalJSON() ([]byte, error) {
	ms := time.Time(s).UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// maxTags: the API model's TagMap.
const maxTags = 50

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidParameter("The number of tags exceeds %d", maxTags) // the lab's own text
	}
	for k, v := range tags {
		if k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalidParameter("Invalid tag %q", k) // the lab's own text
		}
	}
	return nil
}

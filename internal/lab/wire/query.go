package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// WriteQuery writes a query-protocol answer, as STS and IAM send it:
// <OpResponse><OpResult>…</OpResult><ResponseMetadata>…
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
func WriteQuery(w http.ResponseWriter, namespace, operation, requestID string, result any) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%sResponse xmlns=%q>", operation, namespace)
	if result != nil {
		start := xml.StartElement{Name: xml.Name{Local: operation + "Result"}}
		if err := xml.NewEncoder(&b).EncodeElement(result, start); err != nil {
			return fmt.Errorf("%s result as XML: %w", operation, err)
		}
	}
	fmt.Fprintf(&b, "<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></%sResponse>", requestID, operation)
	send(w, http.StatusOK, "text/xml", b.Bytes())
	return nil
}

// WriteQueryJSON writes a query-protocol answer as JSON, which STS sends to a
// client that asks for it with Accept, as aws-iam-authenticator does.
func WriteQueryJSON(w http.ResponseWriter, operation, requestID string, result any) error {
	body, err := json.Marshal(map[string]any{operation + "Response": map[string]any{
		operation + "Result": result, "ResponseMetadata": map[string]string{"RequestId": requestID},
	}})
	if err != nil {
		return fmt.Errorf("%s result as JSON: %w", operation, err)
	}
	send(w, http.StatusOK, "application/json", body)
	return nil
}

// WriteQueryError writes the error form of the query protocol.
func WriteQueryError(w http.ResponseWriter, namespace, requestID string, e *Error) {
	kind := "Sender"
	if e.Status >= 500 {
		kind = "Receiver"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<ErrorResponse xmlns=%q><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
		namespace, kind, text(e.Code), text(e.Message), requestID)
	send(w, e.Status, "text/xml", b.Bytes())
}

// Params reads query parameters and remembers which were read, so that the
// rest can be refused instead of ignored.
type Params struct {
	operation string
	form      url.Values
	read      map[string]bool
}

// NewParams wraps a request's form; Action and Version count as read.
func NewParams(r *Request) *Params {
	return &Params{operation: r.Operation, form: r.Form, read: map[string]bool{"Action": true, "Version": true}}
}

// Get returns a parameter, "" if absent.
func (p *Params) Get(name string) string {
	p.read[name] = true
	return p.form.Get(name)
}

// Has says whether a parameter was sent, even if empty.
func (p *Params) Has(name string) bool {
	p.read[name] = true
	return p.form.Has(name)
}

// Int returns a number and whether it was sent.
func (p *Params) Int(name string) (value int, sent bool, err error) {
	s := p.Get(name)
	if s == "" {
		return 0, false, nil
	}
	value, err = strconv.Atoi(s)
	if err != nil {
		return 0, true, Refuse(http.StatusBadRequest, "MalformedInput", "Invalid integer value: "+s)
	}
	return value, true, nil
}

// List returns the members of a list: Name.member.1, Name.member.2, …
func (p *Params) List(name string) []string {
	p.read[name] = true // an empty list is sent as a bare name
	var out []string
	for i := 1; ; i++ {
		key := fmt.Sprintf("%s.member.%d", name, i)
		if !p.form.Has(key) {
			return out
		}
		out = append(out, p.Get(key))
	}
}

// Pairs returns a list of structures with Key and Value, in order.
func (p *Params) Pairs(name string) [][2]string {
	p.read[name] = true
	var out [][2]string
	for i := 1; ; i++ {
		key := fmt.Sprintf("%s.member.%d.", name, i)
		if !p.form.Has(key + "Key") {
			return out
		}
		out = append(out, [2]string{p.Get(key + "Key"), p.Get(key + "Value")})
	}
}

// Unread refuses the parameters that nobody read. An operation asks for it
// after it has read what it knows and before it changes anything.
func (p *Params) Unread() error {
	var names []string
	for name := range p.form {
		if !p.read[name] {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	return Unsupported("the parameter " + strings.Join(names, ", ") + " of " + p.operation)
}

func text(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a bytes.Buffer doesn't fail
	}
	return b.String()
}

func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A client that left is nobody's error; the call log has the answer.
	_, _ = w.Write(body)
}

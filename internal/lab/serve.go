package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/dynamo"
	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/logs"
	"github.com/holdfast/holdfast/internal/lab/s3"
	"github.com/holdfast/holdfast/internal/lab/sigv4"
	"github.com/holdfast/holdfast/internal/lab/sns"
	"github.com/holdfast/holdfast/internal/lab/sts"
	"github.com/holdfast/holdfast/internal/lab/wire"
)

// maxBody bounds what one request can make the lab hold.
const maxBody = 256 << 20

// exchange is one request on its way through the lab.
type exchange struct {
	server  *Server
	writer  http.ResponseWriter
	service string
	req     wire.Request
	auth    *sigv4.Authorization // nil if unsigned or unreadable
	authErr error
	caller  iam.Caller
	eks     eks.Route // EKS only
	call    Call
}

// ServeHTTP answers AWS's APIs, the issuer's documents and /lab/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		http.Error(w, "the lab is closing", http.StatusServiceUnavailable)
		return
	}
	defer s.inflight.Done()
	switch {
	case strings.HasPrefix(r.URL.Path, controlPath):
		s.serveControl(w, r)
	case strings.HasPrefix(r.URL.Path, issuerPath+"/"):
		s.serveIssuer(w, r)
	default:
		s.serveAWS(w, r)
	}
}

// reservedPaths can't be bucket names.
func reservedPaths() []string { return []string{"lab", strings.Trim(issuerPath, "/")} }

func (s *Server) serveAWS(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	start := time.Now()
	x := &exchange{server: s, writer: w, call: Call{Seq: s.calls.arrive(), Time: start}}
	x.req = wire.Request{HTTP: r.WithContext(ctx), ID: requestID(), Now: start, Arrived: s.objects.Generation()}
	defer func() {
		x.call.Duration = time.Since(start)
		s.calls.add(x.call)
	}()
	err := x.serve()
	if err == nil {
		return
	}
	if errors.Is(err, errNoAnswer) {
		// net/http closes the connection without a word and without a log.
		panic(http.ErrAbortHandler)
	}
	x.refuse(err)
}

// errNoAnswer ends an exchange without an answer.
var errNoAnswer = errors.New("no answer")

func (x *exchange) serve() error {
	if err := x.read(); err != nil {
		return err
	}
	if err := x.route(); err != nil {
		return err
	}
	if err := x.suffer(); err != nil {
		return err
	}
	if x.service == "s3" && x.auth != nil {
		if err := x.server.objects.Redirect(&x.req, x.auth.Region); err != nil {
			return err
		}
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.authorise(); err != nil {
		return err
	}
	return x.answer()
}

func (x *exchange) read() error {
	r := x.req.HTTP
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return errNoAnswer // the client left in the middle
	}
	if len(body) > maxBody {
		return wire.Refuse(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	x.req.Body = body
	x.auth, x.authErr = sigv4.Parse(r)
	if x.authErr != nil {
		x.auth = nil
	} else {
		x.call.AccessKey = x.auth.AccessKey
	}
	return nil
}

// route finds service and operation: X-Amz-Target and the Action of the query
// protocol say it themselves, EKS is known by the scope of its signature,
// another scope than S3's is a service that the lab hasn't got, the rest is S3.
func (x *exchange) route() error {
	r := x.req.HTTP
	if operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), logs.TargetPrefix); ok {
		x.set("logs", operation)
		return nil
	}
	if t := r.Header.Get("X-Amz-Target"); t != "" {
		operation, ok := strings.CutPrefix(t, dynamo.TargetPrefix)
		if !ok {
			x.set(x.scope(), t)
			return wire.Unsupported("the operation " + t)
		}
		x.set("dynamodb", operation)
		x.call.Table = dynamo.TableOf(x.req.Body)
		return nil
	}
	form := r.URL.Query()
	if r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		posted, err := url.ParseQuery(string(x.req.Body))
		if err != nil {
			return wire.Refuse(http.StatusBadRequest, "MalformedQueryString", "The query string is malformed")
		}
		form = posted
	}
	if form.Has("Action") {
		return x.routeQuery(form)
	}
	if x.scope() == "eks" {
		return x.routeEKS()
	}
	if scope := x.scope(); scope != "s3" && scope != "" {
		x.set(scope, r.Method+" "+r.URL.Path)
		return wire.Unsupported("the service " + scope + " (" + r.Method + " " + r.URL.Path + ")")
	}
	x.service, x.call.Service = "s3", "s3"
	var err error
	if x.req.Bucket, x.req.Key, err = s3.Locate(r, x.server.host()); err != nil {
		return wire.Refuse(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
	}
	x.call.Bucket, x.call.Key = x.req.Bucket, x.req.Key
	x.set("s3", s3.Operation(r, x.req.Bucket, x.req.Key))
	if x.req.Operation == "" {
		x.call.Operation = r.Method + " " + r.URL.RequestURI()
		return wire.Unsupported("s3: " + x.call.Operation)
	}
	return nil
}

func (x *exchange) routeEKS() error {
	r := x.req.HTTP
	x.set("eks", r.Method+" "+r.URL.EscapedPath())
	route, err := eks.Locate(r)
	if err != nil {
		return err
	}
	x.set("eks", route.Operation)
	x.eks = route
	x.call.Cluster, x.call.Role = route.Cluster, route.Principal
	return nil
}

func (x *exchange) scope() string {
	if x.auth == nil {
		return ""
	}
	return x.auth.Service
}

func (x *exchange) set(service, operation string) {
	x.service, x.req.Operation = service, operation
	x.call.Service, x.call.Operation = service, operation
}

func (x *exchange) routeQuery(form url.Values) error {
	for name := range form {
		if strings.HasPrefix(name, "X-Amz-") { // of a presigned request
			form.Del(name)
		}
	}
	x.req.Form = form
	version, operation := form.Get("Version"), form.Get("Action")
	switch version {
	case "2011-06-15":
		x.set("sts", operation)
		x.call.Role = form.Get("RoleArn")
	case "2010-05-08":
		x.set("iam", operation)
		x.call.Role = form.Get("RoleName")
	case sns.Version:
		x.set("sns", operation)
	default:
		x.set(x.scope(), operation)
		return wire.Unsupported(fmt.Sprintf("the operation %s of version %q", operation, version))
	}
	return nil
}

// answer runs the operation and writes its result.
func (x *exchange) answer() error {
	if x.service == "sts" && x.req.Operation != "GetCallerIdentity" && x.asksJSON() {
		return wire.Unsupported("sts:" + x.req.Operation + " with Accept: application/json")
	}
	var result any
	var err error
	switch x.service {
	case "sts":
		result, err = x.server.sts.Handle(&x.req, x.caller)
	case "iam":
		result, err = x.server.directory.Handle(&x.req, x.caller)
	case "dynamodb":
		result, err = x.server.tables.Handle(&x.req, x.caller.Account)
	case "eks":
		result, err = x.server.eks.Handle(&x.req, x.caller, x.auth.Region)
	case "logs":
		result, err = x.server.logs.Handle(&x.req, x.caller.Account, x.auth.Region)
	case "sns":
		result, err = x.server.topics.Handle(&x.req, x.caller.Account, x.auth.Region)
	case "s3":
		result, err = x.server.objects.Handle(&x.req, x.caller.Account)
	}
	if err != nil {
		return err
	}
	return x.write(result)
}

func (x *exchange) write(result any) error {
	x.call.Status = http.StatusOK
	x.stamp()
	switch x.service {
	case "sts":
		if x.asksJSON() {
			return wire.WriteQueryJSON(x.writer, x.req.Operation, x.req.ID, result)
		}
		return wire.WriteQuery(x.writer, sts.Namespace, x.req.Operation, x.req.ID, result)
	case "iam":
		return wire.WriteQuery(x.writer, iam.Namespace, x.req.Operation, x.req.ID, result)
	case "sns":
		return wire.WriteQuery(x.writer, sns.Namespace, x.req.Operation, x.req.ID, result)
	case "dynamodb":
		return wire.WriteJSON(x.writer, result)
	case "eks":
		return wire.WriteRESTJSON(x.writer, result)
	case "logs":
		return wire.WriteJSON11(x.writer, result)
	}
	resp := result.(*wire.Response)
	if resp.Status != 0 {
		x.call.Status = resp.Status
	}
	return wire.WriteREST(x.writer, resp)
}

func (x *exchange) asksJSON() bool { return x.req.HTTP.Header.Get("Accept") == "application/json" }

// stamp sets the headers that every answer has.
func (x *exchange) stamp() {
	h := x.writer.Header()
	h.Set("Date", x.req.Now.UTC().Format(http.TimeFormat))
	if x.service == "s3" {
		h.Set("X-Amz-Request-Id", x.req.ID)
		h.Set("X-Amz-Id-2", s3.HostID())
		return
	}
	h.Set("X-Amzn-Requestid", x.req.ID)
}

// refuse writes an error in the service's own form.
func (x *exchange) refuse(err error) {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Refuse(http.StatusInternalServerError, "InternalFailure", "holdfast-lab: "+err.Error())
	}
	x.call.Status, x.call.Error, x.call.Detail = e.Status, e.Code, e.Message
	x.stamp()
	switch x.service {
	case "sts":
		wire.WriteQueryError(x.writer, sts.Namespace, x.req.ID, e)
	case "iam":
		wire.WriteQueryError(x.writer, iam.Namespace, x.req.ID, e)
	case "sns":
		wire.WriteQueryError(x.writer, sns.Namespace, x.req.ID, e)
	case "s3":
		wire.WriteRESTError(x.writer, x.req.HTTP, x.req.ID, s3.HostID(), e)
	default:
		if err := x.refuseJSON(e); err != nil {
			http.Error(x.writer, err.Error(), http.StatusInternalServerError)
		}
	}
}

// refuseJSON: JSON is what most of the services speak that the lab hasn't got.
func (x *exchange) refuseJSON(e *wire.Error) error {
	switch x.service {
	case "eks":
		return wire.WriteRESTJSONError(x.writer, e)
	case "logs":
		return wire.WriteJSON11Error(x.writer, e)
	}
	x.writer.Header().Set("X-Amzn-Errortype", e.Code)
	return wire.WriteJSONError(x.writer, dynamo.Namespace, e)
}

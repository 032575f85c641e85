package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/eks"
)

// The paths that a cluster knows.
const (
	pathVersion = "/version"
	pathNodes   = "/api/v1/nodes"
	pathAWSAuth = "/api/v1/namespaces/kube-system/configmaps/aws-auth"
	pathSelf    = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	pathReview  = "/apis/authentication.k8s.io/v1/tokenreviews"
)

// exchange is one request to a cluster.
type exchange struct {
	plane *Plane
	known eks.Known
	w     http.ResponseWriter
	r     *http.Request
	body  []byte
	user  User
}

// Handler answers for one incarnation of a cluster; once that is gone it hangs
// up on everybody.
func (p *Plane) Handler(ref eks.Ref) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known, ok := p.EKS.Know(ref)
		if !ok {
			panic(http.ErrAbortHandler) // net/http closes the connection without a word
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		x := &exchange{plane: p, known: known, w: w, r: r, body: body}
		x.serve()
	})
}

func (x *exchange) serve() {
	// A token that is sent is judged, whatever the path is.
	token, sent := strings.CutPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	if sent {
		var err error
		if x.user, err = x.plane.authenticate(x.known, token, x.r.RemoteAddr, time.Now()); err != nil {
			x.fail(http.StatusUnauthorized, "Unauthorized", "Unauthorized")
			return
		}
	} else {
		x.user = User{Name: "system:anonymous", Groups: []string{"system:unauthenticated"}}
	}
	switch x.r.Method + " " + x.r.URL.Path {
	case "GET " + pathVersion: // system:public-info-viewer: everybody
		x.version()
	case "GET " + pathNodes:
		x.permitted(request{verb: "list", resource: "nodes"}, x.listNodes)
	case "POST " + pathNodes:
		x.createNode()
	case "GET " + pathAWSAuth:
		x.permitted(awsAuthRequest("get"), x.getAWSAuth)
	case "PUT " + pathAWSAuth:
		x.permitted(awsAuthRequest("update"), x.putAWSAuth)
	case "POST " + pathSelf:
		x.permitted(request{verb: "create", group: "authentication.k8s.io", resource: "selfsubjectreviews"}, x.reviewSelf)
	case "POST " + pathReview:
		x.permitted(request{verb: "create", group: "authentication.k8s.io", resource: "tokenreviews"}, x.reviewToken)
	default:
		x.fail(http.StatusNotImplemented, "HoldfastLabUnsupported",
			"holdfast-lab doesn't simulate "+x.r.Method+" "+x.r.URL.Path+" of a cluster; teach it in internal/lab/cluster or leave it out")
	}
}

func awsAuthRequest(verb string) request {
	return request{verb: verb, resource: "configmaps", namespace: "kube-system", name: "aws-auth"}
}

// permitted answers with do, or says that the user may not.
func (x *exchange) permitted(q request, do func()) {
	anonymous := x.user.UID == ""
	if anonymous || !x.user.allows(q) {
		x.fail(http.StatusForbidden, "Forbidden", q.forbidden(x.user.Name))
		return
	}
	do()
}

// fail answers with a Status of Kubernetes' meta/v1.
func (x *exchange) fail(code int, reason, message string) {
	x.answer(code, map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
		"message": message, "reason": reason, "code": code,
	})
}

func (x *exchange) answer(code int, v any) {
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(code)
	_ = json.NewEncoder(x.w).Encode(v) // a client that left is nobody's error
}

// decode reads a body of JSON; kubectl and client-go can send others.
func (x *exchange) decode(into any) bool {
	if t := x.r.Header.Get("Content-Type"); t != "" && !strings.HasPrefix(t, "application/json") {
		x.fail(http.StatusUnsupportedMediaType, "UnsupportedMediaType", fmt.Sprintf("the body of the request was in an unknown format - accepted media types include: application/json, not %s", t))
		return false
	}
	if err := json.Unmarshal(x.body, into); err != nil {
		x.fail(http.StatusBadRequest, "BadRequest", err.Error())
		return false
	}
	return true
}

func (x *exchange) version() {
	major, minor, _ := strings.Cut(x.known.Version, ".")
	x.answer(http.StatusOK, map[string]string{"major": major, "minor": minor + "+", "gitVersion": "v" + x.known.Version + ".0-eks-lab", "platform": "linux/amd64"})
}

// info is UserInfo of authentication.k8s.io/v1.
func (u User) info() map[string]any {
	id := u.Identity
	return map[string]any{"username": u.Name, "uid": u.UID, "groups": u.Groups, "extra": map[string][]string{
		"arn": {id.ARN}, "canonicalArn": {id.CanonicalARN}, "sessionName": {id.SessionName}, "accessKeyId": {id.AccessKeyID},
		"principalId": {id.UserID}, "sigs.k8s.io/aws-iam-authenticator/principalId": {id.UserID},
	}}
}

func (x *exchange) reviewSelf() {
	x.answer(http.StatusCreated, map[string]any{"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
		"metadata": map[string]any{"creationTimestamp": time.Now().UTC().Format(time.RFC3339)},
		"status":   map[string]any{"userInfo": x.user.info()}})
}

func (x *exchange) reviewToken() {
	var in struct {
		Spec struct {
			Token string `json:"token"`
		} `json:"spec"`
	}
	if !x.decode(&in) {
		return
	}
	status := map[string]any{"user": map[string]any{}}
	if u, err := x.plane.authenticate(x.known, in.Spec.Token, x.r.RemoteAddr, time.Now()); err == nil {
		status = map[string]any{"authenticated": true, "user": u.info()}
	}
	x.answer(http.StatusCreated, map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
		"metadata": map[string]any{}, "spec": map[string]any{"token": in.Spec.Token}, "status": status})
}

func (x *exchange) awsAuth() map[string]any {
	return map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "data": x.known.AWSAuth,
		"metadata": map[string]any{"name": "aws-auth", "namespace": "kube-system", "resourceVersion": fmt.Sprint(x.known.AWSAuthNo)}}
}

func (x *exchange) getAWSAuth() {
	if x.known.AWSAuth == nil {
		x.fail(http.StatusNotFound, "NotFound", `configmaps "aws-auth" not found`)
		return
	}
	x.answer(http.StatusOK, x.awsAuth())
}

// putAWSAuth replaces the rows; a resource version must be the one that is.
func (x *exchange) putAWSAuth() {
	var in struct {
		Metadata struct {
			Version string `json:"resourceVersion"`
		} `json:"metadata"`
		Data map[string]string `json:"data"`
	}
	if !x.decode(&in) {
		return
	}
	switch {
	case x.known.AWSAuth == nil:
		x.fail(http.StatusNotFound, "NotFound", `configmaps "aws-auth" not found`)
		return
	case in.Metadata.Version != "" && in.Metadata.Version != fmt.Sprint(x.known.AWSAuthNo):
		x.fail(http.StatusConflict, "Conflict", `Operation cannot be fulfilled on configmaps "aws-auth": the object has been modified; please apply your changes to the latest version and try again`)
		return
	}
	if in.Data == nil {
		in.Data = map[string]string{}
	}
	x.plane.EKS.SetAWSAuth(x.known.Ref, in.Data)
	x.known, _ = x.plane.EKS.Know(x.known.Ref)
	x.answer(http.StatusOK, x.awsAuth())
}

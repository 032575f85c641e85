package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const controlPath = "/lab/"

// TokenRequest is the body of POST /lab/token; the answer is the token as text.
type TokenRequest struct {
	Claims
	TTL string `json:"ttl"` // as in "10m"
}

// serveControl answers /lab/*: calls, faults, tokens, instances and clusters
// over plain HTTP. It asks for no
// credentials, so a browser must not get here: not with a page's Origin, and
// not under a name that was made to point at loopback.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); origin != "" {
		http.Error(w, "the lab's control paths aren't for pages ("+origin+")", http.StatusForbidden)
		return
	}
	if !ownHost(r.Host) {
		http.Error(w, "the lab's control paths are at "+s.url+", not at "+r.Host, http.StatusForbidden)
		return
	}
	if rest, ok := strings.CutPrefix(r.URL.Path, controlPath+"k8s/"); ok {
		s.serveTwin(w, r, rest)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /lab/calls":
		out := []Call{}
		for _, c := range s.Calls() {
			if c.matches(r.URL.Query()) {
				out = append(out, c)
			}
		}
		writeJSON(w, http.StatusOK, out)
	case "GET /lab/faults":
		writeJSON(w, http.StatusOK, s.Faults())
	case "POST /lab/faults":
		var f Fault
		if err := readJSON(r, &f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := f.Check(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Fault(f)
		w.WriteHeader(http.StatusNoContent)
	case "DELETE /lab/faults":
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	case "POST /lab/token":
		s.serveToken(w, r)
	case "POST /lab/instances":
		s.serveInstance(w, r)
	default:
		http.Error(w, "the lab knows GET /lab/calls, GET, POST and DELETE /lab/faults, POST /lab/token and /lab/instances, and /lab/k8s/, not "+r.Method+" "+r.URL.Path, http.StatusNotFound)
	}
}

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	var in TokenRequest
	if err := readJSON(r, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ttl, err := time.ParseDuration(in.TTL)
	if err != nil {
		http.Error(w, fmt.Sprintf("ttl %q isn't a duration; write for instance 10m", in.TTL), http.StatusBadRequest)
		return
	}
	in.Claims.TTL = ttl
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, s.Token(in.Claims))
}

// readJSON wants the media type, which a form of another site can't send.
func readJSON(r *http.Request, into any) error {
	if t := r.Header.Get("Content-Type"); t != "application/json" {
		return fmt.Errorf("content type %q: send application/json", t)
	}
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func ownHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

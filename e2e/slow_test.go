//go:build slow

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestSlowChildCaches: with sessions longer than the five minutes before the
// end in which the Go SDK asks at every call, the child keeps what it has, asks
// inside of that window, and is given the next set after half of the life.
func TestSlowChildCaches(t *testing.T) {
	const session, takes = 330 * time.Second, 195 * time.Second // renewed at 182 s at the latest
	w := newWorld(t, session)
	w.write("main.tf", code("use_lockfile = true", takes))
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	w.succeed(env, "holdfast", "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.checkState(3)
	r := w.report()
	if r.Endpoint.Requests >= 20 || r.Endpoint.Requests < 2 {
		t.Errorf("%d requests to the endpoint from one process", r.Endpoint.Requests)
	}
	if n := renewals(r.Identity.Hops, "deploy"); n != 1 {
		t.Errorf("%d renewals in %v of sessions of %v", n, takes, session)
	}
	var first, last string
	for _, c := range w.lab.Calls() {
		if c.Service == "s3" && c.Principal != "" {
			if first == "" {
				first = c.AccessKey
			}
			last = c.AccessKey
		}
	}
	if first == last {
		t.Error("the state was written with the credential that the run began with")
	}
	if refused := w.refusedForExpiry(); len(refused) > 0 {
		t.Errorf("refused for expiry: %+v", refused)
	}
	t.Logf("%d requests to the endpoint in %.0f s, never less than %.0f s left", r.Endpoint.Requests, r.Seconds, r.Endpoint.LeastLeftSeconds)
}

// TestSlowRepairAfterARun: the role was made by the command, so that the repair
// waits until it has had its first minute.
func TestSlowRepairAfterARun(t *testing.T) {
	s := deadNodes(t, 0)
	began := time.Now()
	s.after("", "sh", "-c", "exit 3")
	if exit := s.exit(); exit != 3 {
		t.Errorf("exit %d\n%s", exit, s.seen())
	}
	if took := time.Since(began); took < time.Minute || s.deletes() != 1 {
		t.Errorf("%d deletes in %s", s.deletes(), took)
	}
	if said := noticed(s.report(), "access.repaired"); !strings.Contains(said, "notice: repaired, guard=compare, proof: bound") {
		t.Errorf("%q\n%s", said, s.seen())
	}
	s.succeed(s.without(), "holdfast", "access", "verify", "--region", "eu-west-1", "prod")
}

package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/report"
)

// troubledWorld is three accounts with clusters in two regions; a role of the
// third isn't ours to assume.
func troubledWorld() *lab.World {
	w := &lab.World{}
	for i, id := range []string{"111111111111", "222222222222", "333333333333"} {
		trusted := "111111111111"
		if i == 2 {
			trusted = id
		}
		a := lab.Account{ID: id, Roles: []lab.Role{
			{Name: "audit", Age: 72 * time.Hour, Trust: []lab.Trust{{Principals: []string{trusted}}}},
			{Name: "old", Age: 72 * time.Hour, Trust: []lab.Trust{{Principals: []string{id}}}},
			{Name: "new", Age: time.Hour, Trust: []lab.Trust{{Principals: []string{id}}}},
		}}
		for _, region := range []string{"eu-west-1", "eu-central-1"} {
			for n := range 5 {
				a.Clusters = append(a.Clusters, labeks.Spec{Name: fmt.Sprintf("prod-%d", n), Region: region, Mode: labeks.ModeAPI, Entries: []labeks.EntrySpec{
					{PrincipalARN: "arn:aws:iam::" + id + ":role/old", Age: 48 * time.Hour},
					{PrincipalARN: "arn:aws:iam::" + id + ":role/new", Age: 48 * time.Hour, Stale: true},
				}})
			}
		}
		w.Accounts = append(w.Accounts, a)
	}
	return w
}

func troubledRequest() AccessRequest {
	req := accessRequest(NoLedger)
	req.Role, req.Accounts, req.Regions = "arn:aws:iam::{account}:role/audit", []string{"111111111111", "222222222222", "333333333333"}, []string{"eu-west-1", "eu-central-1"}
	req.Timeout = 2 * time.Second
	return req
}

// TestTroubleIsTold: what could be looked at has the verdicts that it has
// without trouble, and all the rest is named.
func TestTroubleIsTold(t *testing.T) {
	f := startRefused(t, troubledWorld())
	for _, fault := range []lab.Fault{
		{Service: "eks", Region: "eu-central-1", Kind: lab.FaultHang},
		// How an exchange with STS fares in such weather is the keeper's part.
		{Service: "eks", Kind: lab.FaultThrottle, Percent: 30},
		{Service: "iam", Kind: lab.FaultThrottle, Percent: 30},
		{Service: "eks", Kind: lab.FaultStatus, Status: 503, Percent: 10},
		{Service: "iam", Kind: lab.FaultStatus, Status: 500, Percent: 10},
	} {
		f.lab.Fault(fault)
	}
	found, err := AccessScan(t.Context(), troubledRequest(), labProcess(t, f.lab))
	if err != nil {
		t.Fatal(err)
	}
	var unseen []string
	for _, u := range found.Unseen {
		unseen = append(unseen, strings.Join([]string{u.Account, u.Region, u.Cluster, u.What}, "|"))
		if u.Why == "" {
			t.Errorf("%+v: why?", u)
		}
	}
	want := []string{"111111111111|eu-central-1||the clusters", "222222222222|eu-central-1||the clusters", "333333333333|||the account"}
	if !slices.Equal(unseen, want) {
		t.Errorf("unseen: %q", unseen)
	}
	if len(found.Clusters) != 10 || found.Count(report.Live) != 10 || found.Count(report.Stale) != 10 || found.Count() != 20 {
		t.Errorf("%d clusters, %d live, %d stale, %d entries", len(found.Clusters), found.Count(report.Live), found.Count(report.Stale), found.Count())
	}
	throttled, broken := 0, 0
	for _, c := range f.lab.Calls() {
		switch c.Fault {
		case string(lab.FaultThrottle):
			throttled++
		case string(lab.FaultStatus):
			broken++
		}
	}
	if throttled < 10 || broken < 5 {
		t.Errorf("%d calls were throttled and %d failed: that is no trouble", throttled, broken)
	}
}

// TestAnInterruptLeavesWhatWasFound: entries that weren't looked at are unknown.
func TestAnInterruptLeavesWhatWasFound(t *testing.T) {
	f := startRefused(t, troubledWorld())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := troubledRequest()
	req.Accounts, req.Regions = req.Accounts[:1], req.Regions[:1]
	req.Progress = func(p AccessProgress) {
		if p.Judged == 4 {
			cancel()
		}
	}
	found, err := AccessScan(ctx, req, labProcess(t, f.lab))
	if err != nil || !found.Interrupted || found.Count() != 10 {
		t.Fatalf("%v, %+v", err, found)
	}
	if judged, unknown := found.Count(report.Live), found.Count(report.Unknown); judged < 1 || unknown < 1 {
		t.Errorf("%d live, %d unknown", judged, unknown)
	}
}

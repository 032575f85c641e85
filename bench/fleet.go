package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/lab"
)

// The fleet: an organisation of clusters, and what AWS takes of it.
const (
	fleetAccounts = 100
	fleetClusters = 10 // of an account
	fleetEntries  = 50 // of a cluster
	fleetRate     = 10.0
	fleetLatency  = 20 * time.Millisecond
	fleetRegion   = "eu-west-1"
	fleetMemory   = 150e6
)

func fleetAccount(i int) string { return fmt.Sprintf("%012d", 100000000000+i) }

func fleetWorld() *lab.World {
	w := &lab.World{Latency: fleetLatency, Limits: []lab.Limit{{Service: "eks", Rate: fleetRate}, {Service: "iam", Rate: fleetRate}}}
	for i := range fleetAccounts {
		a := lab.Account{ID: fleetAccount(i), Fleets: []lab.Fleet{{Name: "shop", Clusters: fleetClusters, Entries: fleetEntries, Age: 48 * time.Hour}}}
		a.Roles = []lab.Role{{Name: "audit", Age: 100 * time.Hour, Trust: []lab.Trust{{Principals: []string{fleetAccount(0)}}}}}
		w.Accounts = append(w.Accounts, a)
	}
	return w
}

// scanned is one scan of the fleet by a process of its own.
type scanned struct {
	calls   int
	seconds float64
	memory  float64 // bytes, at its highest
	live    int
}

// fleet measures the scan of many clusters, and the naive way beside it.
func (p *programs) fleet(ctx context.Context) []row {
	names := []string{"first scan: calls", "first scan: time", "first scan: memory", "second scan: calls", "second scan: time", "the naive way"}
	l, err := lab.Start(lab.Options{World: fleetWorld()})
	if err != nil {
		return unmeasured(err, names...)
	}
	defer l.Close()
	first, err := p.scan(ctx, l)
	if err != nil {
		return unmeasured(err, names...)
	}
	second, err := p.scan(ctx, l)
	if err != nil {
		return unmeasured(err, names...)
	}
	const clusters, entries = fleetAccounts * fleetClusters, fleetAccounts * fleetClusters * fleetEntries
	// What can't be avoided without a ledger: the clusters and the roles of each
	// account, the entries of each cluster, and each entry.
	least := fleetAccounts*2 + clusters + entries
	perAccount := 1 + fleetClusters + fleetClusters*fleetEntries
	floor := float64(perAccount-int(fleetRate)) / fleetRate // a second's worth goes at once
	what := fmt.Sprintf("%d clusters, %d entries, %d accounts; %d live", clusters, entries, fleetAccounts, first.live)
	rows := []row{
		{what: names[0], measured: fmt.Sprint(first.calls), goal: fmt.Sprintf("<= %d", least*11/10), met: first.calls <= least*11/10, detail: fmt.Sprintf("%s; %d can't be avoided", what, least)},
		{what: names[1], measured: fmt.Sprintf("%.1f s", first.seconds), goal: fmt.Sprintf("<= %.1f s", floor*1.1), met: first.seconds <= floor*1.1, detail: fmt.Sprintf("the limits allow no less than %.1f s", floor)},
		{what: names[2], measured: fmt.Sprintf("%.0f MB", first.memory/1e6), goal: "< 150 MB", met: first.memory < fleetMemory, detail: "resident, at its highest"},
		{what: names[3], measured: fmt.Sprint(second.calls), goal: fmt.Sprintf("<= %d", first.calls*3/100), met: second.calls <= first.calls*3/100 && second.live == first.live, detail: fmt.Sprintf("%d live; at most 3 %% of the first", second.live)},
		{what: names[4], measured: fmt.Sprintf("%.1f s", second.seconds), detail: fmt.Sprintf("%.0f MB", second.memory/1e6)},
	}
	calls, took, err := naive(ctx, l)
	if err != nil {
		return append(rows, row{what: names[5], err: err})
	}
	const share = entries / fleetEntries
	return append(rows, row{what: names[5], measured: fmt.Sprintf("%d calls, %.0f min", calls*share, took.Minutes()*share),
		detail: fmt.Sprintf("extrapolated from one cluster (%d calls, %.1f s): DescribeAccessEntry and GetRole, one after another", calls, took.Seconds())})
}

// scan runs holdfast over the whole fleet.
func (p *programs) scan(ctx context.Context, l *lab.Server) (scanned, error) {
	accounts := make([]string, fleetAccounts)
	for i := range accounts {
		accounts[i] = fleetAccount(i)
	}
	cmd := exec.CommandContext(ctx, p.holdfast, "access", "scan", "--output", "json", "--region", fleetRegion, "--rate", fmt.Sprint(fleetRate),
		"--ledger", filepath.Join(p.dir, "ledger.jsonl"), "--account-role", "arn:aws:iam::{account}:role/audit", "--account", strings.Join(accounts, ","))
	cmd.Env = append(l.Env(), "AWS_ENDPOINT_URL_STS="+l.URL(), "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "HOME="+p.dir)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return scanned{}, err
	}
	// What the kernel tells of a process that has ended counts this one's memory
	// too, from before the other program began.
	most := make(chan float64)
	ended := make(chan struct{})
	go func() {
		highest := 0.0
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			if now, err := peak(cmd.Process.Pid); err == nil {
				highest = float64(now)
			}
			select {
			case <-tick.C:
			case <-ended:
				most <- highest
				return
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	got := scanned{seconds: time.Since(began).Seconds(), memory: <-most}
	if err != nil {
		return scanned{}, fmt.Errorf("holdfast access scan: %w: %s", err, said.String())
	}
	if got.memory == 0 {
		return scanned{}, errors.New("the system doesn't say how much memory a process has")
	}
	var found struct {
		Calls    int
		Clusters []struct{ Entries []struct{ Verdict string } }
	}
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		return scanned{}, err
	}
	got.calls = found.Calls
	for _, c := range found.Clusters {
		for _, e := range c.Entries {
			if e.Verdict == "LIVE" {
				got.live++
			}
		}
	}
	if want := fleetAccounts * fleetClusters * fleetEntries; got.live != want {
		return got, fmt.Errorf("%d of %d entries are live", got.live, want)
	}
	return got, nil
}

// naive goes through one cluster the way a first script does.
func naive(ctx context.Context, l *lab.Server) (calls int, took time.Duration, err error) {
	env := map[string]string{}
	for _, e := range l.Env() {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	keys := credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")
	patient := retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 20 })
	e := eks.New(eks.Options{Region: fleetRegion, BaseEndpoint: aws.String(l.URL()), Credentials: keys, Retryer: patient})
	i := iam.New(iam.Options{Region: fleetRegion, BaseEndpoint: aws.String(l.URL()), Credentials: keys, Retryer: patient})
	before, began := len(l.Calls()), time.Now()
	cluster := aws.String("shop-0001")
	for pages := eks.NewListAccessEntriesPaginator(e, &eks.ListAccessEntriesInput{ClusterName: cluster}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, 0, err
		}
		for _, principal := range page.AccessEntries {
			_, err := e.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: cluster, PrincipalArn: &principal})
			if err == nil {
				_, err = i.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String(principal[strings.LastIndexByte(principal, '/')+1:])})
			}
			if err != nil {
				return 0, 0, err
			}
		}
	}
	calls = len(l.Calls()) - before
	if calls < fleetEntries*2 {
		return 0, 0, errors.New("the cluster has fewer entries than it should")
	}
	return calls, time.Since(began), nil
}

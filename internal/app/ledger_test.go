package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/awsapi/statestore"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/ledger"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
	"github.com/holdfast/holdfast/internal/tf/backend"
)

const sharedAt = "s3://acme-ledger/eks/"

// sharedWorld is a world of stale entries with a bucket in each of two regions.
func sharedWorld() *lab.World {
	w := staleWorld(1)
	w.Accounts[0].Buckets = []lab.Bucket{{Name: "acme-ledger", Versioned: true}, {Name: "far-away", Region: "eu-central-1"}}
	return w
}

// object is the ledger of sharedWorld over the real SDK, as the administrator.
func object(t *testing.T, l *lab.Server) *statestore.Object {
	t.Helper()
	env := labEnvironment(t, l)
	at := backend.S3{Bucket: "acme-ledger", Key: "eks/bindings.jsonl", Region: "eu-west-1"}.Environment(env)
	return statestore.NewObject(at, func(context.Context) (cred.Set, error) {
		return cred.New(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""), nil
	}, 5*time.Second)
}

func shared(o ledger.Object) ledger.Shared {
	return ledger.Shared{Object: o, Where: sharedAt + ledger.FileName}
}

func seenBy(writer string, n int) access.Observation {
	return access.Observation{Cluster: writer, Principal: fmt.Sprint("p", n), Entry: "e", ID: "AROA", At: time.Unix(int64(n), 0).UTC()}
}

// holdsOnce says whether a ledger has n lines of each writer, each once.
func holdsOnce(t *testing.T, o ledger.Object, n int, writers ...string) {
	t.Helper()
	all, err := shared(o).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != n*len(writers) {
		t.Errorf("%d lines, want %d", len(all), n*len(writers))
	}
	for _, w := range writers {
		for i := range n {
			if got := all[access.Key{Cluster: w, Principal: fmt.Sprint("p", i)}]; len(got) != 1 || got[0] != seenBy(w, i) {
				t.Errorf("line %d of %s: %+v", i, w, got)
			}
		}
	}
}

// TestWritersOfOneObjectLoseNoLine: two machines append at once, and S3 refuses
// whoever read before the other wrote.
func TestWritersOfOneObjectLoseNoLine(t *testing.T) {
	w := sharedWorld()
	w.Latency = 3 * time.Millisecond
	f := startRefused(t, w)
	const lines = 40
	writers := []string{"here", "there"}
	if ok, err := object(t, f.lab).Replace(t.Context(), "", strings.NewReader("{\"ledger\":1}\n")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	var work, read sync.WaitGroup
	read.Add(len(writers))
	for _, w := range writers {
		// Nobody puts anything before everybody has read, so that they meet.
		meet := sync.OnceFunc(func() { read.Done(); read.Wait() })
		own := shared(between{object(t, f.lab), meet})
		work.Go(func() {
			for i := range lines {
				if err := own.Append(t.Context(), []access.Observation{seenBy(w, i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	holdsOnce(t, object(t, f.lab), lines, writers...)
	refused := 0
	for _, c := range f.lab.Calls() {
		if c.Operation == "PutObject" && c.Status == 412 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nobody was refused: the writers never met")
	}
	t.Logf("%d of %d puts came too late", refused, lines*len(writers)+refused)
}

// between is an object before which something happens once it was read.
type between struct {
	*statestore.Object
	do func()
}

func (b between) Replace(ctx context.Context, version string, content io.ReadSeeker) (bool, error) {
	b.do()
	return b.Object.Replace(ctx, version, content)
}

// TestBetweenReadAndPut: whatever happens there, the lines of all are there
// afterwards.
func TestBetweenReadAndPut(t *testing.T) {
	f := startRefused(t, sharedWorld())
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	remove := func() {
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("acme-ledger"), Key: aws.String("eks/bindings.jsonl")}); err != nil {
			t.Fatal(err)
		}
	}
	other := func() {
		if err := shared(object(t, f.lab)).Append(t.Context(), []access.Observation{seenBy("there", 0)}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		before bool // whether there is a ledger already
		do     func()
		fails  bool
		holds  []string
	}{
		"another begins it":   {do: other, holds: []string{"here", "there"}},
		"another adds":        {before: true, do: other, holds: []string{"before", "here", "there"}},
		"somebody deletes it": {before: true, do: remove, holds: []string{"here"}},
		"a kill":              {before: true, do: func() { panic("killed") }, fails: true, holds: []string{"before"}},
		"a kill at the start": {do: func() { panic("killed") }, fails: true},
		"S3 fails for once": {before: true, do: func() {
			f.lab.Fault(lab.Fault{Service: "s3", Operation: "PutObject", Kind: lab.FaultStatus, Status: 503, Count: 1})
		}, holds: []string{"before", "here"}},
		"S3 fails for good": {before: true, do: func() {
			f.lab.Fault(lab.Fault{Service: "s3", Operation: "PutObject", Kind: lab.FaultStatus, Status: 500})
		}, fails: true, holds: []string{"before"}},
		"a conflict for once":  {before: true, do: func() { f.lab.Fault(conflict(1)) }, holds: []string{"before", "here"}},
		"a conflict for good":  {before: true, do: func() { f.lab.Fault(conflict(0)) }, fails: true, holds: []string{"before"}},
		"the line is cut once": {before: true, do: func() { f.lab.Fault(lab.Fault{Service: "s3", Operation: "PutObject", Kind: lab.FaultDrop, Count: 1}) }, holds: []string{"before", "here"}},
	} {
		t.Run(name, func(t *testing.T) {
			f.lab.ClearFaults()
			remove()
			o := object(t, f.lab)
			if test.before {
				if err := shared(o).Append(t.Context(), []access.Observation{seenBy("before", 0)}); err != nil {
					t.Fatal(err)
				}
			}
			done := false
			once := func() {
				if !done {
					done = true
					test.do()
				}
			}
			err := func() (err error) {
				defer func() {
					if r := recover(); r != nil {
						err = errors.New(fmt.Sprint(r))
					}
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				return shared(between{o, once}).Append(ctx, []access.Observation{seenBy("here", 0)})
			}()
			if (err != nil) != test.fails || !done {
				t.Errorf("%v, done %v", err, done)
			}
			f.lab.ClearFaults()
			holdsOnce(t, o, 1, test.holds...)
		})
	}
}

func conflict(count int) lab.Fault {
	return lab.Fault{Service: "s3", Operation: "PutObject", Kind: lab.FaultError, Status: 409, Code: "ConditionalRequestConflict", Message: "conflict", Count: count}
}

func sharedRequest(place string) AccessRequest {
	req := accessRequest(place)
	req.Wish.Roles = []source.Role{{ARN: opsRole}}
	return req
}

// TestScansShareALedger: what one machine has seen another needn't read, with a
// bucket of whatever region.
func TestScansShareALedger(t *testing.T) {
	for _, place := range []string{sharedAt, "s3://far-away"} {
		f := startRefused(t, sharedWorld())
		for i, want := range []int{3, 5} { // the live one isn't read again
			found, err := AccessScan(t.Context(), sharedRequest(place), labProcess(t, f.lab))
			if err != nil || found.Count(report.Live) != 1 || found.Count(report.Stale) != 2 {
				t.Fatalf("%s: %v, %+v", place, err, found)
			}
			if got := f.count("DescribeAccessEntry"); got != want {
				t.Errorf("%s: scan %d: %d entries were read so far, want %d", place, i+1, got, want)
			}
		}
	}
}

// TestALedgerThatIsRefused is an error which names the object and what is
// missing, and never an empty ledger.
func TestALedgerThatIsRefused(t *testing.T) {
	const all = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	deny := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[` + all + `,{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`
	}
	for name, test := range map[string]struct {
		place, policy string
		fault         lab.Fault
		content       string
		says          []string
		found         bool // whether the scan went on
	}{
		"no GetObject":  {policy: deny("s3:GetObject"), content: "{\"ledger\":1}\n", says: []string{"can't be read", sharedAt + "bindings.jsonl", "s3:GetObject of", "AccessDenied", "s3:ListBucket"}},
		"no ListBucket": {policy: deny("s3:ListBucket"), says: []string{"can't be read", "s3:GetObject of", "s3:ListBucket on its bucket", "iam-policy scan --ledger " + sharedAt}},
		"no PutObject":  {policy: deny("s3:PutObject"), says: []string{"can't be written", sharedAt + "bindings.jsonl", "s3:PutObject of", "AccessDenied"}, found: true},
		"no bucket":     {place: "s3://nobodys-bucket/k", says: []string{"s3://nobodys-bucket/k", "NoSuchBucket", "make the bucket"}},
		"no ledger":     {content: "hello\n", says: []string{sharedAt + "bindings.jsonl", "not a ledger of version 1"}},
		"no answer":     {fault: lab.Fault{Service: "s3", Kind: lab.FaultHang}, says: []string{"can't be read", "s3:GetObject of " + sharedAt, "--ledger none"}},
		"500":           {fault: lab.Fault{Service: "s3", Kind: lab.FaultStatus, Status: 500}, says: []string{"can't be read", "InternalError"}},
		"404 of another kind": {fault: lab.Fault{Service: "s3", Kind: lab.FaultError, Status: 404, Code: "NoSuchVersion", Message: "x"},
			says: []string{"can't be read", "NoSuchVersion"}},
		"a bucket elsewhere": {fault: lab.Fault{Service: "s3", Kind: lab.FaultError, Status: 400, Code: "AuthorizationHeaderMalformed", Message: "expecting eu-north-1"}, says: []string{"AWS_REGION"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := startRefused(t, sharedWorld())
			if test.content != "" {
				if ok, err := object(t, f.lab).Replace(t.Context(), "", strings.NewReader(test.content)); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
			if test.fault.Kind != "" {
				f.lab.Fault(test.fault)
				defer f.lab.ClearFaults()
			}
			req := sharedRequest(sharedAt)
			if test.place != "" {
				req.Ledger = test.place
			}
			req.Wish.Roles[0].Policy, req.Timeout = test.policy, 300*time.Millisecond
			found, err := AccessScan(t.Context(), req, labProcess(t, f.lab))
			if err == nil {
				t.Fatalf("no error, %+v", found)
			}
			for _, words := range test.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q isn't in:\n%v", words, err)
				}
			}
			if (found.Count() > 0) != test.found {
				t.Errorf("%d entries were judged", found.Count())
			}
		})
	}
}

// TestALedgerElsewhereIsUsage: before anybody is asked.
func TestALedgerElsewhereIsUsage(t *testing.T) {
	_, err := AccessScan(t.Context(), accessRequest("gs://acme/k"), Process{Dir: t.TempDir(), Home: t.TempDir()})
	if cure.ClassOf(err) != cure.Usage || !strings.Contains(err.Error(), `"gs://acme/k"`) {
		t.Error(err)
	}
}

// TestALedgerIsWhoeverScans: it is reached before anybody becomes a role of an
// account, which here may not so much as look at the bucket.
func TestALedgerIsWhoeverScans(t *testing.T) {
	w := troubledWorld()
	w.Accounts[0].Buckets = []lab.Bucket{{Name: "acme-ledger"}}
	f := startRefused(t, w)
	req := troubledRequest()
	req.Ledger, req.Accounts, req.Regions = sharedAt, req.Accounts[1:2], req.Regions[:1]
	found, err := AccessScan(t.Context(), req, labProcess(t, f.lab))
	if err != nil || found.Count(report.Live) != 5 || found.Count(report.Stale) != 5 {
		t.Fatalf("%v, %+v", err, found)
	}
	by := map[string]int{}
	for _, c := range f.lab.Calls() {
		if c.Service == "s3" {
			by[c.Principal]++
		}
	}
	if me := "arn:aws:iam::111111111111:user/administrator"; len(by) != 1 || by[me] != 3 { // read, then read and put
		t.Errorf("%v", by)
	}
}

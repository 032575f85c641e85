package lab_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/holdfast/holdfast/internal/lab"
)

// A fleet of 1,000 clusters with 50 roles and entries each is there in under
// 5 s and 500 MB, and answers.
func TestFleet(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	f := start(t, lab.Options{Latency: 20 * time.Millisecond, World: &lab.World{Accounts: []lab.Account{{
		ID: account, Fleets: []lab.Fleet{{Name: "shop", Clusters: 1000, Entries: 50, Stale: 1}},
	}}}})
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	held, reserved := (after.HeapAlloc-before.HeapAlloc)>>20, after.Sys>>20
	t.Logf("started in %s, holds %d MB, %d MB of the system", took, held, reserved)
	if took > slower*5*time.Second || reserved > 500 {
		t.Error("too slow or too big")
	}
	c := f.eks(f.admin())
	n := 0
	began = time.Now()
	pages := eks.NewListClustersPaginator(c, &eks.ListClustersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Clusters)
	}
	if passed := time.Since(began); n != 1000 || passed < 200*time.Millisecond {
		t.Errorf("%d clusters in ten pages of 20 ms took %s", n, passed)
	}
	list, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("shop-0500")})
	if err != nil || len(list.AccessEntries) != 50 {
		t.Errorf("%+v, %v", list, err)
	}
	if settled(t, c, "shop-1000").Endpoint == nil {
		t.Error("no address")
	}
}

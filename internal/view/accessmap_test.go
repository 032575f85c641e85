package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/view"
)

func scanOf(clusters int) report.Access {
	a := report.Access{SchemaVersion: 1, Started: time.Unix(0, 0).UTC(), Clusters: []report.AccessCluster{}, Unseen: []report.AccessUnseen{{What: `"clusters": []`, Why: "<&>"}}}
	for range clusters {
		a.Clusters = append(a.Clusters, report.AccessCluster{Name: "prod", Entries: []report.AccessEntry{{Principal: "<a>", Verdict: report.Stale}, {Principal: "b"}}})
	}
	return a
}

// What is written in parts is what would be written at once.
func TestAccessJSONIsJSON(t *testing.T) {
	for n := range 3 {
		var want, got strings.Builder
		if err := view.JSON(&want, scanOf(n)); err != nil {
			t.Fatal(err)
		}
		if err := view.AccessJSON(&got, scanOf(n)); err != nil || got.String() != want.String() {
			t.Errorf("%d clusters, %v:\n%s\n%s", n, err, got.String(), want.String())
		}
	}
}

// A name can't leave its cell, nor a label its quotes.
func TestMarkdownKeepsNamesInTheirPlace(t *testing.T) {
	a := scanOf(1)
	a.Clusters[0].Entries[0].Principal = "role/x|y\n# z\"] <script>"
	var out strings.Builder
	view.AccessMarkdown(&out, a)
	for _, bad := range []string{"\n# z", "x|y\n", "<script>"} {
		if strings.Contains(out.String(), bad) {
			t.Errorf("%q in\n%s", bad, out.String())
		}
	}
}

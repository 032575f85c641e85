package view_test

import (
	"bytes"
	"testing"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/view"
)

func TestChanges(t *testing.T) {
	var b bytes.Buffer
	view.Changes(&b, []app.Change{{Path: "a.tf", Before: []byte("1\n2\n3\n4\nold\n6\n7\n8\n9\n10\n"), After: []byte("1\n2\n3\n4\nnew\n6\n7\n8\n9\n10\nmore\n")}})
	const want = `--- a.tf
+++ a.tf
@@ line 3
 3
 4
-old
+new
 6
 7
@@ line 9
 9
 10
+more
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

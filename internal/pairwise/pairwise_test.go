package pairwise

import "testing"

func TestEveryTwoValuesMeet(t *testing.T) {
	dims := []Dimension{{"a", []string{"1", "2", "3"}}, {"b", []string{"1", "2"}}, {"c", []string{"1", "2", "3", "4"}}, {"d", []string{"1", "2"}}}
	rows := Rows(dims)
	if n := Missing(dims, rows); n != 0 || len(rows) > 16 {
		t.Errorf("%d pairs are missing from %d rows", n, len(rows))
	}
	if n := Missing(dims, rows[1:]); n == 0 {
		t.Error("Missing doesn't see that a row is missing")
	}
}

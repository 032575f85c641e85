// Package pairwise (tests only) makes rows of values in which every two values
// of two dimensions meet: few rows that still find what two things do together.
//
// It is deterministic: the same dimensions give the same rows.
package pairwise

// Dimension is one thing that varies. What its values mean is the test's.
type Dimension struct {
	Name   string
	Values []string
}

// Row is one value for each dimension, by the dimension's name.
type Row = map[string]string

// pair is two values of two dimensions, by index; a comes before b.
type pair struct{ a, va, b, vb int }

func met(a, va, b, vb int) pair {
	if a > b {
		return pair{b, vb, a, va}
	}
	return pair{a, va, b, vb}
}

func pairs(dims []Dimension) []pair {
	var all []pair
	for a := range dims {
		for b := a + 1; b < len(dims); b++ {
			for va := range dims[a].Values {
				for vb := range dims[b].Values {
					all = append(all, pair{a, va, b, vb})
				}
			}
		}
	}
	return all
}

// Rows generates rows in which every two values of two dimensions meet.
// It is greedy and deterministic: each row starts from a pair that is still
// missing and takes, dimension by dimension, the value that adds most pairs.
func Rows(dims []Dimension) []Row {
	missing := map[pair]bool{}
	for _, p := range pairs(dims) {
		missing[p] = true
	}
	var rows []Row
	for _, start := range pairs(dims) {
		if !missing[start] {
			continue
		}
		chosen := map[int]int{start.a: start.va, start.b: start.vb}
		for d := range dims {
			if _, ok := chosen[d]; !ok {
				chosen[d] = best(d, len(dims[d].Values), len(rows), chosen, missing)
			}
		}
		r := Row{}
		for d, v := range chosen {
			r[dims[d].Name] = dims[d].Values[v]
			for other, vo := range chosen {
				if d != other {
					delete(missing, met(d, v, other, vo))
				}
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// best is the value of dimension d that adds most pairs. Ties go to a value
// that rotates from row to row, so that rows stay varied.
func best(d, values, rotation int, chosen map[int]int, missing map[pair]bool) int {
	winner, most := 0, -1
	for i := range values {
		v, count := (i+rotation)%values, 0
		for other, vo := range chosen {
			if missing[met(d, v, other, vo)] {
				count++
			}
		}
		if count > most {
			winner, most = v, count
		}
	}
	return winner
}

// Missing counts the pairs that rows don't hold, for those who leave rows out.
func Missing(dims []Dimension, rows []Row) int {
	n := 0
	for _, p := range pairs(dims) {
		found := false
		for _, r := range rows {
			found = found || r[dims[p.a].Name] == dims[p.a].Values[p.va] && r[dims[p.b].Name] == dims[p.b].Values[p.vb]
		}
		if !found {
			n++
		}
	}
	return n
}

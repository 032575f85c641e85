// Package pairwise (tests only) makes rows for tables of tests: every two values
// of two dimensions meet in at least one of them. It is greedy and
// deterministic.
package pairwise

// Dimension is something in which rows differ.
type Dimension struct {
	Name   string
	Values []string
}

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

// Rows makes them, each with a value for every dimension by its name. A row
// starts from a pair that is still missing and takes, dimension by dimension,
// the value that adds most pairs.
func Rows(dims []Dimension) []map[string]string {
	missing := map[pair]bool{}
	for _, p := range pairs(dims) {
		missing[p] = true
	}
	var rows []map[string]string
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
		r := map[string]string{}
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

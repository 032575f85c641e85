package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/app"
)

// around is how many lines stand before and after a change.
const around = 2

// Changes writes what a fix would do, file by file, in the form of a diff.
func Changes(w io.Writer, changes []app.Change) {
	for _, c := range changes {
		write(w, fmt.Sprintf("--- %s\n+++ %s\n", c.Path, c.Path))
		before, after := lines(c.Before), lines(c.After)
		show(w, edits(before, after))
	}
}

func lines(b []byte) []string { return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") }

// edit is a line with what happens to it: ' ', '-' or '+'.
type edit struct {
	sign byte
	text string
	at   int // its number in the new text
}

// edits compares by the longest common lines. What is equal at both ends is left
// out of the table, so that its size is that of the change.
func edits(a, b []string) []edit {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	x, y := a[start:len(a)-end], b[start:len(b)-end]
	common := make([][]int, len(x)+1)
	for i := range common {
		common[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if x[i] == y[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var out []edit
	for n, text := range a[:start] {
		out = append(out, edit{' ', text, n + 1})
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			out = append(out, edit{' ', x[i], start + j + 1})
			i, j = i+1, j+1
		case i < len(x) && (j == len(y) || common[i+1][j] >= common[i][j+1]):
			out = append(out, edit{'-', x[i], start + j + 1})
			i++
		default:
			out = append(out, edit{'+', y[j], start + j + 1})
			j++
		}
	}
	for n, text := range b[len(b)-end:] {
		out = append(out, edit{' ', text, len(b) - end + n + 1})
	}
	return out
}

// show writes the changed lines and those around them.
func show(w io.Writer, all []edit) {
	near := make([]bool, len(all))
	for i, e := range all {
		if e.sign != ' ' {
			for n := max(0, i-around); n <= min(len(all)-1, i+around); n++ {
				near[n] = true
			}
		}
	}
	for i, e := range all {
		if !near[i] {
			continue
		}
		if i == 0 || !near[i-1] {
			write(w, fmt.Sprintf("@@ line %d\n", e.at))
		}
		write(w, string(e.sign)+e.text+"\n")
	}
}

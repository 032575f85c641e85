package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/report"
)

// Rescue writes what became of a directory's state. With look it was only looked
// at: the two states, the digest and the lock stand side by side.
func Rescue(w io.Writer, r report.Rescue, look bool) {
	write(w, r.Dir+"\n")
	if look {
		sideBySide(w, r)
	}
	said := r.Sentences()
	if look {
		said = wouldDo(r)
	}
	if len(said) == 0 {
		said = []string{"nothing to rescue"}
	}
	for _, line := range said {
		write(w, paragraph("  ", line))
	}
}

// NothingToRescue says what was looked for, and where.
func NothingToRescue(w io.Writer, dirs []string) {
	where := "here"
	if len(dirs) > 0 {
		where = "in " + strings.Join(dirs, ", ")
	}
	write(w, paragraph("", "nothing to rescue: no Terraform was initialised "+where+", no errored.tfstate lies below, and no run ended there without its keeper"))
}

func sideBySide(w io.Writer, r report.Rescue) {
	row := func(name, format string, args ...any) {
		write(w, fmt.Sprintf("  %-8s %s\n", name, fmt.Sprintf(format, args...)))
	}
	if v := r.Found; v != nil {
		row("found", "serial %d, lineage %s", v.Serial, v.Lineage)
		row("", "%s", v.From)
	} else {
		row("found", "nothing")
	}
	switch v := r.Remote; {
	case v != nil:
		row("backend", "serial %d, lineage %s", v.Serial, v.Lineage)
		row("", "%s", v.From)
		if v.Digest != "" && v.Digest != v.MD5 {
			row("digest", "%s, and the object is", v.Digest)
			row("", "%s", v.MD5)
		} else if v.Digest != "" {
			row("digest", "fits")
		}
	case r.Blind:
		row("backend", "couldn't be looked at")
	default:
		row("backend", "no state in %s", r.Where)
	}
	if r.LockHeld != "" {
		row("lock", "%s", strings.Replace(r.LockHeld, " (", "\n           (", 1))
	} else if !r.Blind {
		row("lock", "none")
	}
}

// wouldDo is the decision in words.
func wouldDo(r report.Rescue) []string {
	var would []string
	for _, do := range []struct {
		it   bool
		word string
	}{
		{r.Digest == "repair", "repair the digest"},
		{r.State == "push", "push what was found"},
		{r.State == "keep", "keep what was found"},
		{r.State == "already there", "remove what was found, which the backend has"},
		{r.Lock == "release", "release the lock"},
	} {
		if do.it {
			would = append(would, do.word)
		}
	}
	said := append([]string{}, r.Why...)
	for _, address := range r.Orphans {
		said = append(said, "perhaps made, and in no state: "+address)
	}
	if len(would) > 0 {
		said = append(said, "rescue would "+strings.Join(would, ", then "))
	}
	for _, command := range r.Next {
		said = append(said, "  "+command)
	}
	return said
}

// Pruned lists what was removed.
func Pruned(w io.Writer, gone []app.Pruned, dry bool) {
	verb := "removed"
	if dry {
		verb = "would remove"
	}
	for _, p := range gone {
		write(w, fmt.Sprintf("%s %s  (settled %s)\n", verb, p.Dir, p.Settled.Format("2006-01-02")))
	}
	if len(gone) == 0 {
		write(w, "nothing to remove\n")
	}
}

package finding

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Waiver is somebody's decision that findings don't count for a while.
type Waiver struct {
	Rule    string
	Subject string // an address, or a pattern with *; empty: every subject
	File    string // a path or a pattern with *; empty: every file
	Reason  string
	Until   time.Time // the day on which it ends, included; zero only in a baseline, which has no end
	Range   Range     // where it stands
	InCode  bool
}

// Day is the layout of a waiver's end.
const Day = "2006-01-02"

// Waive marks the findings that a waiver means and gives back the waivers that
// have ended although something would still need them.
func Waive(findings []Finding, waivers []Waiver, now time.Time) (out []Finding, ended []Waiver) {
	out = slices.Clone(findings)
	for i, f := range out {
		late := -1
		for n, w := range waivers {
			switch {
			case f.Waiver != nil || !w.means(f):
			case w.over(now):
				late = n
			default:
				out[i].Waiver = &Waived{Reason: w.Reason, Where: w.Range.String(), InCode: w.InCode}
				if !w.Until.IsZero() {
					out[i].Waiver.Until = w.Until.Format(Day)
				}
			}
			f = out[i]
		}
		if f.Waiver == nil && late >= 0 {
			ended = append(ended, waivers[late])
			out[i].Evidence = append(slices.Clone(f.Evidence),
				fmt.Sprintf("its waiver ended on %s: %s", waivers[late].Until.Format(Day), waivers[late].Range))
		}
	}
	return out, ended
}

// over reports whether the day of its end has passed, in UTC.
func (w Waiver) over(now time.Time) bool {
	return !w.Until.IsZero() && now.UTC().Format(Day) > w.Until.Format(Day)
}

func (w Waiver) means(f Finding) bool {
	return w.Rule == f.Rule && matches(w.Subject, f.Subject) && matches(w.File, f.Range.File)
}

// matches compares a name with a pattern in which * stands for any characters.
// Everything else is plain: addresses have brackets and slashes.
func matches(pattern, name string) bool {
	if pattern == "" || pattern == name {
		return true
	}
	start, rest, more := strings.Cut(pattern, "*")
	name, ok := strings.CutPrefix(name, start)
	if !ok || !more {
		return ok && name == ""
	}
	for i := 0; i <= len(name); i++ {
		if rest == "" || matches(rest, name[i:]) {
			return true
		}
	}
	return false
}

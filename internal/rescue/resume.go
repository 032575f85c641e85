package rescue

import (
	"bytes"
	"os"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/journal"
)

// Unfinished finds the journals of rescues of one directory that were killed,
// oldest first. A state that was left to a person is finished: it begins anew.
func Unfinished(all []*journal.Journal, dir string) []*journal.Journal {
	var found []*journal.Journal
	for _, j := range all {
		var m manifest
		if _, _, ended := j.Outcome(); !ended && j.Find(journal.Noted, noteCase, &m) && m.Dir == dir {
			found = append(found, j)
		}
	}
	return found
}

// Told is the newest journal of a directory that left something to a person; nil
// if there is none.
func Told(all []*journal.Journal, dir string) *journal.Journal {
	for _, j := range slices.Backward(all) {
		if outcome, _, _ := j.Outcome(); outcome == outcomeLeft && DirOf(j) == dir {
			return j
		}
	}
	return nil
}

// Recall is what the journals of a directory prove: those that are unfinished,
// and the last one that left something to a person.
func Recall(all []*journal.Journal, dir string) Recorded {
	var out Recorded
	if j := Told(all, dir); j != nil {
		var m manifest
		j.Find(journal.Noted, noteCase, &m)
		out.Run, out.Left, out.Digest, out.Told = m.Run, slices.Concat(m.Left, m.Locks), m.Digest, true
	}
	for _, j := range Unfinished(all, dir) {
		var m manifest
		if j.Find(journal.Noted, noteCase, &m) {
			out.Locks, out.Left = append(out.Locks, m.Locks...), append(out.Left, m.Left...)
			if m.Run != nil {
				out.Run, out.Told = m.Run, false
			}
			if m.Digest != "" {
				out.Digest = m.Digest
			}
		}
		var own taken
		if j.Find(journal.Noted, noteTaken, &own) {
			out.Locks = append(out.Locks, own.LockID)
		}
	}
	slices.Sort(out.Locks)
	out.Locks = slices.Compact(out.Locks)
	return out
}

// Kept is the state beside a journal, and where it was found.
func Kept(j *journal.Journal) (content []byte, path, from string, err error) {
	var m manifest
	j.Find(journal.Noted, noteCase, &m)
	content, err = os.ReadFile(j.Path(CopyName))
	return content, m.Path, m.From, err
}

// Left finds the newest journal that keeps exactly this content for a directory
// and was left to a person: a second look needn't keep it again.
func Left(all []*journal.Journal, dir string, content []byte) *journal.Journal {
	for _, j := range slices.Backward(all) {
		var m manifest
		outcome, _, _ := j.Outcome()
		if outcome != outcomeLeft || !j.Find(journal.Noted, noteCase, &m) || m.Dir != dir {
			continue
		}
		if kept, err := os.ReadFile(j.Path(CopyName)); err == nil && bytes.Equal(kept, content) {
			return j
		}
	}
	return nil
}

// DirOf is the directory that a journal is about; empty if it doesn't say.
func DirOf(j *journal.Journal) string {
	var m manifest
	j.Find(journal.Noted, noteCase, &m)
	return m.Dir
}

// SettledAt is when a rescue came to its end with nothing left to do, or was
// taken up by another that keeps the same copy.
func SettledAt(j *journal.Journal) (time.Time, bool) {
	outcome, at, _ := j.Outcome()
	return at, outcome == outcomeSettled || outcome == outcomeTaken
}

// EngineOf is the Terraform that worked in the directory of a journal.
func EngineOf(j *journal.Journal) (name, program string) {
	var m manifest
	j.Find(journal.Noted, noteCase, &m)
	return m.Engine, m.Program
}

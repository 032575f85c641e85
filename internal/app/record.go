package app

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// record is what a keeper saw of a process, on the disk from the moment in which
// it read the process's lock until what the process left behind is settled: for
// a keeper that is killed, so that a later rescue still has its proof.
type record struct {
	Dir     string     `json:"dir"`
	Engine  string     `json:"engine"`
	Program string     `json:"program"`
	PID     int        `json:"pid"`
	Born    string     `json:"born"`
	Run     rescue.Run `json:"run"`
}

// recordPath is the file of a directory's record. There is one at most: the lock
// lets one process work there.
func (r *rescuer) recordPath(home, dir string) string {
	return filepath.Join(filepath.Dir(home), "running", state.Digest([]byte(dir))+".json")
}

// remember puts the record on the disk, in the first home that can be written.
func (r *rescuer) remember(p link.Process, run rescue.Run) error {
	b, err := json.Marshal(record{p.Dir, p.Engine, p.Path, p.PID, p.Born, run})
	if err != nil {
		return err
	}
	var problems []error
	for _, home := range r.homes {
		path := r.recordPath(home, p.Dir)
		err := durable.Mkdir(filepath.Dir(path))
		if err == nil {
			err = durable.Write(path, b, 0o600)
		}
		if err == nil {
			return nil
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// forget removes the record of a directory, or only that of the process which
// began then: another one is an earlier process's, whose story isn't over.
func (r *rescuer) forget(dir string, began time.Time) {
	for _, home := range r.homes {
		path := r.recordPath(home, dir)
		if rec, ok := readRecord(path); began.IsZero() || ok && rec.Run.Began.Equal(began) {
			_ = os.Remove(path) // one that stays is of a process that has ended, and proves nothing wrong
		}
	}
}

func readRecord(path string) (rec record, ok bool) {
	b, err := os.ReadFile(path)
	return rec, err == nil && json.Unmarshal(b, &rec) == nil
}

// recorded is the record of a directory whose keeper didn't live to settle it.
// While the process itself lives there is none: its story isn't over.
func (r *rescuer) recorded(dir string) (record, bool) {
	for _, home := range r.homes {
		rec, ok := readRecord(r.recordPath(home, dir))
		if ok && rec.Dir == dir && (rec.Born == "" || supervise.Born(rec.PID) != rec.Born) {
			return rec, true
		}
	}
	return record{}, false
}

// alone are the directories whose keeper didn't live to settle them.
func (r *rescuer) alone() (dirs []string) {
	for _, home := range r.homes {
		names, _ := filepath.Glob(filepath.Join(filepath.Dir(home), "running", "*.json")) // none: none is there
		for _, name := range names {
			if rec, ok := readRecord(name); ok {
				dirs = append(dirs, rec.Dir)
			}
		}
	}
	return dirs
}

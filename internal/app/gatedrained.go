package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// drainedHere is what recorded runs in the working directory, or below it (in
// Terragrunt's cache), left tainted. A record that can't be read is unknown.
func drainedHere(p Process, env precedence.Env) (left []gate.Drained, unread []string) {
	paths, _ := filepath.Glob(filepath.Join(stateHome(env, p.Home), "drained", "*.json"))
	for _, path := range paths {
		var d report.Drained
		b, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(b, &d)
		}
		if err != nil {
			unread = append(unread, path)
			continue
		}
		if d.Dir != p.Dir && !strings.HasPrefix(d.Dir, p.Dir+string(filepath.Separator)) {
			continue
		}
		for _, i := range d.Tainted {
			left = append(left, gate.Drained{Address: i.Address, ID: i.ID, Record: path})
		}
	}
	return left, unread
}

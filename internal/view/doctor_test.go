package view_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/doctor"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

var update = flag.Bool("update", false, "write what is seen into the golden files")

func places() map[string]doctor.Facts {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	web := precedence.Winner{Source: precedence.EnvWebIdentity, Where: precedence.Where{Variable: "AWS_WEB_IDENTITY_TOKEN_FILE"}, Renewable: true}
	keys := precedence.Winner{Source: precedence.EnvKeys, Where: precedence.Where{Variable: "AWS_ACCESS_KEY_ID"}}
	ci := doctor.Hop{Name: "ci", ARN: "arn:aws:iam::111111111111:role/ci", Web: true, Life: time.Hour}
	deploy := doctor.Hop{Name: "deploy", ARN: "arn:aws:iam::222222222222:role/deploy", Life: time.Hour, Chained: true}
	return map[string]doctor.Facts{
		"clean": {
			Now: now, Command: []string{"tofu", "apply"}, Engine: "tofu", Hops: []doctor.Hop{ci},
			Winners: []doctor.Winner{{SDK: precedence.Go, Winner: web}, {SDK: precedence.Python, Winner: web}},
			Place:   doctor.Place{Region: "eu-west-1", WebIdentity: true},
		},
		"terragrunt": {
			Now: now, Command: []string{"terragrunt", "apply"}, Hops: []doctor.Hop{ci, deploy},
			Winners: []doctor.Winner{{SDK: precedence.Go, Winner: web}},
			Place:   doctor.Place{Region: "eu-west-1", Terragrunt: true, Role: doctor.Role{ARN: deploy.ARN, Where: "live/root.hcl:14:1"}, Binary: doctor.Setting{Value: "/opt/bin/tofu", Where: "live/root.hcl:2:1"}},
		},
		"session": {
			Now: now, Command: []string{"terraform", "apply"}, Engine: "terraform", Version: "1.11.4", Mortal: true, Ends: now.Add(40 * time.Minute),
			Hops:    []doctor.Hop{{Name: "keys in the environment", Life: 40 * time.Minute}},
			Winners: []doctor.Winner{{SDK: precedence.Go, Winner: keys}},
			Place:   doctor.Place{Region: "eu-west-1", Keys: true, SessionKeys: true, KeysEnd: now.Add(40 * time.Minute), GitHub: true, Wrapper: "/opt/terraform/terraform-bin"},
		},
		"refused": {
			Now: now, Refused: []string{"no credential from what the SDK finds", "no keys", "log in, or name a source"}, Unseen: []string{"main.tf:1:16: can't be read: Unclosed"},
			Winners: []doctor.Winner{{SDK: precedence.Go, Winner: precedence.Winner{Source: precedence.None}}},
		},
	}
}

func TestDoctor(t *testing.T) {
	for name, facts := range places() {
		found := doctor.Decide(facts)
		var text, json bytes.Buffer
		view.Doctor(&text, found)
		if err := view.JSON(&json, found); err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(text.String(), "\n") {
			if len([]rune(line)) > 80 && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%s: %d columns: %s", name, len([]rune(line)), line)
			}
		}
		golden(t, "doctor_"+name+".txt", text.Bytes())
		golden(t, "doctor_"+name+".json", json.Bytes())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s (%v): got\n%s", name, err, got)
	}
}

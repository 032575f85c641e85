package doctor_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/doctor"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/tf/code"
)

const (
	ci     = "arn:aws:iam::111111111111:role/ci"
	deploy = "arn:aws:iam::222222222222:role/deploy"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// value is one value of a dimension: what it does to the facts, and which rules
// see it.
type value struct {
	name  string
	set   func(*doctor.Facts)
	rules []string
}

func command(words ...string) func(*doctor.Facts) {
	return func(f *doctor.Facts) {
		f.Command = words
		f.Place.Terragrunt = words[0] == "terragrunt"
		f.Place.ContainerNoHost = doctor.OwnNetwork(words)
		if words[0] == "terraform" {
			f.Engine, f.Version = "terraform", "1.5.7"
		}
	}
}

func winner(w precedence.Winner, also ...func(*doctor.Facts)) func(*doctor.Facts) {
	return func(f *doctor.Facts) {
		f.Winners = []doctor.Winner{{SDK: precedence.Go, Winner: w}}
		for _, change := range also {
			change(f)
		}
	}
}

// dimensions are what a place can differ in. All their combinations are tried,
// so every pair is.
func dimensions() map[string][]value {
	session := func(left time.Duration) func(*doctor.Facts) {
		return func(f *doctor.Facts) {
			f.Place.Keys, f.Place.SessionKeys, f.Mortal = true, true, true
			if left > 0 {
				f.Place.KeysEnd, f.Ends = noon().Add(left), noon().Add(left)
			}
		}
	}
	keys := precedence.Winner{Source: precedence.EnvKeys, Where: precedence.Where{Variable: "AWS_ACCESS_KEY_ID"}}
	return map[string][]value{
		"command": {
			{"terraform", command("terraform", "apply"), nil}, {"terragrunt", command("terragrunt", "apply"), nil},
			{"container", command("docker", "run", "tf"), []string{"HF123"}}, {"container on the host's network", command("docker", "run", "--network", "host", "tf"), nil},
		},
		"winner": {
			{"web", winner(precedence.Winner{Source: precedence.EnvWebIdentity, Renewable: true}), nil},
			{"long-lived keys", winner(keys), nil}, {"session", winner(keys, session(time.Hour)), nil},
			{"session that ends soon", winner(keys, session(5*time.Minute)), []string{"HF103"}}, {"session without an end", winner(keys, session(0)), nil},
			{"pod's token file", winner(precedence.Winner{Source: precedence.ContainerFull, Renewable: true}), []string{"HF115"}},
			{"an error", winner(precedence.Winner{Source: precedence.Failure, Note: "no such profile"}), []string{"HF104"}},
		},
		"role": {
			{"none", func(*doctor.Facts) {}, nil},
			{"terragrunt's", func(f *doctor.Facts) { f.Place.Role = doctor.Role{ARN: deploy, Where: "root.hcl:14:1"} }, []string{"HF102"}},
		},
		"code": {
			{"clean", func(*doctor.Facts) {}, nil},
			{"a profile", func(f *doctor.Facts) {
				f.Shadows = []precedence.Shadow{{Client: "backend", Setting: "profile", Range: code.Range{File: "a.tf", Line: 3}, Certain: true, Why: "it wins", Cure: "take it out"}}
			}, []string{"HF110"}},
			{"a cluster's token", func(f *doctor.Facts) { f.Place.EKSAuth = []string{"eks.tf:1:1"} }, []string{"HF111"}},
			{"unreadable", func(f *doctor.Facts) { f.Unseen = []string{"main.tf:1:1"} }, nil},
			{"an absolute binary", func(f *doctor.Facts) { f.Place.Binary = doctor.Setting{Value: "/opt/tofu", Where: "root.hcl:2:1"} }, []string{"HF112"}},
		},
		"hops": {
			{"fine", func(f *doctor.Facts) { f.Hops = []doctor.Hop{{Name: "ci", ARN: ci, Web: true, Life: time.Hour}} }, nil},
			{"refused", func(f *doctor.Facts) { f.Refused = []string{"can't become ci", "AWS said no", "ask somebody"} }, []string{"HF101"}},
			{"another clock", func(f *doctor.Facts) {
				f.Hops = []doctor.Hop{{Name: "ci", ARN: ci, Web: true, Life: time.Hour, Skew: -6 * time.Minute}}
			}, []string{"HF105"}},
		},
		"place": {
			{"a laptop", func(f *doctor.Facts) { f.Place.Region = "eu-west-1" }, nil},
			{"no region", func(*doctor.Facts) {}, []string{"HF106"}},
			{"a job of GitHub with the wrapper", func(f *doctor.Facts) {
				f.Place.Region, f.Place.GitHub, f.Place.Wrapper = "eu-west-1", true, "/x/terraform-bin"
			}, []string{"HF121", "HF122"}},
			{"a pod", func(f *doctor.Facts) {
				f.Place.Region, f.Place.EphemeralState, f.Place.NotWritable, f.Place.STS = "eu-west-1", "/home/x", []string{"/work"}, "http://x"
			}, []string{"HF107", "HF124", "HF125"}},
		},
	}
}

// combine calls try with every combination of the dimensions.
func combine(names []string, picked map[string]value, try func(map[string]value)) {
	if len(names) == 0 {
		try(picked)
		return
	}
	for _, v := range dimensions()[names[0]] {
		picked[names[0]] = v
		combine(names[1:], picked, try)
	}
}

func TestEveryPlace(t *testing.T) {
	names := []string{"command", "winner", "role", "code", "hops", "place"}
	n := 0
	combine(names, map[string]value{}, func(picked map[string]value) {
		n++
		f := doctor.Facts{Now: noon()}
		var want []string
		var what []string
		for _, name := range names {
			v := picked[name]
			v.set(&f)
			want = append(want, v.rules...)
			what = append(what, v.name)
		}
		want = applicable(want, picked)
		got := doctor.Decide(f)
		var rules []string
		for _, finding := range got.Findings {
			rules = append(rules, finding.Rule)
			if finding.What == "" || finding.Evidence == "" || finding.Cure == "" {
				t.Errorf("%q: half a finding: %+v", what, finding)
			}
		}
		slices.Sort(rules)
		slices.Sort(want)
		if !slices.Equal(rules, want) {
			t.Errorf("%q: found %q, want %q", what, rules, want)
		}
		if ends := endOf(picked); got.Ends != ends {
			t.Errorf("%q: ends %s, want %s", what, got.Ends, ends)
		}
		if got.Ends == "unknown" && len(got.Unknown) == 0 {
			t.Errorf("%q: unknown, and nothing says what", what)
		}
	})
	if n != 4*7*2*5*3*4 {
		t.Errorf("%d places", n)
	}
}

// applicable drops what the other dimensions make irrelevant.
func applicable(rules []string, picked map[string]value) []string {
	terragrunt := picked["command"].name == "terragrunt"
	role := terragrunt && picked["role"].name != "none"
	return slices.DeleteFunc(slices.Clone(rules), func(rule string) bool {
		switch rule {
		case "HF102", "HF112":
			return !terragrunt
		case "HF103":
			return role || picked["hops"].name == "refused" // Terragrunt's keys end later
		case "HF115":
			return picked["command"].name != "terraform"
		}
		return false
	})
}

func endOf(picked map[string]value) string {
	switch {
	case picked["hops"].name == "refused":
		return "nothing"
	case picked["command"].name == "terragrunt" && picked["role"].name != "none":
		return "at"
	}
	switch picked["winner"].name {
	case "web", "long-lived keys", "pod's token file":
		return "never"
	case "session", "session that ends soon":
		return "at"
	case "session without an end":
		return "unknown"
	}
	return "unknown"
}

func TestOtherRules(t *testing.T) {
	for rule, change := range map[string]func(*doctor.Facts){
		"HF113": func(f *doctor.Facts) { f.Place.PlanKeys = "plan.out" },
		"HF114": func(f *doctor.Facts) {
			f.Command = []string{"terraform", "init", "-backend-config=secret_key=hunter2"}
		},
	} {
		f := doctor.Facts{Now: noon(), Place: doctor.Place{Region: "eu-west-1"}}
		if got := doctor.Decide(f); len(got.Findings) != 0 {
			t.Errorf("%s without its reason: %+v", rule, got.Findings)
		}
		change(&f)
		got := doctor.Decide(f)
		if len(got.Findings) != 1 || got.Findings[0].Rule != rule || strings.Contains(fmt.Sprint(got), "hunter2") {
			t.Errorf("%s: %+v", rule, got.Findings)
		}
	}
}

func TestUnderAKeeperNothingEnds(t *testing.T) {
	f := doctor.Facts{Now: noon(), Kept: true, Command: []string{"terragrunt", "apply"}, Place: doctor.Place{Region: "x", Terragrunt: true, Role: doctor.Role{ARN: deploy}}}
	if got := doctor.Decide(f); got.Ends != "never" || got.Problems() != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheCureFitsTheEnd(t *testing.T) {
	keys := precedence.Winner{Source: precedence.EnvKeys}
	for _, row := range []struct {
		left   time.Duration
		mortal bool
		want   string
	}{
		{59 * time.Minute, true, "nothing is needed"}, {30 * time.Minute, true, "can't renew it either"}, {30 * time.Minute, false, "holdfast run -- tofu apply"},
	} {
		f := doctor.Facts{Now: noon(), Mortal: row.mortal, Command: []string{"tofu", "apply", "-var", "password=x"}}
		f.Place.SessionKeys, f.Place.KeysEnd = true, noon().Add(row.left)
		f.Winners = []doctor.Winner{{SDK: precedence.Go, Winner: keys}}
		if got := doctor.Decide(f); !strings.Contains(got.Cure, row.want) || strings.Contains(got.Cure, "password") {
			t.Errorf("%v: %q, want %q", row.left, got.Cure, row.want)
		}
	}
}

func TestProblemsAreCountedAndNotesAreNot(t *testing.T) {
	d := report.Doctor{Findings: []report.Finding{{Level: report.Problem}, {Level: report.Note}}}
	if d.Problems() != 1 {
		t.Error(d.Problems())
	}
}

// TestDocsNameEveryRule: docs/DOCTOR.md has a row for each rule that was found
// anywhere above, with its level.
func TestDocsNameEveryRule(t *testing.T) {
	b, err := os.ReadFile("../../docs/DOCTOR.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range dimensions() {
		for _, v := range values {
			for _, rule := range v.rules {
				if !strings.Contains(string(b), "| "+rule+" |") {
					t.Errorf("docs/DOCTOR.md doesn't name %s", rule)
				}
			}
		}
	}
}

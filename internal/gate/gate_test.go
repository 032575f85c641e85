package gate

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

// describe is what a judgement says, one line each.
func describe(findings []finding.Finding, unknown []finding.Unknown) string {
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.Rule+" "+string(f.Severity)+" "+f.Subject)
	}
	for _, u := range unknown {
		lines = append(lines, "UNKNOWN "+u.Subject)
	}
	slices.Sort(lines)
	return strings.Join(append(lines, ""), "\n")
}

func read(t *testing.T, text string) *plan.Plan {
	t.Helper()
	p, err := plan.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPlans judges plans that real OpenTofu made, and whose apply on the lab
// agreed (judge/provider, TestPlansAndTheirApply and TestRulesAndTheirApply).
func TestPlans(t *testing.T) {
	paths, err := filepath.Glob("testdata/plans/*.txtar")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d plans, %v", len(paths), err)
	}
	rules := map[string]int{}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for _, f := range archive.Files {
			files[f.Name] = string(f.Data)
		}
		var live []Cluster
		if err := json.Unmarshal([]byte(files["live.json"]), &live); err != nil {
			t.Fatal(err)
		}
		p := read(t, files["plan.json"])
		for name, got := range map[string]string{
			"findings":      describe(Judge(Facts{Plan: p})),
			"findings-live": describe(Judge(Facts{Plan: p, Live: live})),
		} {
			if got != files[name] {
				t.Errorf("%s, %s\n%sgot\n%swant\n%s", path, name, files["row"], got, files[name])
			}
			for line := range strings.Lines(got) {
				rules[strings.Fields(line)[0]]++
			}
		}
		for _, e := range live[0].Entries {
			if strings.Contains(files["findings-live"], e.Principal) && (Moving(p) == nil || !Moving(p)(e.Principal)) {
				t.Errorf("%s: the cluster wouldn't have been asked for %s", path, e.Principal)
			}
		}
	}
	for _, id := range []string{"HF201", "HF202", "HF203", "HF204", "HF205", "HF206", "HF208", "HF209", "HF210", "UNKNOWN"} {
		if rules[id] == 0 {
			t.Errorf("no plan has %s: the rows don't test it", id)
		}
	}
}

// small is a plan of some changes, and of the code's parts.
func small(changes []string, configuration string, more ...string) string {
	if configuration == "" {
		configuration = "{}"
	}
	return `{"format_version":"1.2","resource_changes":[` + strings.Join(changes, ",") + `],"configuration":` + configuration + strings.Join(append([]string{""}, more...), ",") + `}`
}

func change(kind, name, actions, before, after string, more ...string) string {
	return `{"address":"` + kind + "." + name + `","mode":"managed","type":"` + kind + `","change":{"actions":[` + actions + `],"before":` + before + `,"after":` + after +
		strings.Join(append([]string{""}, more...), ",") + `}}`
}

func tainted(change string) string {
	return strings.TrimSuffix(change, "}") + `,"action_reason":"replace_because_tainted"}`
}

const (
	app      = `{"arn":"arn:aws:iam::111111111111:role/app","name":"app","path":"/","unique_id":"AROAOLD"}`
	appAgain = `{"name":"app","path":"/"}`
	entryApp = `{"principal_arn":"arn:aws:iam::111111111111:role/app","cluster_name":"prod","type":"STANDARD"}`
	replace  = `"delete","create"`
	noOp     = `"no-op"`
	create   = `"create"`
	arnLater = `"after_unknown":{"arn":true,"principal_arn":true,"node_role_arn":true,"pod_execution_role_arn":true}`
)

func trust(arn string) string {
	b, _ := json.Marshal(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn + `"}}]}`)
	return string(b)
}

// cases are what the generated rows don't have.
func cases() map[string]struct{ plan, want string } {
	roleAgain := change("aws_iam_role", "app", replace, app, appAgain, arnLater)
	return map[string]struct{ plan, want string }{
		"a role created where an entry is": {
			small([]string{change("aws_iam_role", "app", create, "null", appAgain, arnLater), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)}, ""),
			"HF201 error aws_eks_access_entry.app\n"},
		"a role created in another account": {
			small([]string{change("aws_iam_role", "app", create, "null", appAgain, arnLater), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)},
				`{"root_module":{"resources":[{"address":"aws_iam_role.app","mode":"managed","type":"aws_iam_role","provider_config_key":"aws"}]}}`,
				`"prior_state":{"values":{"root_module":{"resources":[{"address":"data.aws_caller_identity.me","mode":"data","type":"aws_caller_identity","values":{"arn":"arn:aws:iam::222222222222:user/x"}}]}}}`), ""},
		"a path makes another ARN": {
			small([]string{change("aws_iam_role", "app", replace, app, `{"name":"app","path":"/team/"}`), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)}, ""),
			"HF208 warning aws_eks_access_entry.app\n"},
		"a generated name never comes again": {
			small([]string{change("aws_iam_role", "app", replace, app, `{"path":"/"}`, `"after_unknown":{"arn":true,"name":true}`), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)}, ""),
			"HF208 warning aws_eks_access_entry.app\n"},
		"a name that isn't known yet": {
			small([]string{change("aws_iam_role", "app", replace, app, `{"path":"/"}`, `"after_unknown":{"arn":true,"name":true}`), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)},
				`{"root_module":{"resources":[{"address":"aws_iam_role.app","mode":"managed","type":"aws_iam_role","expressions":{"name":{"references":["random_id.x.hex","random_id.x"]}}}]}}`),
			"HF208 warning aws_eks_access_entry.app\nUNKNOWN aws_iam_role.app\n"},
		"a user is bound too": {
			small([]string{change("aws_iam_user", "bob", replace, `{"arn":"arn:aws:iam::111111111111:user/bob","name":"bob","path":"/"}`, `{"name":"bob","path":"/"}`),
				change("aws_eks_access_entry", "bob", noOp, `{"principal_arn":"arn:aws:iam::111111111111:user/bob","cluster_name":"prod"}`, `{"principal_arn":"arn:aws:iam::111111111111:user/bob","cluster_name":"prod"}`)}, ""),
			"HF201 error aws_eks_access_entry.bob\n"},
		"the state forgets the entry": {
			small([]string{roleAgain, change("aws_eks_access_entry", "app", `"forget"`, entryApp, "null")}, ""), "HF201 error aws_eks_access_entry.app\n"},
		"the entry goes too": {
			small([]string{roleAgain, change("aws_eks_access_entry", "app", `"delete"`, entryApp, "null")}, ""), ""},
		"the cluster is new too": {
			small([]string{roleAgain, change("aws_eks_cluster", "prod", replace, `{"name":"prod"}`, `{"name":"prod"}`), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)}, ""), ""},
		"nothing makes the entry wait": {
			small([]string{roleAgain, change("aws_eks_access_entry", "app", replace, entryApp, entryApp)}, ""), "HF210 warning aws_eks_access_entry.app\n"},
		"depends_on makes the entry wait": {
			small([]string{roleAgain, change("aws_eks_access_entry", "app", replace, entryApp, entryApp)},
				`{"root_module":{"resources":[{"address":"aws_eks_access_entry.app","mode":"managed","type":"aws_eks_access_entry","depends_on":["aws_iam_role.app"]}]}}`), ""},
		"an entry of another kind is created first, for another role": {
			small([]string{change("aws_eks_access_entry", "app", `"create","delete"`, entryApp, `{"principal_arn":"arn:aws:iam::111111111111:role/other","cluster_name":"prod"}`)}, ""), ""},
		"a deposed role is an older one": {
			small([]string{strings.Replace(change("aws_iam_role", "app", `"delete"`, app, "null"), `"mode"`, `"deposed":"abcd","mode"`, 1), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)}, ""), ""},
		"the entry's association follows by text": {
			small([]string{change("aws_eks_access_entry", "app", replace, entryApp, `{"principal_arn":"arn:aws:iam::111111111111:role/app","cluster_name":"prod","type":"EC2_LINUX"}`),
				change("aws_eks_access_policy_association", "app", noOp, entryApp, entryApp)}, ""),
			"HF203 error aws_eks_access_policy_association.app\n"},
		"a node role with a person's entry": {
			small([]string{change("aws_eks_access_entry", "app", create, "null", entryApp), change("aws_eks_node_group", "n", create, "null", `{"cluster_name":"prod","node_role_arn":"arn:aws:iam::111111111111:role/app"}`)}, ""),
			"HF205 error aws_eks_access_entry.app\n"},
		"Windows nodes with Linux's entry": {
			small([]string{change("aws_eks_access_entry", "app", create, "null", strings.Replace(entryApp, "STANDARD", "EC2_LINUX", 1)), change("aws_eks_node_group", "n", create, "null", `{"cluster_name":"prod","ami_type":"WINDOWS_CORE_2022_x86_64","node_role_arn":"arn:aws:iam::111111111111:role/app"}`)}, ""),
			"HF205 error aws_eks_access_entry.app\n"},
		"an entry of another cluster": {
			small([]string{change("aws_eks_access_entry", "app", create, "null", strings.Replace(entryApp, "prod", "test", 1)), change("aws_eks_node_group", "n", create, "null", `{"cluster_name":"prod","node_role_arn":"arn:aws:iam::111111111111:role/app"}`)}, ""), ""},
		"a policy for nodes": {
			small([]string{change("aws_eks_access_entry", "app", create, "null", strings.Replace(entryApp, "STANDARD", "EC2_LINUX", 1)), change("aws_eks_access_policy_association", "app", create, "null", entryApp)}, ""),
			"HF205 error aws_eks_access_policy_association.app\n"},
		"a Fargate profile's role again": {
			small([]string{roleAgain, change("aws_eks_fargate_profile", "f", replace, `{"cluster_name":"prod","pod_execution_role_arn":"arn:aws:iam::111111111111:role/app"}`, `{"cluster_name":"prod"}`, arnLater)}, ""),
			"HF202 error aws_eks_fargate_profile.f\n"},
		"new nodes with a role that is made again": {
			small([]string{roleAgain, change("aws_eks_node_group", "n", create, "null", `{"cluster_name":"prod"}`, arnLater)},
				`{"root_module":{"resources":[{"address":"aws_eks_node_group.n","mode":"managed","type":"aws_eks_node_group","expressions":{"node_role_arn":{"references":["aws_iam_role.app.arn","aws_iam_role.app"]}}}]}}`),
			"HF202 error aws_eks_node_group.n\n"},
		"each its own role": {
			small([]string{
				change("aws_iam_role", `app[\"a\"]`, replace, `{"arn":"arn:aws:iam::111111111111:role/a","name":"a","path":"/"}`, `{"name":"a","path":"/"}`, arnLater),
				change("aws_iam_role", `app[\"b\"]`, replace, `{"arn":"arn:aws:iam::111111111111:role/b","name":"b","path":"/"}`, `{"name":"b","path":"/"}`, arnLater),
				change("aws_eks_node_group", `n[\"a\"]`, create, "null", `{"cluster_name":"prod"}`, arnLater), change("aws_eks_node_group", `n[\"b\"]`, create, "null", `{"cluster_name":"prod"}`, arnLater)},
				`{"root_module":{"resources":[{"address":"aws_eks_node_group.n","mode":"managed","type":"aws_eks_node_group","for_each_expression":{},"expressions":{"node_role_arn":{"references":["aws_iam_role.app","each.key"]}}}]}}`),
			"HF202 error aws_eks_node_group.n[\"a\"]\nHF202 error aws_eks_node_group.n[\"b\"]\n"},
		"a role that somebody deleted, and an entry of another account": {
			small([]string{change("aws_iam_role", "app", create, "null", appAgain, arnLater), change("aws_eks_access_entry", "app", noOp, strings.ReplaceAll(entryApp, "111111111111", "222222222222"), strings.ReplaceAll(entryApp, "111111111111", "222222222222"))}, "",
				`"resource_drift":[`+change("aws_iam_role", "app", `"delete"`, app, "null")+`]`), ""},
		"a trust policy names a role that is new": {
			small([]string{change("aws_iam_role", "app", create, "null", appAgain, arnLater), change("aws_iam_role", "b", noOp, `{"arn":"b","assume_role_policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{"arn":"b","assume_role_policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`)}, ""), ""},
		"two provider blocks may be two accounts": {
			small([]string{change("aws_iam_role", "app", `"delete"`, app, "null"), change("aws_iam_role", "other", create, "null", appAgain, arnLater), change("aws_eks_access_entry", "app", noOp, entryApp, entryApp)},
				`{"root_module":{"resources":[{"address":"aws_iam_role.app","mode":"managed","type":"aws_iam_role","provider_config_key":"aws.one"},{"address":"aws_iam_role.other","mode":"managed","type":"aws_iam_role","provider_config_key":"aws.two"}]}}`),
			"HF208 warning aws_eks_access_entry.app\n"},
		"the entry is created first, for a role with another name": {
			small([]string{change("aws_iam_role", "app", replace, app, `{"path":"/"}`, `"after_unknown":{"arn":true,"name":true}`), change("aws_eks_access_entry", "app", `"create","delete"`, entryApp, `{"cluster_name":"prod","type":"STANDARD"}`, arnLater)},
				`{"root_module":{"resources":[{"address":"aws_eks_access_entry.app","mode":"managed","type":"aws_eks_access_entry","expressions":{"principal_arn":{"references":["aws_iam_role.app.arn","aws_iam_role.app"]}}},{"address":"aws_iam_role.app","mode":"managed","type":"aws_iam_role","expressions":{}}]}}`), ""},
		"a deposed entry is an older one": {
			small([]string{strings.Replace(change("aws_eks_access_entry", "app", `"delete"`, entryApp, "null"), `"mode"`, `"deposed":"abcd","mode"`, 1), change("aws_eks_access_policy_association", "app", noOp, entryApp, entryApp)}, ""), ""},
		"new nodes with a new role in an old cluster": {
			small([]string{change("aws_iam_role", "app", create, "null", appAgain, arnLater), change("aws_eks_node_group", "n", create, "null", `{"cluster_name":"prod"}`, arnLater)},
				`{"root_module":{"resources":[{"address":"aws_eks_node_group.n","mode":"managed","type":"aws_eks_node_group","expressions":{"node_role_arn":{"references":["aws_iam_role.app.arn","aws_iam_role.app"]}}}]}}`),
			"HF209 note aws_eks_node_group.n\n"},
		"new nodes in a new cluster": {
			small([]string{change("aws_iam_role", "app", create, "null", appAgain, arnLater), change("aws_eks_node_group", "n", create, "null", `{"cluster_name":"prod"}`, arnLater), change("aws_eks_cluster", "prod", create, "null", `{"name":"prod"}`)},
				`{"root_module":{"resources":[{"address":"aws_eks_node_group.n","mode":"managed","type":"aws_eks_node_group","expressions":{"node_role_arn":{"references":["aws_iam_role.app.arn","aws_iam_role.app"]}}}]}}`), ""},
		"nodes of a role that a local names": {
			small([]string{roleAgain, change("aws_eks_node_group", "n", create, "null", `{"cluster_name":"prod"}`, arnLater)},
				`{"root_module":{"resources":[{"address":"aws_eks_node_group.n","mode":"managed","type":"aws_eks_node_group","expressions":{"node_role_arn":{"references":["local.arn"]}}}]}}`),
			"UNKNOWN aws_eks_node_group.n\n"},
		"the caller's own entry": {
			small([]string{change("aws_eks_access_entry", "app", `"delete"`, entryApp, "null")}, "",
				`"prior_state":{"values":{"root_module":{"resources":[{"address":"data.aws_caller_identity.me","mode":"data","type":"aws_caller_identity","values":{"arn":"arn:aws:sts::111111111111:assumed-role/app/s"}}]}}}`),
			"HF206 warning aws_eks_access_entry.app\n"},
		"a trust policy names the role": {
			small([]string{roleAgain, change("aws_iam_role", "b", noOp, `{"arn":"b","assume_role_policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{"arn":"b","assume_role_policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`)}, ""),
			"HF220 error aws_iam_role.b\n"},
		"a trust policy names a role that goes": {
			small([]string{change("aws_iam_role", "app", `"delete"`, app, "null"), change("aws_iam_role", "b", noOp, `{"arn":"b","assume_role_policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{"arn":"b","assume_role_policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`)}, ""),
			"HF220 warning aws_iam_role.b\n"},
		"a bucket's policy comes out the same": {
			small([]string{roleAgain, change("aws_s3_bucket_policy", "b", `"update"`, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{}`, `"after_unknown":{"policy":true}`)}, ""),
			"HF220 error aws_s3_bucket_policy.b\n"},
		"a bucket's policy is made again": {
			small([]string{roleAgain, change("aws_s3_bucket_policy", "b", replace, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{}`, `"after_unknown":{"policy":true}`)}, ""), ""},
		"a bucket's policy gets another text": {
			small([]string{roleAgain, change("aws_s3_bucket_policy", "b", `"update"`, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{"policy":`+trust("arn:aws:iam::111111111111:role/other")+`}`)}, ""), ""},
		"a role that goes leaves a bucket's policy": {
			small([]string{change("aws_iam_role", "app", `"delete"`, app, "null"), change("aws_s3_bucket_policy", "b", `"update"`, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{}`, `"after_unknown":{"policy":true}`)}, ""), ""},
		"a queue's policy stays, a registry's too": {
			small([]string{roleAgain, change("aws_sqs_queue_policy", "q", noOp, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`),
				change("aws_ecr_repository_policy", "r", noOp, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`, `{"policy":`+trust("arn:aws:iam::111111111111:role/app")+`}`)}, ""),
			"HF220 error aws_sqs_queue_policy.q\nHF220 warning aws_ecr_repository_policy.r\n"},
		"keys in a provider": {
			small(nil, `{"provider_config":{"aws":{"name":"aws","expressions":{"secret_key":{"constant_value":"x"},"assume_role_with_web_identity":[{"web_identity_token":{"references":["var.t"]}}]}}}}`),
			"HF231 error provider aws\nHF232 error provider aws\n"},
		"a key in a variable": {small(nil, "", `"variables":{"key":{"value":"AKIAABCDEFGHIJKLMNOP"}}`), "HF233 error variable key\n"},
		"a cluster's token and a database": {
			small([]string{change("aws_db_instance", "d", create, "null", "{}")}, `{"provider_config":{"kubernetes":{"name":"kubernetes","expressions":{"token":{"references":["data.aws_eks_cluster_auth.a.token","data.aws_eks_cluster_auth.a"]}}}}}`),
			"HF234 error provider kubernetes\n"},
		"a cluster's token and nothing long": {
			small([]string{change("aws_sqs_queue", "d", create, "null", "{}")}, `{"provider_config":{"kubernetes":{"name":"kubernetes","expressions":{"token":{"references":["data.aws_eks_cluster_auth.a.token","data.aws_eks_cluster_auth.a"]}}}}}`), ""},
		"tainted, but not by us": {small([]string{tainted(change("aws_db_instance", "d", replace, `{"id":"db-9"}`, "{}"))}, ""), ""},
		"errored":                {small(nil, "", `"errored":true`), "UNKNOWN the plan\n"},
		"not complete":           {small(nil, "", `"complete":false`), "UNKNOWN the plan\n"},
		"deferred":               {small(nil, "", `"deferred_changes":[{}]`), "UNKNOWN the plan\n"},
		"complete":               {small(nil, "", `"complete":true,"errored":false`), ""},
	}
}

func TestCases(t *testing.T) {
	seen := map[string]bool{"HF221": true} // TestDrained
	for name, c := range cases() {
		findings, unknown := Judge(Facts{Plan: read(t, c.plan)})
		if got := describe(findings, unknown); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", name, got, c.want)
		}
		for _, f := range findings {
			seen[f.Rule] = true
			if f.Message == "" || f.Cure == "" || len(f.Evidence) == 0 {
				t.Errorf("%s: %s lacks a message, evidence or a cure: %+v", name, f.Rule, f)
			}
		}
	}
	for _, r := range Rules() {
		if !seen[r.ID] && r.ID != "HF204" { // TestPlans has it
			t.Errorf("no case has %s", r.ID)
		}
	}
}

func TestDrained(t *testing.T) {
	p := read(t, small([]string{tainted(change("aws_db_instance", "d", replace, `{"id":"db-1"}`, "{}"))}, ""))
	for id, want := range map[string]string{"db-1": "HF221 error aws_db_instance.d\n", "": "HF221 error aws_db_instance.d\n", "db-2": ""} {
		got := describe(Judge(Facts{Plan: p, Drained: []Drained{{Address: "aws_db_instance.d", ID: id, Record: "run 7"}}}))
		if got != want {
			t.Errorf("%q: %s", id, got)
		}
	}
}

// A cluster that can't be asked is unknown, not clean.
func TestLiveThatFails(t *testing.T) {
	p := read(t, small([]string{change("aws_iam_role", "app", replace, app, appAgain)}, ""))
	if got := describe(Judge(Facts{Plan: p, Live: []Cluster{{Name: "prod", Err: errors.New("AccessDenied")}}})); got != "UNKNOWN cluster prod\n" {
		t.Error(got)
	}
}

func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] || seen[r.Name] || r.Title == "" || r.About == "" || r.Cure == "" || !strings.HasPrefix(r.ID, "HF2") || strings.HasSuffix(r.Title, ".") {
			t.Errorf("%+v", r)
		}
		seen[r.ID], seen[r.Name] = true, true
	}
	if _, err := os.Stat("../../docs/RULES.md"); err != nil {
		t.Error(err)
	}
}

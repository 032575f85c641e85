package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

const sample = `
Warning: Unable to open CLI configuration file

{"format_version":"1.2","terraform_version":"1.12.6",
"variables":{"key":{"value":"AKIAABCDEFGHIJKLMNOP"},"none":{"value":"AKIA"},"n":{"value":1}},
"planned_values":{"root_module":{"resources":[{"address":"aws_iam_role.a","values":{"x":[1,2.5e3,-1,true,false,null,"\"}{]["]}}]}},
"resource_drift":[{"address":"aws_iam_role.gone","mode":"managed","type":"aws_iam_role","change":{"actions":["delete"],"before":{"arn":"arn:aws:iam::1:role/gone","name":"gone"},"after":null}}],
"resource_changes":[
 {"address":"module.m[\"a.b]\"].aws_iam_role.a","previous_address":"aws_iam_role.a","mode":"managed","type":"aws_iam_role","name":"a","change":{"actions":["delete","create"],
   "before":{"arn":"arn:aws:iam::1:role/a","name":"a","path":"/","assume_role_policy":"{\"Statement\":[{\"Principal\":{\"AWS\":[\"arn:aws:iam::1:role\/b\",\"arn:aws:iam::1:root\"]}},{\"Principal\":\"*\"},{\"NotPrincipal\":{\"AWS\":\"arn:aws:iam::1:user/\\u00fc\"}}]}"},
   "after":{"name":"a","path":"/"},"after_unknown":{"arn":true,"assume_role_policy":true,"tags":{}}},"action_reason":"replace_because_cannot_update"},
 {"address":"aws_eks_access_entry.e","mode":"managed","type":"aws_eks_access_entry","change":{"actions":["create","delete"],"before":{"principal_arn":"p","cluster_name":"c","type":"STANDARD","kubernetes_groups":["g"]},"after":{"principal_arn":"p","cluster_name":"c","type":"STANDARD"}}},
 {"address":"aws_iam_role.trusting","mode":"managed","type":"aws_iam_role","change":{"actions":["update"],
   "before":{"arn":"t","assume_role_policy":"{\"Statement\":[{\"Principal\":{\"AWS\":[\"arn:aws:iam::1:role\/b\",\"arn:aws:iam::1:root\"]}},{\"Principal\":\"*\"},{\"NotPrincipal\":{\"AWS\":\"arn:aws:iam::1:user/\\u00fc\"}}]}"},
   "after":{"arn":"t"},"after_unknown":{"assume_role_policy":true}}},
 {"address":"aws_iam_role.idle","mode":"managed","type":"aws_iam_role","change":{"actions":["no-op"],"before":{"arn":"x"},"after":{"arn":"x"}}},
 {"address":"aws_db_instance.d","mode":"managed","type":"aws_db_instance","change":{"actions":["delete","create"],"before":{"id":"db-1","name":"d"},"after":{}},"action_reason":"replace_because_tainted"},
 {"address":"data.aws_x.y","mode":"data","type":"aws_x","change":{"actions":["read"]}}],
"prior_state":{"values":{"root_module":{"resources":[{"address":"data.aws_caller_identity.me","mode":"data","type":"aws_caller_identity","values":{"arn":"arn:aws:sts::1:assumed-role/ci/s"}},{"address":"aws_iam_role.a","mode":"managed"}],
 "child_modules":[{"resources":[{"address":"module.x.aws_s3_bucket.left","mode":"managed","type":"aws_s3_bucket","values":{}}]}]}}},
"configuration":{"provider_config":{"aws":{"name":"aws","expressions":{"access_key":{"references":["var.key"]},"secret_key":{"constant_value":"hunter2"},"region":{"constant_value":"r"}}},
  "aws.web":{"name":"aws","expressions":{"assume_role_with_web_identity":[{"web_identity_token":{"constant_value":"hunter2"}}]}},
  "kubernetes":{"name":"kubernetes","expressions":{"token":{"references":["data.aws_eks_cluster_auth.prod.token","data.aws_eks_cluster_auth.prod"]}}}},
 "root_module":{"resources":[{"address":"aws_eks_access_entry.e","mode":"managed","type":"aws_eks_access_entry","provider_config_key":"aws","expressions":{"principal_arn":{"references":["aws_iam_role.a.arn","aws_iam_role.a"]}}},
   {"address":"aws_sqs_queue.never","mode":"managed","type":"aws_sqs_queue","expressions":{}},
   {"address":"aws_sqs_queue.maybe","mode":"managed","type":"aws_sqs_queue","count_expression":{}}],
  "module_calls":{"m":{"module":{"resources":[{"address":"aws_sqs_queue.inside","mode":"managed","type":"aws_sqs_queue"}]},"count_expression":{}}}}}}
`

func check(t *testing.T, p *Plan) {
	t.Helper()
	if p.Engine != "1.12.6" || p.Total != 5 || len(p.Drift) != 1 || p.Drift[0].Before.Get(ARN) != "arn:aws:iam::1:role/gone" {
		t.Errorf("%+v", p)
	}
	if got := strings.Join(p.Unplanned, " "); got != "aws_sqs_queue.never module.x.aws_s3_bucket.left" {
		t.Errorf("unplanned: %s", got)
	}
	if len(p.Changes) != 4 || len(p.Long) != 1 {
		t.Fatalf("%d changes, %d long", len(p.Changes), len(p.Long))
	}
	role, entry, trusting, db := p.Changes[0], p.Changes[1], p.Changes[2], p.Changes[3]
	if role.Address != `module.m["a.b]"].aws_iam_role.a` || role.Previous != "aws_iam_role.a" || !role.Actions.Replaces() || role.Actions.Has(CreateFirst) ||
		role.Before.Get(Path) != "/" || !role.After.Unknown(ARN) || role.After.Get(RoleName) != "a" || role.Reason != "replace_because_cannot_update" {
		t.Errorf("%+v", role)
	}
	if was, will := trusting.Was, trusting.Will; len(role.Was)+len(role.Will) != 0 || len(was) != 1 || !reflect.DeepEqual(was[0].Principals, []string{"arn:aws:iam::1:role/b", "arn:aws:iam::1:user/ü"}) || len(will) != 1 || will[0].Text != 0 {
		t.Errorf("%+v, %+v, %+v", role.Was, was, will)
	}
	if !entry.Actions.Has(CreateFirst) || entry.Before.Get(EntryType) != "STANDARD" || db.Before.Get(ID) != "db-1" {
		t.Errorf("%+v, %+v", entry, db)
	}
	if !reflect.DeepEqual(p.Callers, []string{"arn:aws:sts::1:assumed-role/ci/s"}) || !reflect.DeepEqual(p.Keys, []string{"key"}) {
		t.Errorf("%v, %v", p.Callers, p.Keys)
	}
	if found, opaque := p.Named("aws_eks_access_entry.e[0]", "principal_arn"); opaque || !reflect.DeepEqual(found, []string{"aws_iam_role.a"}) || p.Provider("aws_eks_access_entry.e") != "aws" {
		t.Errorf("%v, %+v", found, p.code)
	}
	want := map[string]Client{
		"aws":        {Key: "aws", Name: "aws", Static: []string{"access_key", "secret_key"}, Variables: []string{"key"}},
		"aws.web":    {Key: "aws.web", Name: "aws", Token: true},
		"kubernetes": {Key: "kubernetes", Name: "kubernetes", Static: []string{"token"}, ClusterAuth: "data.aws_eks_cluster_auth.prod"},
	}
	for _, c := range p.Clients {
		w := want[c.Key]
		if fmt.Sprint(c) != fmt.Sprint(w) {
			t.Errorf("got %+v, want %+v", c, w)
		}
		delete(want, c.Key)
	}
	if len(want) > 0 || strings.Contains(fmt.Sprintf("%+v", p), "hunter2") {
		t.Errorf("%+v", p)
	}
}

func TestRead(t *testing.T) {
	p, err := Read(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p)
}

// Buffers that end anywhere change nothing.
func TestReadInPieces(t *testing.T) {
	body := sample[strings.IndexByte(sample, '{'):]
	for size := 1; size < 70; size++ {
		p, err := Read(&pieces{[]byte(body), size})
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		check(t, p)
	}
	if _, err := Read(iotest.ErrReader(errors.New("the disk is gone"))); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Error(err)
	}
	if _, err := Read(io.MultiReader(strings.NewReader(sample[:900]), iotest.ErrReader(errors.New("the disk is gone")))); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
		t.Error(err)
	}
}

type pieces struct {
	b    []byte
	size int
}

func (p *pieces) Read(into []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(into, p.b[:min(p.size, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

// Sorted keys, as jq -S writes them, are the same plan.
func TestReadSorted(t *testing.T) {
	var v any
	if err := json.Unmarshal([]byte(sample[strings.IndexByte(sample, '{'):]), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	check(t, p)
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":          {"", "nothing in it"},
		"text":             {"Error: no plan", "no JSON object"},
		"a plan file":      {"PK\x03\x04xxxx", "saved plan file"},
		"utf-16":           {"\xff\xfe{\x00", "UTF-16"},
		"a log":            {`{"@level":"info","@message":"x"}`, "log of plan -json"},
		"a state":          {`{"format_version":"1.0","values":{}}`, "a state, not a plan"},
		"some JSON":        {`{"a":1}`, "no format_version"},
		"only a version":   {`{"format_version":"1.0"}`, "not a plan"},
		"a newer format":   {`{"format_version":"2.0"}`, "newer holdfast"},
		"cut off":          {sample[:1500], "ends in the middle"},
		"two of them":      {sample + sample, "behind the plan"},
		"a wrong bracket":  {`{"format_version":"1.0","planned_values":{"a":[1}]}`, "closes what"},
		"a wrong word":     {`{"format_version":"1.0","resource_changes":nothing}`, "a value was due"},
		"a missing comma":  {`{"format_version":"1.0" "a":1}`, "was due"},
		"an unknown deed":  {`{"format_version":"1.0","resource_changes":[{"change":{"actions":["melt"]}}]}`, "newer holdfast"},
		"deep, skipped":    {`{"format_version":"1.0","x":` + strings.Repeat("[", 1e6), "nested deeper"},
		"deep modules":     {`{"format_version":"1.0","prior_state":{"values":{"root_module":` + strings.Repeat(`{"child_modules":[`, 1e5), "nested deeper"},
		"deep expressions": {`{"format_version":"1.0","configuration":{"provider_config":{"aws":{"expressions":` + strings.Repeat(`{"a":[`, 1e5), "nested deeper"},
		"a huge string":    {`{"format_version":"1.0","resource_changes":[{"address":"` + strings.Repeat("x", 2<<20) + `"}]}`, "a string of more than"},
		"a huge key":       {`{"format_version":"1.0","` + strings.Repeat("x", 2<<20) + `":1}`, "a string of more than"},
		"not UTF-8":        {"{\"format_version\":\"1.0\",\"resource_changes\":[{\"address\":\"\xff\"}]}", "isn't UTF-8"},
		"a bad escape":     {`{"format_version":"1.0","resource_changes":[{"address":"\x"}]}`, "escape"},
		"a bad \\u":        {`{"format_version":"1.0","resource_changes":[{"address":"\u12g4"}]}`, "hexadecimal"},
		"half a surrogate": {`{"format_version":"1.0","resource_changes":[{"address":"\ud800`, "ends in the middle"},
	} {
		if _, err := Read(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A long string that nobody needs takes no memory.
func TestHugeSkippedStringTakesNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	in := io.MultiReader(strings.NewReader(`{"format_version":"1.0","planned_values":"`), io.LimitReader(zeros{}, 64<<20), strings.NewReader(`"}`))
	if _, err := Read(in); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes were allocated for a string of 64 MB that is skipped", grown)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

// Strings are read as encoding/json reads them.
func TestStringsAsEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "é", "😀", `\"`, `\\`, `\/`, `\n`, `\u00e9`, `\ud83d\ude00`, `\ud800`, `\ud800x`, `\ud800\n`, `\ud800\ud800`, `\udc00`, " ", "]", "}"}
	for range 20000 {
		var b strings.Builder
		b.WriteByte('"')
		for range r.IntN(8) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		b.WriteByte('"')
		var want string
		if err := json.Unmarshal([]byte(b.String()), &want); err != nil {
			t.Fatal(err)
		}
		l := overBytes([]byte(b.String()))
		if got := string(l.text(1000)); got != want || l.err != nil {
			t.Fatalf("%s: %q (%v), want %q", b.String(), got, l.err, want)
		}
	}
}

// References lead through modules, in and out, and stop where a plan knows no
// more.
func TestNamed(t *testing.T) {
	p, err := Read(strings.NewReader(`{"format_version":"1.2","configuration":{"root_module":{
		"resources":[
			{"address":"aws_eks_access_entry.out","mode":"managed","type":"aws_eks_access_entry","expressions":{"principal_arn":{"references":["module.roles.arns[\"x\"]","module.roles.arns","module.roles"]}}},
			{"address":"aws_eks_access_policy_association.a","mode":"managed","type":"aws_eks_access_policy_association","depends_on":["module.roles"],"expressions":{"principal_arn":{"references":["aws_eks_access_entry.out.principal_arn","aws_eks_access_entry.out"]}}},
			{"address":"aws_eks_access_entry.local","mode":"managed","type":"aws_eks_access_entry","expressions":{"principal_arn":{"references":["local.arn"]}}}],
		"module_calls":{
			"roles":{"module":{"outputs":{"arns":{"expression":{"references":["aws_iam_role.r[\"a.b\"].arn","aws_iam_role.r[\"a.b\"]","aws_iam_role.r"]}}},
				"resources":[{"address":"aws_iam_role.r","mode":"managed","type":"aws_iam_role","expressions":{}}]}},
			"nodes":{"expressions":{"role":{"references":["aws_iam_role.top.arn","aws_iam_role.top"]}},
				"module":{"resources":[{"address":"aws_eks_node_group.n","mode":"managed","type":"aws_eks_node_group","expressions":{"node_role_arn":{"references":["var.role"]}}}]}}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ address, argument, want string }{
		{"aws_eks_access_entry.out", "principal_arn", `[module.roles.aws_iam_role.r["a.b"]] false`},
		{"aws_eks_access_policy_association.a", "principal_arn", `[module.roles.aws_iam_role.r["a.b"]] false`},
		{"aws_eks_access_entry.local", "principal_arn", "[] true"},
		{"module.nodes.aws_eks_node_group.n[0]", "node_role_arn", "[aws_iam_role.top] false"},
		{"aws_gone.x", "principal_arn", "[] false"},
	} {
		found, opaque := p.Named(c.address, c.argument)
		if got := fmt.Sprint(found, opaque); got != c.want {
			t.Errorf("%s: %s, want %s", c.address, got, c.want)
		}
	}
	if !p.After("aws_eks_access_policy_association.a", `module.roles.aws_iam_role.r["q"]`) || p.After("aws_eks_access_entry.local", "module.roles.aws_iam_role.r") ||
		!p.After("module.nodes.aws_eks_node_group.n", "aws_iam_role.top[0]") {
		t.Error("who comes after whom")
	}
}

// A plan to destroy leaves out what isn't there yet; it may not leave out what is.
func TestUnplannedOfADestroyPlan(t *testing.T) {
	p, err := Read(strings.NewReader(`{"format_version":"1.2","resource_changes":[{"address":"aws_x.b","mode":"managed","type":"aws_x","change":{"actions":["delete"]}}],
		"prior_state":{"values":{"root_module":{"resources":[{"address":"aws_x.a","mode":"managed"},{"address":"aws_x.b","mode":"managed"}]}}},
		"configuration":{"root_module":{"resources":[{"address":"aws_x.a","mode":"managed","type":"aws_x"},{"address":"aws_x.b","mode":"managed","type":"aws_x"},{"address":"aws_x.never","mode":"managed","type":"aws_x"}]}}}`))
	if err != nil || strings.Join(p.Unplanned, " ") != "aws_x.a" {
		t.Errorf("%v, %v", p.Unplanned, err)
	}
}

func TestMeans(t *testing.T) {
	for _, c := range []struct {
		reference, address string
		want               bool
	}{
		{"aws_x.a", "aws_x.a", true}, {"aws_x.a", `aws_x.a["k"]`, true}, {`aws_x.a["k"]`, `aws_x.a["k"]`, true}, {`aws_x.a["k"]`, `aws_x.a["l"]`, false},
		{`aws_x.a["[.]"]`, `module.m[0].aws_x.a["[.]"]`, false}, {`module.m.aws_x.a["[.]"]`, `module.m[0].aws_x.a["[.]"]`, true}, {"aws_x.a", "aws_x.b", false}, {"aws_x.a[1]", "aws_x.a", false},
	} {
		if got := Means(c.reference, c.address); got != c.want {
			t.Errorf("%s means %s: %v", c.reference, c.address, got)
		}
	}
}

func TestBare(t *testing.T) {
	for in, want := range map[string]string{
		"aws_x.a": "aws_x.a", "aws_x.a[0]": "aws_x.a", `module.m["a.b]\"["].aws_x.a["[x]"]`: "module.m.aws_x.a", `m["`: "m",
	} {
		if got := Bare(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzRead wants no panic, no wait, and that what is read is JSON wherever
// encoding/json has an opinion on what was kept.
func FuzzRead(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(`{"format_version":"1.0","planned_values":{}}`))
	f.Add([]byte(`{"format_version":"1.0","resource_changes":[{"type":"aws_iam_role","change":{"before":{"assume_role_policy":"{\"Statement\":{\"Principal\":{\"AWS\":\":role/\"}}}"}}}]}`))
	f.Add([]byte(`{"format_version":"1.0","configuration":{"root_module":{"module_calls":{"a":{"count_expression":{},"module":{}}}}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := Read(bytes.NewReader(in))
		if err == nil && p == nil {
			t.Fatal("neither a plan nor an error")
		}
		start := bytes.IndexByte(in, '{')
		if start >= 0 && json.Valid(in[start:]) && err != nil && strings.Contains(err.Error(), "at byte") &&
			!strings.Contains(err.Error(), "nested deeper") && !strings.Contains(err.Error(), "holdfast?") && !strings.Contains(err.Error(), "UTF-8") {
			t.Fatalf("valid JSON is refused: %v", err)
		}
	})
}

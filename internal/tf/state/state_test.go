package state_test

import (
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/tf/state"
)

const plain = `{
  "version": 4, "terraform_version": "1.12.6", "serial": 18, "lineage": "6f0e",
  "outputs": {"address": {"value": "db.internal", "type": "string"}},
  "resources": [
    {"mode": "managed", "type": "aws_db_instance", "name": "main", "provider": "p", "instances": [
      {"schema_version": 1, "status": "tainted", "attributes": {"id": "db-1", "size": 12345678901234567890}}]},
    {"module": "module.net[\"eu\"]", "mode": "managed", "type": "aws_subnet", "name": "a", "instances": [
      {"index_key": 0, "attributes": {"id": "subnet-0"}}, {"index_key": 1, "deposed": "00ff", "status": "tainted", "attributes": {"id": "subnet-1"}}]},
    {"mode": "data", "type": "aws_region", "name": "now", "instances": [{"index_key": "x\"y", "attributes": {"id": 7}}]}
  ], "check_results": null}`

func parse(t *testing.T, text string) state.State {
	t.Helper()
	s, err := state.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	s := parse(t, plain)
	if s.Serial != 18 || s.Lineage != "6f0e" || s.Written != "1.12.6" || s.Encrypted {
		t.Errorf("%+v", s)
	}
	var all []string
	for _, i := range s.Instances {
		all = append(all, i.Address+"="+i.ID)
	}
	want := `aws_db_instance.main=db-1 module.net["eu"].aws_subnet.a[0]=subnet-0 module.net["eu"].aws_subnet.a[1]=subnet-1 data.aws_region.now["x\"y"]=`
	if got := strings.Join(all, " "); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if tainted := s.Tainted(); len(tainted) != 1 || tainted[0].Address != "aws_db_instance.main" {
		t.Errorf("tainted: %+v", tainted)
	}
}

func TestSameContent(t *testing.T) {
	s := parse(t, plain)
	for name, c := range map[string]struct {
		text string
		same bool
	}{
		"itself":              {plain, true},
		"another serial":      {strings.Replace(plain, `"serial": 18`, `"serial": 19`, 1), true},
		"other spaces":        {strings.ReplaceAll(plain, "\n", " "), true},
		"another attribute":   {strings.Replace(plain, "db-1", "db-2", 1), false},
		"a last digit":        {strings.Replace(plain, "12345678901234567890", "12345678901234567891", 1), false},
		"no longer tainted":   {strings.Replace(plain, `"status": "tainted", "attributes": {"id": "db-1"`, `"attributes": {"id": "db-1"`, 1), false},
		"another output":      {strings.Replace(plain, "db.internal", "db.external", 1), false},
		"encrypted, the same": {`{"serial": 18, "lineage": "6f0e", "meta": {}, "encrypted_data": "eA==", "encryption_version": "v0"}`, false},
	} {
		if got := s.SameContent(parse(t, c.text)); got != c.same {
			t.Errorf("%s: %v", name, got)
		}
	}
	none, empty := parse(t, `{"version":4,"serial":1,"resources":[],"outputs":{}}`), parse(t, `{"version":4,"serial":1}`)
	if !none.SameContent(empty) {
		t.Error("no resources, written in two ways, differ")
	}
}

func TestEncryptedTellsItsSerial(t *testing.T) {
	s := parse(t, `{"serial": 3, "lineage": "l", "meta": {"key_provider.pbkdf2.k": "e30="}, "encrypted_data": "eA==", "encryption_version": "v0"}`)
	if !s.Encrypted || s.Serial != 3 || s.Lineage != "l" {
		t.Errorf("%+v", s)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "text": "hunter2", "an old version": `{"version":3,"serial":1}`, "no version": `{"serial":1}`,
		"resources of another shape": `{"version":4,"resources":{"a":"hunter2"}}`, "a key of another kind": `{"version":4,"resources":[{"instances":[{"index_key":[]}]}]}`,
	} {
		if _, err := state.Parse([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes a value: %v", name, err)
		}
	}
}

func TestPrinted(t *testing.T) {
	before := "terraform_data.a: Creating...\nError: no space left on device\n"
	for name, c := range map[string]struct {
		output string
		serial uint64
	}{
		"on one line":    {before + strings.ReplaceAll(plain, "\n", " ") + "\n\nError: Failed\n", 18},
		"among a log":    {"{\"@level\":\"info\"}\n" + strings.ReplaceAll(plain, "\n", " ") + "\n{\"@level\":\"error\"}\n", 18},
		"between words":  {before + plain + "\nError: Failed to persist state\n", 18},
		"the last one":   {before + plain + "\n" + strings.Replace(plain, `"serial": 18`, `"serial": 19`, 1) + "\nmore\n", 19},
		"first of all":   {plain + "\n", 18},
		"another JSON":   {before + "{\n \"a\": 1\n}\n", 0},
		"cut off":        {before + plain[:len(plain)/2], 0},
		"JSON behind it": {plain + "\n{\n \"a\": 1\n}\n", 18},
		"nothing":        {"", 0},
	} {
		got := state.Printed([]byte(c.output))
		if c.serial == 0 && got != nil {
			t.Errorf("%s: %s", name, got)
		} else if c.serial != 0 && (got == nil || parse(t, string(got)).Serial != c.serial) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestParseLock(t *testing.T) {
	l, err := state.ParseLock([]byte(`{"ID":"0d7a","Operation":"OperationTypeApply","Info":"","Who":"alice@runner","Version":"1.12.6","Created":"2026-11-22T10:00:00.123456789Z","Path":"b/k"}`))
	if err != nil || l.ID != "0d7a" || l.Who != "alice@runner" || l.Created.Nanosecond() != 123456789 {
		t.Errorf("%+v, %v", l, err)
	}
	for _, text := range []string{"", "{}", `{"ID":7}`} {
		if _, err := state.ParseLock([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(plain))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := state.Parse(b)
		if err == nil && !s.SameContent(s) {
			t.Error("a state isn't itself")
		}
		if p := state.Printed(b); p != nil {
			if _, err := state.Parse(p); err != nil {
				t.Error(err)
			}
		}
	})
}

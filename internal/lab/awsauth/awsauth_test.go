package awsauth

import "testing"

func TestRows(t *testing.T) {
	m, err := Parse(map[string]string{
		"mapRoles":    "- rolearn: arn:aws:iam::111111111111:role/A\n  username: a\n  groups: [g]\n- rolearn: arn:aws:iam::111111111111:role/a\n  username: later\n",
		"mapUsers":    `[{"userarn":"arn:aws:iam::111111111111:user/u","username":"u"}]`,
		"mapAccounts": "- '222222222222'",
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := m.Find("arn:aws:iam::111111111111:ROLE/a"); !ok || r.Username != "later" {
		t.Error(r, ok)
	}
	if u, ok := m.Find("arn:aws:iam::111111111111:user/u"); !ok || u.Username != "u" {
		t.Error(u, ok)
	}
	if !m.Account("222222222222") || m.Account("111111111111") {
		t.Error("accounts")
	}
}

func TestWhatCannotBeReadMapsNobody(t *testing.T) {
	m, err := Parse(map[string]string{"mapRoles": "{", "mapUsers": "- userarn: x\n"})
	if err == nil {
		t.Error("no error")
	}
	if _, ok := m.Find("x"); !ok {
		t.Error("the other key went with it")
	}
	if _, err := Add(map[string]string{"mapRoles": "{"}, Row{}); err == nil {
		t.Error("added to what can't be read")
	}
	for _, empty := range []string{"", " ", `""`, "''", "``"} {
		if _, err := Parse(map[string]string{"mapRoles": empty}); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestAddAndRemove(t *testing.T) {
	data, err := Render([]Row{{UserARN: "u", Username: "u"}}, []string{"222222222222"})
	if err != nil {
		t.Fatal(err)
	}
	if data, err = Add(data, Row{RoleARN: "r", Username: "r", Groups: []string{"g"}}); err != nil {
		t.Fatal(err)
	}
	if data, err = Add(data, Row{RoleARN: "R", Username: "other"}); err != nil {
		t.Fatal(err)
	}
	m, err := Parse(data)
	if r, ok := m.Find("r"); err != nil || !ok || r.Username != "r" {
		t.Error(r, ok, err)
	}
	if data, err = Remove(data, "R"); err != nil {
		t.Fatal(err)
	}
	m, err = Parse(data)
	if _, ok := m.Find("r"); err != nil || ok {
		t.Error("still there", err)
	}
	if _, ok := m.Find("u"); !ok || !m.Account("222222222222") {
		t.Error("the rest went with it")
	}
	if _, err := Render([]Row{{}}, nil); err == nil {
		t.Error("a row for nobody")
	}
}

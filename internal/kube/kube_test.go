package kube

import (
	"slices"
	"testing"
)

func TestAWSAuthIsReadAsTheAuthenticatorReadsIt(t *testing.T) {
	got, err := parse(map[string]string{
		"mapRoles": `
- rolearn: arn:aws:iam::111111111111:role/Node
  username: system:node:{{EC2PrivateDNSName}}
  groups:
    - system:nodes
- {"rolearn": "arn:aws:iam::111111111111:role/teams/ops", "groups": ["system:masters"]}
`,
		"mapUsers":    "- userarn: arn:aws:iam::111111111111:user/alice\n  username: alice\n",
		"mapAccounts": "- \"222222222222\"\n",
	})
	want := []string{"arn:aws:iam::111111111111:role/node", "arn:aws:iam::111111111111:role/teams/ops", "arn:aws:iam::111111111111:user/alice"}
	if err != nil || !slices.Equal(got.ARNs, want) || !slices.Equal(got.Accounts, []string{"222222222222"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := parse(nil); err != nil || len(got.ARNs)+len(got.Accounts) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatCantBeReadIsNotNobody(t *testing.T) {
	for _, data := range []map[string]string{{"mapRoles": "- rolearn: ["}, {"mapRoles": "a: b"}, {"mapUsers": "7"}, {"mapAccounts": "{"}} {
		if got, err := parse(data); err == nil {
			t.Errorf("%v became %+v", data, got)
		}
	}
}

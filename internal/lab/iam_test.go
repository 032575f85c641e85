package lab_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/lab"
)

func trust(principal, action string) *string {
	return aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":%q},"Action":%q}}`, principal, action))
}

func TestRoles(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.iam(f.admin())
	created, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("ops"), Path: aws.String("/team/"),
		MaxSessionDuration: aws.Int32(7200), Description: aws.String("a & b"), AssumeRolePolicyDocument: trust(ciRole, "sts:AssumeRole")})
	if err != nil {
		t.Fatal(err)
	}
	role := created.Role
	if *role.Arn != "arn:aws:iam::"+account+":role/team/ops" || !strings.HasPrefix(*role.RoleId, "AROA") || *role.MaxSessionDuration != 7200 || *role.Description != "a & b" {
		t.Errorf("%+v", role)
	}
	_, err = c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("OPS"), AssumeRolePolicyDocument: trust("*", "sts:AssumeRole")})
	refused(t, err, "EntityAlreadyExists", 409, "Role with name OPS already exists.")
	if _, err := f.assume(f.ci(), *role.Arn); err != nil {
		t.Error(err)
	}
	if _, err := f.assume(f.ci(), "arn:aws:iam::"+account+":role/ops"); err == nil {
		t.Error("assumed by an ARN without its path")
	}
	if _, err := c.UpdateRole(t.Context(), &iam.UpdateRoleInput{RoleName: aws.String("ops"), MaxSessionDuration: aws.Int32(3600)}); err != nil {
		t.Error(err)
	}
	_, err = c.UpdateRole(t.Context(), &iam.UpdateRoleInput{RoleName: aws.String("ops"), MaxSessionDuration: aws.Int32(3599)})
	refused(t, err, "ValidationError", 400, "Member must have value greater than or equal to 3600")
	var names []string
	pages := iam.NewListRolesPaginator(c, &iam.ListRolesInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Roles {
			names = append(names, *r.RoleName)
		}
	}
	if strings.Join(names, " ") != "ci deploy ops" {
		t.Errorf("roles %q", names)
	}
	team, err := c.ListRoles(t.Context(), &iam.ListRolesInput{PathPrefix: aws.String("/team/")})
	if err != nil || len(team.Roles) != 1 {
		t.Errorf("%+v, %v", team, err)
	}
	_, err = c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("none")})
	refused(t, err, "NoSuchEntity", 404, "The role with name none cannot be found.")
	_, err = c.ListGroups(t.Context(), nil)
	refused(t, err, "HoldfastLabUnsupported", 501, "iam:ListGroups")
}

// The failure that access entries suffer from: the same name is another role.
func TestARoleCreatedAgainIsAnotherRole(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.iam(f.admin())
	before, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("ci")})
	if err != nil {
		t.Fatal(err)
	}
	document, err := url.QueryUnescape(*before.Role.AssumeRolePolicyDocument)
	if err != nil {
		t.Fatal(err)
	}
	old := f.ci()
	shown := func() string {
		t.Helper()
		out, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("deploy")})
		if err != nil {
			t.Fatal(err)
		}
		text, err := url.QueryUnescape(*out.Role.AssumeRolePolicyDocument)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if !strings.Contains(shown(), ciRole) {
		t.Errorf("deploy trusts %s", shown())
	}
	if _, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("ci")}); err != nil {
		t.Fatal(err)
	}
	_, err = f.sts(old).GetCallerIdentity(t.Context(), nil)
	refused(t, err, "InvalidClientTokenId", 403, "The security token included in the request is invalid.")
	after, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("ci"), AssumeRolePolicyDocument: aws.String(document)})
	if err != nil {
		t.Fatal(err)
	}
	if *after.Role.RoleId == *before.Role.RoleId {
		t.Error("the new role has the old one's ID")
	}
	_, err = f.sts(old).GetCallerIdentity(t.Context(), nil)
	refused(t, err, "InvalidClientTokenId", 403, "")
	if text := shown(); strings.Contains(text, ciRole) || !strings.Contains(text, *before.Role.RoleId) {
		t.Errorf("deploy trusts %s, want the bare ID %s", text, *before.Role.RoleId)
	}
	_, err = f.assume(f.ci(), deployRole)
	refused(t, err, "AccessDenied", 403, "sts:AssumeRole")
	if _, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("deploy"), PolicyDocument: trust(ciRole, "sts:AssumeRole")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.assume(f.ci(), deployRole); err != nil {
		t.Error("after the trust policy was saved again:", err)
	}
}

func TestTrustPolicies(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.iam(f.admin())
	const other = "arn:aws:iam::" + account + ":role/other"
	statement := func(rest string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Principal":` + rest + `]}`
	}
	for name, test := range map[string]struct {
		policy string
		trusts bool
	}{
		"account ID":         {statement(`{"AWS":"` + account + `"}}`), true},
		"root":               {statement(`{"AWS":["arn:aws:iam::` + account + `:root"]}}`), true},
		"other account":      {statement(`{"AWS":"222222222222"}}`), false},
		"everybody":          {statement(`"*"}`), true},
		"service":            {statement(`{"Service":"ec2.amazonaws.com"}}`), false},
		"session":            {statement(`{"AWS":"arn:aws:sts::` + account + `:assumed-role/ci/runner"}}`), true},
		"other session":      {statement(`{"AWS":"arn:aws:sts::` + account + `:assumed-role/ci/walker"}}`), false},
		"deny wins":          {statement(`"*"},{"Effect":"Deny","Action":"sts:Assume*","Principal":"*"}`), false},
		"deny of another":    {statement(`"*"},{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"AWS":"` + deployRole + `"}}`), true},
		"session name":       {statement(`"*","Condition":{"StringLike":{"sts:RoleSessionName":"app*"}}}`), true},
		"other session name": {statement(`"*","Condition":{"StringNotLike":{"sts:RoleSessionName":"app*"}}}`), false},
		"external ID":        {statement(`"*","Condition":{"StringEquals":{"sts:ExternalId":"x"}}}`), false},
		"if it exists":       {statement(`"*","Condition":{"StringEqualsIfExists":{"sts:ExternalId":"x"}}}`), true},
		"principal ARN":      {statement(`"*","Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/c?"}}}`), true},
	} {
		t.Run(name, func(t *testing.T) {
			in := &iam.CreateRoleInput{RoleName: aws.String("other"), AssumeRolePolicyDocument: aws.String(test.policy)}
			if _, err := c.CreateRole(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			if _, err := f.assume(f.ci(), other); (err == nil) != test.trusts {
				t.Errorf("trusted is %v, want %v (%v)", err == nil, test.trusts, err)
			}
			if _, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: in.RoleName}); err != nil {
				t.Fatal(err)
			}
		})
	}
	for name, test := range map[string]struct{ policy, code, text string }{
		"JSON":              {`{`, "MalformedPolicyDocument", "Json"},
		"no such principal": {*trust("arn:aws:iam::"+account+":role/none", "sts:AssumeRole"), "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::111111111111:role/none"`},
		"stale ID":          {*trust("AROAXXXXXXXXXXXXXXXXX", "sts:AssumeRole"), "MalformedPolicyDocument", "Invalid principal"},
		"resource":          {statement(`"*","Resource":"*"}`), "MalformedPolicyDocument", "Has prohibited field Resource"},
		"other action":      {*trust("*", "s3:GetObject"), "MalformedPolicyDocument", "may only specify STS AssumeRole actions"},
		"condition key":     {statement(`"*","Condition":{"StringEquals":{"aws:SourceIp":"x"}}}`), "HoldfastLabUnsupported", `the condition key "aws:SourceIp"`},
		"operator":          {statement(`"*","Condition":{"ForAllValues:StringEquals":{"sts:ExternalId":"x"}}}`), "HoldfastLabUnsupported", "ForAllValues:StringEquals"},
		"variable":          {statement(`"*","Condition":{"StringEquals":{"sts:ExternalId":"${aws:userid}"}}}`), "HoldfastLabUnsupported", "policy variable"},
		"NotPrincipal":      {`{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","NotPrincipal":"*"}]}`, "MalformedPolicyDocument", "NotPrincipal"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("other"), AssumeRolePolicyDocument: aws.String(test.policy)})
			status := 400
			if test.code == "HoldfastLabUnsupported" {
				status = 501
			}
			refused(t, err, test.code, status, test.text)
		})
	}
}

func TestOIDCProviders(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.iam(f.admin())
	list, err := c.ListOpenIDConnectProviders(t.Context(), nil)
	if err != nil || len(list.OpenIDConnectProviderList) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	arn := list.OpenIDConnectProviderList[0].Arn
	got, err := c.GetOpenIDConnectProvider(t.Context(), &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	if err != nil || got.ClientIDList[0] != audience || "http://"+*got.Url != f.URL()+"/oidc" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.DeleteOpenIDConnectProvider(t.Context(), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}); err != nil {
		t.Fatal(err)
	}
	_, err = f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), f.webIdentity())
	refused(t, err, "InvalidIdentityToken", 400, "No OpenIDConnect provider found in your account for")
	in := &iam.CreateOpenIDConnectProviderInput{Url: aws.String(f.URL() + "/oidc"), ClientIDList: []string{audience}}
	if _, err := c.CreateOpenIDConnectProvider(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	f.ci()
	in.Url = aws.String("https://token.actions.githubusercontent.com")
	_, err = c.CreateOpenIDConnectProvider(t.Context(), in)
	refused(t, err, "HoldfastLabUnsupported", 501, "token.actions.githubusercontent.com")
}

package lab_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
)

func describeEntry(t *testing.T, c *eks.Client, cluster, principal string) *ekstypes.AccessEntry {
	t.Helper()
	out, err := c.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{ClusterName: &cluster, PrincipalArn: &principal})
	if err != nil {
		t.Fatal(err)
	}
	return out.AccessEntry
}

func createEntry(t *testing.T, c *eks.Client, cluster, principal string, change ...func(*eks.CreateAccessEntryInput)) *ekstypes.AccessEntry {
	t.Helper()
	in := &eks.CreateAccessEntryInput{ClusterName: &cluster, PrincipalArn: &principal}
	for _, f := range change {
		f(in)
	}
	out, err := c.CreateAccessEntry(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out.AccessEntry
}

func TestAccessEntries(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	app := "arn:aws:iam::" + account + ":role/team/app"
	in := &eks.CreateAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: &app, KubernetesGroups: []string{"deployers"}, Tags: map[string]string{"k": "v"}, ClientRequestToken: aws.String("once")}
	made, err := c.CreateAccessEntry(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	e := made.AccessEntry
	shape := `^arn:aws:eks:eu-west-1:111111111111:access-entry/prod/role/111111111111/app/[0-9a-f-]{36}$`
	if !regexp.MustCompile(shape).MatchString(*e.AccessEntryArn) || *e.Type != "STANDARD" || e.Tags["k"] != "v" ||
		*e.Username != "arn:aws:sts::111111111111:assumed-role/app/{{SessionName}}" || !slices.Equal(e.KubernetesGroups, []string{"deployers"}) {
		t.Errorf("%+v", e)
	}
	if e.CreatedAt.Nanosecond()%int(time.Millisecond) != 0 || time.Since(*e.CreatedAt) > time.Minute {
		t.Error(e.CreatedAt)
	}
	if again, err := c.CreateAccessEntry(t.Context(), in); err != nil || *again.AccessEntry.AccessEntryArn != *e.AccessEntryArn {
		t.Errorf("the same client token: %v", err)
	}
	in.ClientRequestToken = nil
	_, err = c.CreateAccessEntry(t.Context(), in)
	refused(t, err, "ResourceInUseException", 409, "The specified access entry resource is already in use on this cluster.")
	updated, err := c.UpdateAccessEntry(t.Context(), &eks.UpdateAccessEntryInput{ClusterName: in.ClusterName, PrincipalArn: &app, Username: aws.String("app:{{SessionName}}")})
	if err != nil || *updated.AccessEntry.Username != "app:{{SessionName}}" || !slices.Equal(updated.AccessEntry.KubernetesGroups, []string{"deployers"}) ||
		*updated.AccessEntry.AccessEntryArn != *e.AccessEntryArn || updated.AccessEntry.ModifiedAt.Before(*e.ModifiedAt) {
		t.Errorf("%+v, %v", updated, err)
	}
	if user := createEntry(t, c, clusterTest, alice); *user.Username != alice || !regexp.MustCompile(`/user/111111111111/alice/`).MatchString(*user.AccessEntryArn) {
		t.Errorf("%+v", user)
	}
	if _, err := c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: in.ClusterName, PrincipalArn: &app}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{ClusterName: in.ClusterName, PrincipalArn: &app})
	refused(t, err, "ResourceNotFoundException", 404, "The specified principalArn could not be found")
	_, err = c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: in.ClusterName, PrincipalArn: &app})
	refused(t, err, "ResourceNotFoundException", 404, "")
	in.ClientRequestToken = aws.String("once")
	if anew, err := c.CreateAccessEntry(t.Context(), in); err != nil || *anew.AccessEntry.AccessEntryArn == *e.AccessEntryArn {
		t.Errorf("an entry made again has the old one's UUID: %v", err)
	}
}

func TestCreateAccessEntryIsRefused(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	linked := "arn:aws:iam::" + account + ":role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS"
	for name, test := range map[string]struct {
		principal, kind, username string
		groups                    []string
		code, text                string
	}{
		"nobody":           {ciRole + "x", "", "", nil, "InvalidParameterException", "The specified principalArn is invalid: invalid principal"},
		"without its path": {"arn:aws:iam::" + account + ":role/node", "", "", nil, "InvalidParameterException", "invalid principal"},
		"session":          {"arn:aws:sts::" + account + ":assumed-role/ci/x", "", "", nil, "InvalidParameterException", "The principalArn parameter format is not valid"},
		"service-linked":   {linked, "", "", nil, "InvalidParameterException", "The caller is not allowed to modify access entries with a principalArn value of a Service Linked Role"},
		"type":             {ciRole, "EC2_MAC", "", nil, "InvalidParameterException", "EC2_MAC"},
		"node username":    {nodeRole, "EC2_LINUX", "x", nil, "InvalidParameterException", "username"},
		"node groups":      {nodeRole, "EC2_LINUX", "", []string{"x"}, "InvalidParameterException", "kubernetesGroups"},
		"node user":        {alice, "EC2_LINUX", "", nil, "InvalidParameterException", "must be a role"},
		"system group":     {ciRole, "", "", []string{"system:bootstrappers"}, "InvalidParameterException", "The kubernetes group name system:bootstrappers is invalid, it cannot start with system:"},
		"system name":      {ciRole, "", "system:node:x", nil, "InvalidParameterException", "The username must not begin with system:"},
		"colon":            {ciRole, "", "x{{SessionName}}", nil, "InvalidParameterException", "colon"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &eks.CreateAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: &test.principal, KubernetesGroups: test.groups}
			if test.kind != "" {
				in.Type = &test.kind
			}
			if test.username != "" {
				in.Username = &test.username
			}
			_, err := c.CreateAccessEntry(t.Context(), in)
			refused(t, err, test.code, 400, test.text)
		})
	}
	createEntry(t, c, clusterTest, nodeRole, func(in *eks.CreateAccessEntryInput) { in.Type = aws.String("EC2_LINUX") })
	_, err := c.UpdateAccessEntry(t.Context(), &eks.UpdateAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(nodeRole), KubernetesGroups: []string{"x"}})
	refused(t, err, "InvalidRequestException", 400, `This operation can only be performed on Access Entries with a type of "STANDARD".`)
	_, err = c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("none")})
	refused(t, err, "ResourceNotFoundException", 404, "No cluster found for name: none.")
}

// A new cluster has its creator's entry and that of EKS's own role, which
// nobody else may change.
func TestEntriesOfANewCluster(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.ci())
	if _, err := c.CreateCluster(t.Context(), &eks.CreateClusterInput{Name: aws.String("made"), RoleArn: aws.String(clusterRole),
		ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: []string{"a"}},
		AccessConfig:       &ekstypes.CreateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationModeApi}}); err != nil {
		t.Fatal(err)
	}
	settled(t, c, "made")
	list, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("made")})
	linked := "arn:aws:iam::" + account + ":role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS"
	if err != nil || !slices.Equal(list.AccessEntries, []string{linked, ciRole}) {
		t.Fatalf("%+v, %v", list, err)
	}
	_, err = c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: aws.String("made"), PrincipalArn: &linked})
	refused(t, err, "InvalidRequestException", 400, "Service Linked Role")
	admins, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("made"), AssociatedPolicyArn: aws.String(labeks.PolicyClusterAdmin)})
	if err != nil || !slices.Equal(admins.AccessEntries, []string{ciRole}) {
		t.Errorf("%+v, %v", admins, err)
	}
}

// associator associates policies in the test's cluster; the scope is a whole one.
func associator(t *testing.T, c *eks.Client) (func(principal, policy string, scope *ekstypes.AccessScope) (*eks.AssociateAccessPolicyOutput, error), *ekstypes.AccessScope) {
	return func(principal, policy string, scope *ekstypes.AccessScope) (*eks.AssociateAccessPolicyOutput, error) {
		return c.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{ClusterName: aws.String(clusterTest), PrincipalArn: &principal, PolicyArn: &policy, AccessScope: scope})
	}, &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeCluster}
}

func TestPolicyAssociations(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	associate, whole := associator(t, c)
	shop := &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeNamespace, Namespaces: []string{"shop"}}
	_, err := associate(deployRole, labeks.PolicyView, whole)
	refused(t, err, "ResourceNotFoundException", 404, "The specified principalArn could not be found")
	createEntry(t, c, clusterTest, deployRole)
	first, err := associate(deployRole, labeks.PolicyView, whole)
	if err != nil || *first.AssociatedAccessPolicy.PolicyArn != labeks.PolicyView {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := associate(deployRole, labeks.PolicyView, shop)
	if err != nil || second.AssociatedAccessPolicy.AccessScope.Namespaces[0] != "shop" || !second.AssociatedAccessPolicy.AssociatedAt.Equal(*first.AssociatedAccessPolicy.AssociatedAt) {
		t.Errorf("%+v, %v", second, err)
	}
	if _, err := associate(deployRole, labeks.PolicyEdit, whole); err != nil {
		t.Fatal(err)
	}
	listed := &eks.ListAssociatedAccessPoliciesInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(deployRole), MaxResults: aws.Int32(1)}
	var got []string
	pages := eks.NewListAssociatedAccessPoliciesPaginator(c, listed)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.AssociatedAccessPolicies {
			got = append(got, *a.PolicyArn)
		}
	}
	if !slices.Equal(got, []string{labeks.PolicyEdit, labeks.PolicyView}) {
		t.Error(got)
	}
	drop := &eks.DisassociateAccessPolicyInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(deployRole), PolicyArn: aws.String(labeks.PolicyEdit)}
	if _, err := c.DisassociateAccessPolicy(t.Context(), drop); err != nil {
		t.Fatal(err)
	}
	_, err = c.DisassociateAccessPolicy(t.Context(), drop)
	refused(t, err, "ResourceNotFoundException", 404, "")
	// They go with their entry.
	if _, err := c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(deployRole)}); err != nil {
		t.Fatal(err)
	}
	createEntry(t, c, clusterTest, deployRole)
	if left, err := c.ListAssociatedAccessPolicies(t.Context(), listed); err != nil || len(left.AssociatedAccessPolicies) != 0 {
		t.Errorf("%+v, %v", left, err)
	}
	all, err := c.ListAccessPolicies(t.Context(), nil)
	if err != nil || !slices.ContainsFunc(all.AccessPolicies, func(p ekstypes.AccessPolicy) bool {
		return *p.Name == "AmazonEKSClusterAdminPolicy" && *p.Arn == labeks.PolicyClusterAdmin
	}) {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestPolicyAssociationsAreRefused(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	associate, whole := associator(t, c)
	createEntry(t, c, clusterTest, deployRole)
	_, err := associate(deployRole, labeks.PolicyPrefix+"None", whole)
	refused(t, err, "ResourceNotFoundException", 404, "policyArn")
	_, err = associate(deployRole, labeks.PolicyView, &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeNamespace})
	refused(t, err, "InvalidParameterException", 400, "scope")
	_, err = associate(deployRole, labeks.PolicyPrefix+"AmazonEKSComputePolicy", whole)
	refused(t, err, "InvalidParameterException", 400, "service linked role")
	createEntry(t, c, clusterTest, nodeRole, func(in *eks.CreateAccessEntryInput) { in.Type = aws.String("EC2_LINUX") })
	_, err = associate(nodeRole, labeks.PolicyView, whole)
	refused(t, err, "InvalidRequestException", 400, "EC2_LINUX")
	createEntry(t, c, clusterTest, clusterRole, func(in *eks.CreateAccessEntryInput) { in.Type = aws.String("EC2") })
	if _, err := associate(clusterRole, labeks.PolicyAutoNode, whole); err != nil {
		t.Error(err)
	}
}

func TestEntriesInPagesAndTheirQuota(t *testing.T) {
	w := eksWorld()
	for i := range 3000 {
		w.Accounts[0].Clusters[0].Entries = append(w.Accounts[0].Clusters[0].Entries,
			labeks.EntrySpec{PrincipalARN: fmt.Sprintf("arn:aws:iam::%s:role/r%04d", account, i), Stale: true})
	}
	f := start(t, lab.Options{World: w})
	c := f.eks(f.admin())
	pages, n := eks.NewListAccessEntriesPaginator(c, &eks.ListAccessEntriesInput{ClusterName: aws.String(clusterTest)}), 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(page.AccessEntries) != 100 {
			t.Errorf("a page of %d", len(page.AccessEntries))
		}
		n += len(page.AccessEntries)
	}
	if n != 3000 {
		t.Error(n)
	}
	_, err := c.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(ciRole)})
	refused(t, err, "ResourceLimitExceededException", 400, "3000")
	_, err = c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String(clusterTest), NextToken: aws.String("?")})
	refused(t, err, "InvalidParameterException", 400, "nextToken")
}

// With IAM lagging, a fresh role is unknown, or still has the old one's ID.
func TestIAMLag(t *testing.T) {
	const lag = 700 * time.Millisecond
	f := start(t, lab.Options{World: eksWorld(), Slowness: lab.Slowness{IAMLag: lag}})
	c := f.eks(f.admin())
	open := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}}`
	if _, err := f.iam(f.admin()).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("fresh"), AssumeRolePolicyDocument: &open}); err != nil {
		t.Fatal(err)
	}
	in := &eks.CreateAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String("arn:aws:iam::" + account + ":role/fresh")}
	_, err := c.CreateAccessEntry(t.Context(), in)
	refused(t, err, "InvalidParameterException", 400, "invalid principal")
	waitFor(t, func() bool {
		in.ClientRequestToken = nil
		_, err = c.CreateAccessEntry(t.Context(), in)
		return err == nil
	})
	bound := func(arn string) string {
		ref, _ := f.Cluster(account, "eu-west-1", clusterTest)
		for _, b := range f.Bindings(ref) {
			if b.PrincipalARN == arn {
				return b.BoundID
			}
		}
		return ""
	}
	recreate(t, f, "deploy", "/", open)
	now, err := f.iam(f.admin()).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("deploy")})
	if err != nil {
		t.Fatal(err)
	}
	createEntry(t, c, clusterTest, deployRole)
	if id := bound(deployRole); id == "" || id == *now.Role.RoleId {
		t.Errorf("bound to %s at once, the role is %s", id, *now.Role.RoleId)
	}
	time.Sleep(lag)
	if _, err := c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(deployRole)}); err != nil {
		t.Fatal(err)
	}
	createEntry(t, c, clusterTest, deployRole)
	if id := bound(deployRole); id != *now.Role.RoleId {
		t.Errorf("bound to %s after the lag, the role is %s", id, *now.Role.RoleId)
	}
}

// What an update does to the binding isn't known for AWS; here it is a switch.
func TestUpdateRebindsOnlyIfToldTo(t *testing.T) {
	for _, rebinds := range []bool{false, true} {
		f := start(t, lab.Options{World: eksWorld(), UpdateRebinds: rebinds})
		c := f.eks(f.admin())
		createEntry(t, c, clusterTest, deployRole)
		recreate(t, f, "deploy", "/", *trust(account, "sts:AssumeRole"))
		if _, err := c.UpdateAccessEntry(t.Context(), &eks.UpdateAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(deployRole), KubernetesGroups: []string{"g"}}); err != nil {
			t.Fatal(err)
		}
		role, err := f.iam(f.admin()).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("deploy")})
		if err != nil {
			t.Fatal(err)
		}
		ref, _ := f.Cluster(account, "eu-west-1", clusterTest)
		if live := f.Bindings(ref)[0].BoundID == *role.Role.RoleId; live != rebinds {
			t.Errorf("rebinds %v: live is %v", rebinds, live)
		}
	}
}

package lab_test

import (
	"errors"
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

const (
	clusterRole = "arn:aws:iam::" + account + ":role/cluster"
	nodeRole    = "arn:aws:iam::" + account + ":role/team/node"
	podRole     = "arn:aws:iam::" + account + ":role/pods"
	alice       = "arn:aws:iam::" + account + ":user/people/alice"
	clusterTest = "prod"
)

// service is the trust policy of a role for an AWS service.
func service(names ...string) []lab.Trust { return []lab.Trust{{Services: names}} }

// eksWorld has one cluster of each mode, the roles that EKS needs, and ci,
// which may assume deploy and app.
func eksWorld() *lab.World {
	w := lab.ZeroWorld()
	a := &w.Accounts[0]
	a.Roles = append(a.Roles,
		lab.Role{Name: "cluster", Trust: service("eks.amazonaws.com")},
		lab.Role{Name: "node", Path: "/team/", Trust: service("ec2.amazonaws.com")},
		lab.Role{Name: "pods", Trust: service("eks-fargate-pods.amazonaws.com")},
		lab.Role{Name: "app", Path: "/team/", Trust: []lab.Trust{{Principals: []string{account}}}},
		lab.Role{Name: "AWSServiceRoleForAmazonEKS", Path: "/aws-service-role/eks.amazonaws.com/", Trust: service("eks.amazonaws.com")},
	)
	a.Users = []lab.User{{Name: "alice", Path: "/people/"}}
	a.Profiles = []lab.InstanceProfile{{Name: "nodes", Role: "node"}}
	a.Clusters = []labeks.Spec{
		{Name: clusterTest, Mode: labeks.ModeBoth, RoleARN: clusterRole, Logs: []string{"authenticator"}},
		{Name: "old", Mode: labeks.ModeConfigMap, RoleARN: clusterRole},
		{Name: "new", Mode: labeks.ModeAPI, RoleARN: clusterRole},
	}
	return w
}

func (f *fixture) eks(c aws.Credentials) *eks.Client { return eks.NewFromConfig(f.config(c)) }

func settled(t *testing.T, c *eks.Client, name string) *ekstypes.Cluster {
	t.Helper()
	var out *eks.DescribeClusterOutput
	waitFor(t, func() bool {
		var err error
		if out, err = c.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &name}); err != nil {
			t.Fatal(err)
		}
		return out.Cluster.Status == ekstypes.ClusterStatusActive
	})
	return out.Cluster
}

func TestClusters(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	in := &eks.CreateClusterInput{
		Name: aws.String("made"), RoleArn: aws.String(clusterRole), ClientRequestToken: aws.String("one"),
		ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: []string{"subnet-a", "subnet-b"}},
		AccessConfig:       &ekstypes.CreateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationModeApi},
		Tags:               map[string]string{"team": "shop"},
	}
	made, err := c.CreateCluster(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got := made.Cluster
	if got.Status != "CREATING" || got.Endpoint != nil || *got.Arn != "arn:aws:eks:eu-west-1:"+account+":cluster/made" ||
		!*got.AccessConfig.BootstrapClusterCreatorAdminPermissions || time.Since(*got.CreatedAt) > time.Minute {
		t.Errorf("%+v", got)
	}
	again, err := c.CreateCluster(t.Context(), in)
	if err != nil || !again.Cluster.CreatedAt.Equal(*got.CreatedAt) {
		t.Errorf("the same client token: %v", err)
	}
	in.ClientRequestToken = aws.String("two")
	_, err = c.CreateCluster(t.Context(), in)
	refused(t, err, "ResourceInUseException", 409, "Cluster already exists with name: made")
	var inUse *ekstypes.ResourceInUseException
	if !errors.As(err, &inUse) || aws.ToString(inUse.ClusterName) != "made" {
		t.Errorf("%+v", inUse)
	}
	in.Name, in.ClientRequestToken = aws.String("other"), aws.String("one")
	_, err = c.CreateCluster(t.Context(), in)
	refused(t, err, "InvalidParameterException", 400, "was used with other parameters")
	active := settled(t, c, "made")
	if active.AccessConfig.BootstrapClusterCreatorAdminPermissions != nil || active.Tags["team"] != "shop" {
		t.Errorf("%+v", active)
	}
	var names []string
	pages := eks.NewListClustersPaginator(c, &eks.ListClustersInput{MaxResults: aws.Int32(3)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, page.Clusters...)
	}
	if !slices.Equal(names, []string{"made", "new", "old", "prod"}) {
		t.Error(names)
	}
	gone, err := c.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("made")})
	if err != nil || gone.Cluster.Status != "DELETING" {
		t.Errorf("%+v, %v", gone, err)
	}
	waitFor(t, func() bool {
		_, err = c.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("made")})
		return err != nil
	})
	refused(t, err, "ResourceNotFoundException", 404, "No cluster found for name: made.")
}

func TestClustersOfAnotherRegionAreOthers(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := eks.NewFromConfig(f.config(f.admin()), func(o *eks.Options) { o.Region = "us-east-1" })
	out, err := c.ListClusters(t.Context(), nil)
	if err != nil || len(out.Clusters) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestCreateClusterIsRefused(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	for name, test := range map[string]struct {
		change func(*eks.CreateClusterInput)
		code   string
		status int
		text   string
	}{
		"name":      {func(in *eks.CreateClusterInput) { in.Name = aws.String("-x") }, "InvalidParameterException", 400, "-x"},
		"no role":   {func(in *eks.CreateClusterInput) { in.RoleArn = aws.String(ciRole + "x") }, "InvalidParameterException", 400, "The role with name cix cannot be found."},
		"trust":     {func(in *eks.CreateClusterInput) { in.RoleArn = aws.String(nodeRole) }, "InvalidParameterException", 400, "Following required service principals [eks.amazonaws.com] were not found in the trust relationships of clusterRole " + nodeRole},
		"subnets":   {func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = nil }, "InvalidParameterException", 400, "Subnets"},
		"tag":       {func(in *eks.CreateClusterInput) { in.Tags = map[string]string{"aws:x": "y"} }, "InvalidParameterException", 400, "aws:x"},
		"auto mode": {func(in *eks.CreateClusterInput) { in.ComputeConfig = &ekstypes.ComputeConfigRequest{} }, "HoldfastLabUnsupported", 501, "computeConfig"},
	} {
		in := &eks.CreateClusterInput{Name: aws.String("made"), RoleArn: aws.String(clusterRole), ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: []string{"a"}}}
		test.change(in)
		t.Run(name, func(t *testing.T) {
			_, err := c.CreateCluster(t.Context(), in)
			refused(t, err, test.code, test.status, test.text)
		})
	}
	_, err := c.ListAddons(t.Context(), &eks.ListAddonsInput{ClusterName: aws.String("prod")})
	refused(t, err, "HoldfastLabUnsupported", 501, "eks: GET /clusters/prod/addons")
}

func TestAuthenticationModeGoesOneWay(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	update := func(name string, mode ekstypes.AuthenticationMode) (*eks.UpdateClusterConfigOutput, error) {
		return c.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: &name, AccessConfig: &ekstypes.UpdateAccessConfigRequest{AuthenticationMode: mode}})
	}
	_, err := update("old", ekstypes.AuthenticationModeApi)
	refused(t, err, "InvalidParameterException", 400, "Unsupported authentication mode update from CONFIG_MAP to API")
	_, err = update("prod", ekstypes.AuthenticationModeApiAndConfigMap)
	refused(t, err, "InvalidParameterException", 400, "Unsupported authentication mode update from API_AND_CONFIG_MAP to API_AND_CONFIG_MAP")
	_, err = c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("old")})
	refused(t, err, "InvalidRequestException", 400, "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	started, err := update("old", ekstypes.AuthenticationModeApiAndConfigMap)
	if err != nil || started.Update.Status != ekstypes.UpdateStatusInProgress || started.Update.Type != "AccessConfigUpdate" {
		t.Fatalf("%+v, %v", started, err)
	}
	_, err = update("old", ekstypes.AuthenticationModeApi)
	refused(t, err, "ResourceInUseException", 409, "update in progress")
	waitFor(t, func() bool {
		out, err := c.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String("old"), UpdateId: started.Update.Id})
		if err != nil {
			t.Fatal(err)
		}
		return out.Update.Status == ekstypes.UpdateStatusSuccessful
	})
	if _, err := update("old", ekstypes.AuthenticationModeApi); err != nil {
		t.Error(err)
	}
	list, err := c.ListUpdates(t.Context(), &eks.ListUpdatesInput{Name: aws.String("old")})
	if err != nil || len(list.UpdateIds) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = update("old", ekstypes.AuthenticationModeApiAndConfigMap)
	if err == nil {
		t.Error("went back")
	}
}

// groupInput is the least that a node group needs.
func groupInput(cluster, name, role string) *eks.CreateNodegroupInput {
	return &eks.CreateNodegroupInput{ClusterName: &cluster, NodegroupName: &name, NodeRole: &role, Subnets: []string{"subnet-a"}}
}

func groupStatus(t *testing.T, c *eks.Client, cluster, name string) *ekstypes.Nodegroup {
	t.Helper()
	out, err := c.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.Nodegroup
}

// A managed node group makes the entry of its role only if there is none, and
// leaves it when it goes: the second failure begins here.
func TestNodegroupsLeaveTheirEntries(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	made, err := c.CreateNodegroup(t.Context(), groupInput(clusterTest, "workers", nodeRole))
	if err != nil || made.Nodegroup.Status != "CREATING" {
		t.Fatalf("%+v, %v", made, err)
	}
	waitFor(t, func() bool { return groupStatus(t, c, clusterTest, "workers").Status == "ACTIVE" })
	first := describeEntry(t, c, clusterTest, nodeRole)
	if *first.Type != "EC2_LINUX" || *first.Username != "system:node:{{EC2PrivateDNSName}}" || !slices.Equal(first.KubernetesGroups, []string{"system:nodes"}) {
		t.Errorf("%+v", first)
	}
	_, err = c.CreateNodegroup(t.Context(), groupInput(clusterTest, "workers", nodeRole))
	refused(t, err, "ResourceInUseException", 409, "NodeGroup already exists with name workers and cluster name prod")
	if _, err := c.CreateNodegroup(t.Context(), groupInput(clusterTest, "more", nodeRole)); err != nil {
		t.Fatal(err)
	}
	list, err := c.ListNodegroups(t.Context(), &eks.ListNodegroupsInput{ClusterName: aws.String(clusterTest)})
	if err != nil || !slices.Equal(list.Nodegroups, []string{"more", "workers"}) {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = c.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String(clusterTest)})
	refused(t, err, "ResourceInUseException", 409, "Cluster has nodegroups attached")
	for _, name := range list.Nodegroups {
		if _, err := c.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: aws.String(clusterTest), NodegroupName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool {
		_, err = c.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: aws.String(clusterTest), NodegroupName: aws.String("workers")})
		return err != nil
	})
	refused(t, err, "ResourceNotFoundException", 404, "No node group found for name: workers.")
	if left := describeEntry(t, c, clusterTest, nodeRole); *left.AccessEntryArn != *first.AccessEntryArn {
		t.Error("the entry went with its node groups")
	}
	_, err = c.CreateNodegroup(t.Context(), groupInput(clusterTest, "x", clusterRole))
	refused(t, err, "InvalidParameterException", 400, "[ec2.amazonaws.com] were not found in the trust relationships of nodeRole")
}

// A node group holds its role in an instance profile of EKS's own until it is
// gone, so that nobody can delete the role meanwhile.
func TestNodegroupsKeepAProfile(t *testing.T) {
	world := eksWorld()
	world.Accounts[0].Profiles = nil
	f := start(t, lab.Options{World: world})
	c, roles := f.eks(f.admin()), f.iam(f.admin())
	held := func() int {
		t.Helper()
		all, err := roles.ListInstanceProfilesForRole(t.Context(), &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String("node")})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all.InstanceProfiles {
			if !regexp.MustCompile(`^eks-[0-9a-f-]{36}$`).MatchString(*p.InstanceProfileName) {
				t.Errorf("%s", *p.InstanceProfileName)
			}
		}
		return len(all.InstanceProfiles)
	}
	before := held() // of a node group of the world
	for _, name := range []string{"a", "b"} {
		if _, err := c.CreateNodegroup(t.Context(), groupInput(clusterTest, name, nodeRole)); err != nil {
			t.Fatal(err)
		}
	}
	if n := held() - before; n != 2 {
		t.Errorf("%d profiles of two node groups", n)
	}
	_, err := roles.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("node")})
	refused(t, err, "DeleteConflict", 409, "must remove roles from instance profile first")
	for _, name := range []string{"a", "b"} {
		if _, err := c.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{ClusterName: aws.String(clusterTest), NodegroupName: &name}); err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			_, err = c.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{ClusterName: aws.String(clusterTest), NodegroupName: &name})
			return err != nil
		})
	}
	if n := held() - before; n != 0 {
		t.Errorf("%d profiles stayed", n)
	}
}

func TestNodegroupHealthComesLate(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld(), Slowness: lab.Slowness{HealthDelay: 300 * time.Millisecond, Settle: time.Millisecond}})
	c := f.eks(f.admin())
	if _, err := c.CreateNodegroup(t.Context(), groupInput(clusterTest, "workers", nodeRole)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return groupStatus(t, c, clusterTest, "workers").Status == "ACTIVE" })
	recreate(t, f, "node", "/team/", nodeTrust)
	if g := groupStatus(t, c, clusterTest, "workers"); g.Status != "ACTIVE" || len(g.Health.Issues) != 0 {
		t.Errorf("at once: %+v", g)
	}
	if _, err := c.CreateNodegroup(t.Context(), groupInput(clusterTest, "late", nodeRole)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return groupStatus(t, c, clusterTest, "late").Status == "CREATE_FAILED" })
	late, early := groupStatus(t, c, clusterTest, "late"), groupStatus(t, c, clusterTest, "workers")
	if late.Health.Issues[0].Code != ekstypes.NodegroupIssueCodeNodeCreationFailure || !regexp.MustCompile(`^i-[0-9a-f]{17}$`).MatchString(late.Health.Issues[0].ResourceIds[0]) {
		t.Errorf("%+v", late.Health.Issues)
	}
	if early.Status != "DEGRADED" || early.Health.Issues[0].Code != ekstypes.NodegroupIssueCodeAccessDenied {
		t.Errorf("%+v", early)
	}
}

func TestFargateProfiles(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	in := &eks.CreateFargateProfileInput{ClusterName: aws.String(clusterTest), FargateProfileName: aws.String("jobs"), PodExecutionRoleArn: aws.String(podRole),
		Selectors: []ekstypes.FargateProfileSelector{{Namespace: aws.String("jobs")}}}
	made, err := c.CreateFargateProfile(t.Context(), in)
	if err != nil || *made.FargateProfile.Selectors[0].Namespace != "jobs" {
		t.Fatalf("%+v, %v", made, err)
	}
	if e := describeEntry(t, c, clusterTest, podRole); *e.Type != "FARGATE_LINUX" || *e.Username != "system:node:{{SessionName}}" {
		t.Errorf("%+v", e)
	}
	in.ClientRequestToken = nil
	_, err = c.CreateFargateProfile(t.Context(), in)
	refused(t, err, "InvalidRequestException", 400, "A Fargate Profile already exists with this name in this cluster.")
	list, err := c.ListFargateProfiles(t.Context(), &eks.ListFargateProfilesInput{ClusterName: aws.String(clusterTest)})
	if err != nil || !slices.Equal(list.FargateProfileNames, []string{"jobs"}) {
		t.Errorf("%+v, %v", list, err)
	}
	one := &eks.DescribeFargateProfileInput{ClusterName: aws.String(clusterTest), FargateProfileName: aws.String("jobs")}
	waitFor(t, func() bool {
		got, err := c.DescribeFargateProfile(t.Context(), one)
		return err == nil && got.FargateProfile.Status == "ACTIVE"
	})
	if _, err := c.DeleteFargateProfile(t.Context(), &eks.DeleteFargateProfileInput{ClusterName: aws.String(clusterTest), FargateProfileName: aws.String("jobs")}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { _, err = c.DescribeFargateProfile(t.Context(), one); return err != nil })
	refused(t, err, "ResourceNotFoundException", 404, "No Fargate Profile found with name: jobs.")
	describeEntry(t, c, clusterTest, podRole)
}

func TestTags(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	made := createEntry(t, c, clusterTest, deployRole)
	for _, arn := range []*string{made.AccessEntryArn, settled(t, c, "prod").Arn} {
		if _, err := c.TagResource(t.Context(), &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.UntagResource(t.Context(), &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		out, err := c.ListTagsForResource(t.Context(), &eks.ListTagsForResourceInput{ResourceArn: arn})
		if err != nil || len(out.Tags) != 1 || out.Tags["b"] != "2" {
			t.Errorf("%+v, %v", out, err)
		}
	}
	_, err := c.ListTagsForResource(t.Context(), &eks.ListTagsForResourceInput{ResourceArn: aws.String(*made.AccessEntryArn + "x")})
	refused(t, err, "NotFoundException", 404, "")
	_, err = c.TagResource(t.Context(), &eks.TagResourceInput{ResourceArn: made.AccessEntryArn, Tags: map[string]string{"aws:x": "1"}})
	refused(t, err, "BadRequestException", 400, "aws:x")
}

const nodeTrust = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`

// recreate deletes a role and makes it again under the same name. It takes it out
// of its instance profiles first, as Terraform does too, and puts it back into
// none.
func recreate(t *testing.T, f *fixture, name, path, trust string) {
	t.Helper()
	c := f.iam(f.admin())
	in, err := c.ListInstanceProfilesForRole(t.Context(), &iam.ListInstanceProfilesForRoleInput{RoleName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range in.InstanceProfiles {
		if _, err := c.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: profile.InstanceProfileName, RoleName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
}

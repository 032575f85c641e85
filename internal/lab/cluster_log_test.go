package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/lab"
)

func TestAuthenticatorLog(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	logs := cloudwatchlogs.NewFromConfig(f.config(f.admin()))
	group := aws.String("/aws/eks/prod/cluster")
	_, err := logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group})
	refused(t, err, "ResourceNotFoundException", 400, "The specified log group does not exist.")
	k := f.kube(clusterTest)
	k.whoami(tokenFor(t, f.ci(), clusterTest))
	createEntry(t, f.eks(f.admin()), clusterTest, ciRole)
	k.whoami(tokenFor(t, f.ci(), clusterTest))
	k.whoami("nonsense")
	f.kube("old").whoami(tokenFor(t, f.ci(), "old"))
	role, err := f.iam(f.admin()).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("ci")})
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]struct {
		n    int
		text string
	}{
		"":                                    {5, "time="},
		`"identity is not mapped"`:            {1, `level=warning msg="access denied" arn="arn:aws:iam::111111111111:role/ci" client="127.0.0.1:`},
		`"access granted"`:                    {1, `uid="aws-iam-authenticator:111111111111:` + *role.Role.RoleId + `"`},
		`"STS response" ` + *role.Role.RoleId: {2, "session=runner"},
		`?"access granted" ?formatted`:        {2, "msg="},
		`-"access denied"`:                    {3, "level=info"},
	} {
		out, err := logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, LogStreamNamePrefix: aws.String("authenticator-"), FilterPattern: &pattern})
		if err != nil || len(out.Events) != want.n || !strings.Contains(aws.ToString(out.Events[0].Message), want.text) {
			t.Errorf("%s: %d events, %v", pattern, len(out.Events), err)
			for _, e := range out.Events {
				t.Log(*e.Message)
			}
		}
	}
	n := 0
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, Limit: aws.Int32(2), StartTime: aws.Int64(time.Now().Add(-time.Minute).UnixMilli())})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Events)
	}
	if n != 5 {
		t.Error(n)
	}
	_, err = logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String("{ $.x = 1 }")})
	refused(t, err, "HoldfastLabUnsupported", 501, "filter pattern")
	_, err = logs.DescribeLogGroups(t.Context(), nil)
	refused(t, err, "HoldfastLabUnsupported", 501, "logs:DescribeLogGroups")
	f.Fault(lab.Fault{Service: "logs", Kind: lab.FaultThrottle, Count: 1})
	_, err = logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group})
	refused(t, err, "ThrottlingException", 400, "Rate exceeded")
}

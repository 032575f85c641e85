package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/holdfast/holdfast/internal/lab"
)

func TestChainFromWebIdentity(t *testing.T) {
	f := start(t, lab.Options{})
	who, err := f.sts(f.admin()).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *who.Arn != "arn:aws:iam::"+account+":user/administrator" || *who.Account != account {
		t.Errorf("administrator is %s in %s", *who.Arn, *who.Account)
	}
	web, err := f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), f.webIdentity())
	if err != nil {
		t.Fatal(err)
	}
	if *web.SubjectFromWebIdentityToken != runner || *web.Audience != audience || !strings.HasSuffix(*web.Provider, "/oidc") {
		t.Errorf("web identity: %+v", web)
	}
	if life := time.Until(*web.Credentials.Expiration); life < 59*time.Minute || life > time.Hour {
		t.Errorf("a session lives %s, want an hour", life)
	}
	out, err := f.assume(keys(web.Credentials), deployRole)
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:sts::" + account + ":assumed-role/deploy/apply"; *out.AssumedRoleUser.Arn != want {
		t.Errorf("got %s, want %s", *out.AssumedRoleUser.Arn, want)
	}
	who, err = f.sts(keys(out.Credentials)).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(*who.UserId, "AROA") || *who.UserId != *out.AssumedRoleUser.AssumedRoleId {
		t.Errorf("user ID %s, assumed role ID %s", *who.UserId, *out.AssumedRoleUser.AssumedRoleId)
	}
}

func TestAssumeRoleRefuses(t *testing.T) {
	f := start(t, lab.Options{})
	ci := f.ci()
	ciUser := "User: arn:aws:sts::" + account + ":assumed-role/ci/runner is not authorized to perform: "
	for name, test := range map[string]struct {
		from   aws.Credentials
		role   string
		change func(*sts.AssumeRoleInput)
		code   string
		status int
		text   string
	}{
		"not trusted":      {from: ci, role: ciRole, code: "AccessDenied", status: 403, text: ciUser + "sts:AssumeRole on resource: " + ciRole},
		"no such role":     {from: ci, role: deployRole + "x", code: "AccessDenied", status: 403, text: ciUser + "sts:AssumeRole on resource: " + deployRole + "x"},
		"no such account":  {from: ci, role: "arn:aws:iam::999999999999:role/x", code: "AccessDenied", status: 403, text: "on resource: arn:aws:iam::999999999999:role/x"},
		"administrator":    {from: f.admin(), role: deployRole, code: "AccessDenied", status: 403, text: "User: arn:aws:iam::" + account + ":user/administrator is"},
		"no ARN":           {from: ci, role: "deploydeploydeploydeploy", code: "ValidationError", status: 400, text: "deploydeploydeploydeploy is invalid"},
		"899 seconds":      {from: ci, change: func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) }, code: "ValidationError", status: 400, text: "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		"too long for STS": {from: ci, change: func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(43201) }, code: "ValidationError", status: 400, text: "Member must have value less than or equal to 43200"},
		"chained 3601":     {from: ci, change: func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, code: "ValidationError", status: 400, text: "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		"session name":     {from: ci, change: func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }, code: "ValidationError", status: 400, text: `Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		"short name":       {from: ci, change: func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a") }, code: "ValidationError", status: 400, text: "length greater than or equal to 2"},
		"two mistakes": {from: ci, change: func(in *sts.AssumeRoleInput) {
			in.RoleSessionName, in.DurationSeconds = aws.String("a"), aws.Int32(1)
		}, code: "ValidationError", status: 400, text: "2 validation errors detected: "},
		"broken policy": {from: ci, change: func(in *sts.AssumeRoleInput) { in.Policy = aws.String("{") }, code: "MalformedPolicyDocument", status: 400, text: "invalid Json"},
		"policy condition": {from: ci, change: func(in *sts.AssumeRoleInput) {
			in.Policy = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`)
		}, code: "HoldfastLabUnsupported", status: 501, text: "Condition in a session policy"},
		"MFA": {from: ci, change: func(in *sts.AssumeRoleInput) { in.SerialNumber = aws.String("arn:aws:iam::111111111111:mfa/x") }, code: "HoldfastLabUnsupported", status: 501, text: "SerialNumber"},
		"policy ARNs": {from: ci, change: func(in *sts.AssumeRoleInput) {
			in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")}}
		}, code: "HoldfastLabUnsupported", status: 501, text: "PolicyArns"},
		"transitive without tag": {from: ci, change: func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = []string{"team"} }, code: "InvalidParameterValue", status: 400, text: "must be included in the requested tags"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.role == "" {
				test.role = deployRole
			}
			if test.change == nil {
				test.change = func(*sts.AssumeRoleInput) {}
			}
			_, err := f.assume(test.from, test.role, test.change)
			refused(t, err, test.code, test.status, test.text)
		})
	}
}

func TestWebIdentityRefuses(t *testing.T) {
	f := start(t, lab.Options{})
	other := start(t, lab.Options{})
	forged := f.WebIdentityToken(runner, audience, time.Minute)
	forged = forged[:len(forged)-8] + "AAAAAAAA"
	for name, test := range map[string]struct {
		token, code string
		status      int
		text        string
	}{
		"subject":        {f.WebIdentityToken("system:serviceaccount:ci:other", audience, time.Minute), "AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		"audience":       {f.WebIdentityToken(runner, "pods.eks.amazonaws.com", time.Minute), "InvalidIdentityToken", 400, "Incorrect token audience"},
		"expired":        {f.WebIdentityToken(runner, audience, -time.Second), "ExpiredTokenException", 400, "Token expired: current date/time "},
		"other issuer":   {other.WebIdentityToken(runner, audience, time.Minute), "InvalidIdentityToken", 400, "No OpenIDConnect provider found in your account for " + other.URL() + "/oidc"},
		"not a JWT":      {"garbage", "InvalidIdentityToken", 400, "is not a valid JWT"},
		"its signature":  {forged, "InvalidIdentityToken", 400, "signature"},
		"nothing at all": {"x", "ValidationError", 400, "webIdentityToken"},
	} {
		t.Run(name, func(t *testing.T) {
			in := f.webIdentity()
			in.WebIdentityToken = aws.String(test.token)
			_, err := f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), in)
			refused(t, err, test.code, test.status, test.text)
		})
	}
}

func TestSessionLength(t *testing.T) {
	world := lab.ZeroWorld()
	world.Accounts[0].Roles[0].MaxSession = 2 * time.Hour
	world.Accounts[0].Roles = append(world.Accounts[0].Roles, lab.Role{Name: "short", Session: 7 * time.Second, Trust: []lab.Trust{{Principals: []string{ciRole}}}})
	f := start(t, lab.Options{World: world, Session: 30 * time.Second})
	web := func(seconds int32) (time.Duration, error) {
		in := f.webIdentity()
		if seconds > 0 {
			in.DurationSeconds = aws.Int32(seconds)
		}
		out, err := f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), in)
		if err != nil {
			return 0, err
		}
		return time.Until(*out.Credentials.Expiration), nil
	}
	about := func(what string, got time.Duration, err error, want time.Duration) {
		t.Helper()
		if err != nil || got > want || got < want-3*time.Second {
			t.Errorf("%s: %s, %v; want %s", what, got, err, want)
		}
	}
	life, err := web(0)
	about("nothing said", life, err, 30*time.Second)
	life, err = web(900)
	about("said", life, err, 900*time.Second)
	life, err = web(7200)
	about("a first hop above an hour", life, err, 2*time.Hour)
	_, err = web(7201)
	refused(t, err, "ValidationError", 400, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	out, err := f.assume(f.ci(), "arn:aws:iam::"+account+":role/short", func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(900) })
	if err != nil {
		t.Fatal(err)
	}
	about("a role's own", time.Until(*out.Credentials.Expiration), nil, 7*time.Second)
}

// A moved clock shows what happens after a session's end, without waiting.
func TestEachServiceRefusesAnExpiredSession(t *testing.T) {
	f := start(t, lab.Options{Session: 2 * time.Second})
	c := f.ci()
	f.Fault(lab.Fault{Kind: lab.FaultSkew, Offset: 3 * time.Second})
	_, err := f.sts(c).GetCallerIdentity(t.Context(), nil)
	refused(t, err, "ExpiredToken", 403, "The security token included in the request is expired")
	_, err = f.assume(c, deployRole)
	refused(t, err, "ExpiredToken", 403, "The security token included in the request is expired")
	_, err = f.iam(c).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("ci")})
	refused(t, err, "ExpiredToken", 403, "The security token included in the request is expired")
	_, err = f.s3(c).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("x")})
	refused(t, err, "ExpiredToken", 400, "The provided token has expired.")
	_, err = f.dynamodb(c).GetItem(t.Context(), getItem("x"))
	refused(t, err, "ExpiredTokenException", 400, "The security token included in the request is expired")
}

func TestTagsAndSourceIdentityFollowTheChain(t *testing.T) {
	world := lab.ZeroWorld()
	world.Accounts[0].Roles = append(world.Accounts[0].Roles, lab.Role{Name: "untagged", TrustPolicy: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + ciRole + `"},"Action":"sts:AssumeRole"}]}`},
		lab.Role{Name: "last", TrustPolicy: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"` + deployRole + `"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],
		 "Condition":{"StringEquals":{"aws:PrincipalTag/team":"payments","aws:RequestTag/team":"payments","aws:SourceIdentity":"ada"}}}]}`})
	f := start(t, lab.Options{World: world})
	in := f.webIdentity()
	in.WebIdentityToken = aws.String(f.Token(lab.Claims{Subject: runner, Audience: []string{audience}, TTL: time.Minute,
		Tags: map[string]string{"team": "payments", "step": "1"}, TransitiveTags: []string{"team"}, SourceIdentity: "ada"}))
	web, err := f.sts(aws.Credentials{}).AssumeRoleWithWebIdentity(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 SDKs that people use now read the old field
	if *web.SourceIdentity != "ada" || web.PackedPolicySize == nil {
		//lint:ignore SA1019 as above
		t.Errorf("source identity %s, packed size %v", *web.SourceIdentity, web.PackedPolicySize)
	}
	ci := keys(web.Credentials)
	_, err = f.assume(ci, deployRole, func(in *sts.AssumeRoleInput) {
		in.Tags = []ststypes.Tag{{Key: aws.String("Team"), Value: aws.String("other")}}
	})
	refused(t, err, "InvalidParameterValue", 400, "conflicts with a transitive tag key from the calling session")
	_, err = f.assume(ci, "arn:aws:iam::"+account+":role/untagged")
	refused(t, err, "AccessDenied", 403, "is not authorized to perform: sts:TagSession on resource")
	_, err = f.assume(ci, deployRole, func(in *sts.AssumeRoleInput) { in.SourceIdentity = aws.String("eve") })
	refused(t, err, "AccessDenied", 403, "sts:SetSourceIdentity")
	out, err := f.assume(ci, deployRole)
	if err != nil {
		t.Fatal(err)
	}
	if *out.SourceIdentity != "ada" {
		t.Errorf("source identity %s", *out.SourceIdentity)
	}
	if _, err := f.assume(keys(out.Credentials), "arn:aws:iam::"+account+":role/last"); err != nil {
		t.Error(err)
	}
}

func TestSessionPolicyIsEnforced(t *testing.T) {
	f := start(t, lab.Options{})
	out, err := f.assume(f.ci(), deployRole, func(in *sts.AssumeRoleInput) {
		in.Policy = aws.String(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["s3:Put*","s3:GetObject"],"Resource":"arn:aws:s3:::` + bucket + `/live/*"},
			{"Effect":"Deny","Action":"s3:PutObject","Resource":"*/secret"}]}`)
	})
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 SDKs that people use now read the old field
	if out.PackedPolicySize == nil || *out.PackedPolicySize == 0 {
		t.Error("no PackedPolicySize")
	}
	c := keys(out.Credentials)
	put := func(key string) error {
		_, err := f.s3(c).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader("x")})
		return err
	}
	if err := put("live/a"); err != nil {
		t.Error(err)
	}
	refused(t, put("live/secret"), "AccessDenied", 403, "because no session policy allows the s3:PutObject action")
	refused(t, put("other"), "AccessDenied", 403, "is not authorized to perform: s3:PutObject")
	// Without s3:ListBucket, S3 doesn't say that a key is missing.
	_, err = f.s3(c).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("live/none")})
	refused(t, err, "AccessDenied", 403, "Access Denied")
	_, err = f.dynamodb(c).GetItem(t.Context(), getItem("x"))
	refused(t, err, "AccessDeniedException", 400, "dynamodb:GetItem on resource: arn:aws:dynamodb:eu-west-1:"+account+":table/"+table)
	_, err = f.iam(c).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("ci")})
	refused(t, err, "AccessDenied", 403, "iam:GetRole")
	if _, err := f.sts(c).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Error("GetCallerIdentity needs no permission:", err)
	}
}

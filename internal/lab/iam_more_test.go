package lab_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/holdfast/holdfast/internal/lab"
)

func TestUsers(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.iam(f.admin())
	made, err := c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob"), Path: aws.String("/people/")})
	if err != nil || *made.User.Arn != "arn:aws:iam::"+account+":user/people/bob" || !strings.HasPrefix(*made.User.UserId, "AIDA") {
		t.Fatalf("%+v, %v", made, err)
	}
	_, err = c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("BOB")})
	refused(t, err, "EntityAlreadyExists", 409, "User with name BOB already exists.")
	key, err := c.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: aws.String("bob")})
	if err != nil {
		t.Fatal(err)
	}
	bob := aws.Credentials{AccessKeyID: *key.AccessKey.AccessKeyId, SecretAccessKey: *key.AccessKey.SecretAccessKey}
	who, err := f.sts(bob).GetCallerIdentity(t.Context(), nil)
	if err != nil || *who.UserId != *made.User.UserId || *who.Arn != *made.User.Arn {
		t.Errorf("%+v, %v", who, err)
	}
	list, err := c.ListUsers(t.Context(), &iam.ListUsersInput{PathPrefix: aws.String("/people/")})
	if err != nil || len(list.Users) != 2 || list.IsTruncated {
		t.Errorf("%+v, %v", list, err)
	}
	_, err = c.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("bob")})
	refused(t, err, "DeleteConflict", 409, "must delete access keys first")
	keys, err := c.ListAccessKeys(t.Context(), &iam.ListAccessKeysInput{UserName: aws.String("bob")})
	if err != nil || len(keys.AccessKeyMetadata) != 1 {
		t.Errorf("%+v, %v", keys, err)
	}
	if _, err := c.UpdateAssumeRolePolicy(t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("deploy"), PolicyDocument: trust(*made.User.Arn, "sts:AssumeRole")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.assume(bob, deployRole); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteAccessKey(t.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("bob"), AccessKeyId: &bob.AccessKeyID}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteUser(t.Context(), &iam.DeleteUserInput{UserName: aws.String("bob")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetUser(t.Context(), &iam.GetUserInput{UserName: aws.String("bob")})
	refused(t, err, "NoSuchEntity", 404, "The user with name bob cannot be found.")
	role, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("deploy")})
	if err != nil || !strings.Contains(*role.Role.AssumeRolePolicyDocument, *made.User.UserId) {
		t.Errorf("the trust policy doesn't show the bare ID: %+v, %v", role.Role, err)
	}
	again, err := c.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob"), Path: aws.String("/people/")})
	if err != nil || *again.User.UserId == *made.User.UserId {
		t.Errorf("the new user has the old one's ID: %v", err)
	}
}

func TestInstanceProfiles(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.iam(f.admin())
	name, role := aws.String("more"), aws.String("node")
	made, err := c.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: name, Path: aws.String("/team/")})
	if err != nil || *made.InstanceProfile.Arn != "arn:aws:iam::"+account+":instance-profile/team/more" || !strings.HasPrefix(*made.InstanceProfile.InstanceProfileId, "AIPA") {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := c.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: role}); err != nil {
		t.Fatal(err)
	}
	_, err = c.AddRoleToInstanceProfile(t.Context(), &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: aws.String("ci")})
	refused(t, err, "LimitExceeded", 409, "InstanceSessionsPerInstanceProfile")
	got, err := c.GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: name})
	if err != nil || *got.InstanceProfile.Roles[0].Arn != nodeRole {
		t.Errorf("%+v, %v", got, err)
	}
	list, err := c.ListInstanceProfilesForRole(t.Context(), &iam.ListInstanceProfilesForRoleInput{RoleName: role})
	if err != nil || len(list.InstanceProfiles) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	all, err := c.ListInstanceProfiles(t.Context(), &iam.ListInstanceProfilesInput{PathPrefix: aws.String("/team/")})
	if err != nil || len(all.InstanceProfiles) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	_, err = c.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
	refused(t, err, "DeleteConflict", 409, "must remove roles from instance profile first")
	_, err = c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: role})
	refused(t, err, "DeleteConflict", 409, "must remove roles from instance profile first")
	out := &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: role}
	if _, err := c.RemoveRoleFromInstanceProfile(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	_, err = c.RemoveRoleFromInstanceProfile(t.Context(), out)
	refused(t, err, "NoSuchEntity", 404, "")
	if _, err := c.DeleteInstanceProfile(t.Context(), &iam.DeleteInstanceProfileInput{InstanceProfileName: name}); err != nil {
		t.Error(err)
	}
}

func TestAttachedPolicies(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.iam(f.admin())
	role, policy := aws.String("ci"), aws.String("arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy")
	if _, err := c.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: policy}); err != nil {
		t.Fatal(err)
	}
	list, err := c.ListAttachedRolePolicies(t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: role})
	if err != nil || *list.AttachedPolicies[0].PolicyName != "AmazonEKSWorkerNodePolicy" {
		t.Errorf("%+v, %v", list, err)
	}
	if inline, err := c.ListRolePolicies(t.Context(), &iam.ListRolePoliciesInput{RoleName: role}); err != nil || len(inline.PolicyNames) != 0 {
		t.Errorf("%+v, %v", inline, err)
	}
	_, err = c.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: role})
	refused(t, err, "DeleteConflict", 409, "Cannot delete entity, must detach all policies first.")
	if _, err := c.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: policy}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: policy})
	refused(t, err, "NoSuchEntity", 404, "")
	_, err = c.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String("arn:aws:iam::" + account + ":policy/own")})
	refused(t, err, "NoSuchEntity", 404, "does not exist or is not attachable")
	_, err = c.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonRDSFullAccess")})
	refused(t, err, "HoldfastLabUnsupported", 501, "AmazonRDSFullAccess")
}

func TestTagsOfRoles(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.iam(f.admin())
	tag := func(role, key, value string) error {
		_, err := c.TagRole(t.Context(), &iam.TagRoleInput{RoleName: &role, Tags: []types.Tag{{Key: &key, Value: &value}}})
		return err
	}
	for _, value := range []string{"old", "new"} { // the second replaces the first, whatever the key's case
		key := "Team"
		if value == "new" {
			key = "team"
		}
		if err := tag("node", key, value); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("node")})
	if err != nil || len(got.Role.Tags) != 1 || *got.Role.Tags[0].Value != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	refused(t, tag("nobody", "k", "v"), "NoSuchEntity", 404, "The role with name nobody cannot be found.")
	refused(t, tag("node", "aws:k", "v"), "InvalidInput", 400, "")
}

package eks

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/cred"
)

// Roles implements access.Directory.
func (d *Directory) Roles(ctx context.Context, each func(access.Owner) bool) error {
	for pages := iam.NewListRolesPaginator(d.iam, &iam.ListRolesInput{MaxItems: aws.Int32(1000)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return refusal("iam", "ListRoles", err)
		}
		more := true
		for i := range page.Roles {
			more = each(role(&page.Roles[i]))
		}
		if !more {
			return nil
		}
	}
	return nil
}

// Owner implements access.Directory. GetRole and GetUser go by name alone, so
// that whoever answers may have another path, and then is somebody else.
func (d *Directory) Owner(ctx context.Context, p cred.Principal) (access.Owner, error) {
	var got access.Owner
	var err error
	if p.Kind == "user" {
		var out *iam.GetUserOutput
		if out, err = d.iam.GetUser(ctx, &iam.GetUserInput{UserName: &p.Name}); err == nil {
			got = access.Owner{ARN: aws.ToString(out.User.Arn), ID: aws.ToString(out.User.UserId), Created: aws.ToTime(out.User.CreateDate)}
		}
		err = refused("GetUser", err)
	} else {
		var out *iam.GetRoleOutput
		if out, err = d.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &p.Name}); err == nil {
			got = role(out.Role)
		}
		err = refused("GetRole", err)
	}
	if r, ok := err.(*access.Refusal); ok && r.Gone() {
		return access.Owner{ARN: p.ARN(), Gone: true}, nil
	}
	if err != nil {
		return access.Owner{}, err
	}
	if got.ARN != p.ARN() {
		return access.Owner{ARN: p.ARN(), Gone: true, Else: got.ARN}, nil
	}
	return got, nil
}

// Profiles implements access.Directory.
func (d *Directory) Profiles(ctx context.Context, each func(access.Profile)) error {
	for pages := iam.NewListInstanceProfilesPaginator(d.iam, &iam.ListInstanceProfilesInput{MaxItems: aws.Int32(1000)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return refusal("iam", "ListInstanceProfiles", err)
		}
		for _, i := range page.InstanceProfiles {
			one := access.Profile{Name: aws.ToString(i.InstanceProfileName)}
			if len(i.Roles) > 0 {
				one.Role = aws.ToString(i.Roles[0].Arn)
			}
			each(one)
		}
	}
	return nil
}

// TagRole writes a tag on a role.
func (d *Directory) TagRole(ctx context.Context, name, key, value string) error {
	_, err := d.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: &name, Tags: []types.Tag{{Key: &key, Value: &value}}})
	return refused("TagRole", err)
}

func refused(operation string, err error) error {
	if err == nil {
		return nil
	}
	return refusal("iam", operation, err)
}

func role(r *types.Role) access.Owner {
	trust, _ := url.QueryUnescape(aws.ToString(r.AssumeRolePolicyDocument)) // what can't be read isn't judged
	return access.Owner{ARN: aws.ToString(r.Arn), ID: aws.ToString(r.RoleId), Created: aws.ToTime(r.CreateDate), Trust: trust}
}

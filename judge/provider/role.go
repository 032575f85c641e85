package main

import (
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// role: name and path force a new resource, assume_role_policy and description
// are changed in place, arn, unique_id and create_date are computed:
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_role
type role struct {
	ID          types.String `tfsdk:"id"`
	Name        types.String `tfsdk:"name"`
	Path        types.String `tfsdk:"path"`
	Policy      types.String `tfsdk:"assume_role_policy"`
	Description types.String `tfsdk:"description"`
	Force       types.Bool   `tfsdk:"force_detach_policies"`
	ARN         types.String `tfsdk:"arn"`
	UniqueID    types.String `tfsdk:"unique_id"`
	Created     types.String `tfsdk:"create_date"`
}

func newRole() resource.Resource {
	return &kind[role]{
		name: "aws_iam_role",
		schema: schema.Schema{Attributes: map[string]schema.Attribute{
			"id": computed(), "name": fixed(), "path": fixedOr(), "assume_role_policy": schema.StringAttribute{Required: true},
			"description":           open(),
			"force_detach_policies": schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(false)},
			"arn":                   computed(), "unique_id": computed(), "create_date": computed(),
		}},
		create: func(ctx context.Context, c *clients, m *role) error {
			in := &iam.CreateRoleInput{RoleName: m.Name.ValueStringPointer(), AssumeRolePolicyDocument: m.Policy.ValueStringPointer()}
			if m.Path.ValueString() != "" {
				in.Path = m.Path.ValueStringPointer()
			}
			if m.Description.ValueString() != "" {
				in.Description = m.Description.ValueStringPointer()
			}
			out, err := c.iam.CreateRole(ctx, in)
			if err != nil {
				return err
			}
			written := m.Policy
			m.fill(out.Role)
			m.Policy = written // a plan's value stays; what IAM made of it shows at the next refresh
			return nil
		},
		read: func(ctx context.Context, c *clients, m *role) error {
			name := m.ID.ValueString()
			out, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
			if err != nil {
				return goneIf(err)
			}
			m.fill(out.Role)
			return nil
		},
		update: updateRole, remove: removeRole,
		adopt: func(id string) map[string]string { return map[string]string{"id": id} },
	}
}

func (m *role) fill(r *iamtypes.Role) {
	m.ID, m.Name, m.Path = types.StringPointerValue(r.RoleName), types.StringPointerValue(r.RoleName), types.StringPointerValue(r.Path)
	m.ARN, m.UniqueID = types.StringPointerValue(r.Arn), types.StringPointerValue(r.RoleId)
	m.Created = types.StringValue(r.CreateDate.UTC().Format(time.RFC3339))
	m.Description = types.StringValue("")
	if r.Description != nil {
		m.Description = types.StringPointerValue(r.Description)
	}
	if r.AssumeRolePolicyDocument == nil {
		return
	}
	// Equivalent JSON is no difference: verify.SuppressEquivalentPolicyDiffs.
	if text, err := url.QueryUnescape(*r.AssumeRolePolicyDocument); err == nil && !sameJSON(text, m.Policy.ValueString()) {
		m.Policy = types.StringValue(text)
	}
	if m.Force.IsNull() {
		m.Force = types.BoolValue(false)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func updateRole(ctx context.Context, c *clients, was, is *role) error {
	if !was.Policy.Equal(is.Policy) {
		if _, err := c.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: is.Name.ValueStringPointer(), PolicyDocument: is.Policy.ValueStringPointer()}); err != nil {
			return err
		}
	}
	if was.Description.Equal(is.Description) {
		return nil
	}
	_, err := c.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: is.Name.ValueStringPointer(), Description: is.Description.ValueStringPointer()})
	return err
}

// removeRole takes the role out of its instance profiles first, and with
// force_detach_policies off its policies: internal/service/iam/role.go,
// DeleteRole.
func removeRole(ctx context.Context, c *clients, m *role) error {
	name := m.Name.ValueStringPointer()
	if err := leaveProfiles(ctx, c.iam, name); err != nil {
		return err
	}
	if m.Force.ValueBool() {
		attached, err := c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name})
		if err != nil {
			return err
		}
		for _, p := range attached.AttachedPolicies {
			if _, err := c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: p.PolicyArn}); err != nil {
				return err
			}
		}
	}
	_, err := c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name})
	return err
}

// leaveProfiles takes a role out of all instance profiles: IAM deletes none that
// is in one.
func leaveProfiles(ctx context.Context, c *iam.Client, name *string) error {
	profiles, err := c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: name})
	if err != nil {
		return err
	}
	for _, p := range profiles.InstanceProfiles {
		if _, err := c.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: p.InstanceProfileName, RoleName: name}); err != nil {
			return err
		}
	}
	return nil
}

// attachment: everything forces a new resource:
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_role_policy_attachment
type attachment struct {
	ID     types.String `tfsdk:"id"`
	Role   types.String `tfsdk:"role"`
	Policy types.String `tfsdk:"policy_arn"`
}

func newAttachment() resource.Resource {
	return &kind[attachment]{
		name:   "aws_iam_role_policy_attachment",
		schema: schema.Schema{Attributes: map[string]schema.Attribute{"id": computed(), "role": fixed(), "policy_arn": fixed()}},
		create: func(ctx context.Context, c *clients, m *attachment) error {
			m.ID = types.StringValue(m.Role.ValueString() + "/" + m.Policy.ValueString())
			_, err := c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: m.Role.ValueStringPointer(), PolicyArn: m.Policy.ValueStringPointer()})
			return err
		},
		read: func(ctx context.Context, c *clients, m *attachment) error {
			out, err := c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: m.Role.ValueStringPointer()})
			if err != nil {
				return goneIf(err)
			}
			for _, p := range out.AttachedPolicies {
				if *p.PolicyArn == m.Policy.ValueString() {
					return nil
				}
			}
			return errGone
		},
		remove: func(ctx context.Context, c *clients, m *attachment) error {
			_, err := c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: m.Role.ValueStringPointer(), PolicyArn: m.Policy.ValueStringPointer()})
			return err
		},
		adopt: func(id string) map[string]string {
			roleName, policy, _ := strings.Cut(id, "/")
			return map[string]string{"id": id, "role": roleName, "policy_arn": policy}
		},
	}
}

// instanceProfile: name and path force a new resource, the role doesn't:
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_instance_profile
type instanceProfile struct {
	ID       types.String `tfsdk:"id"`
	Name     types.String `tfsdk:"name"`
	Path     types.String `tfsdk:"path"`
	Role     types.String `tfsdk:"role"`
	ARN      types.String `tfsdk:"arn"`
	UniqueID types.String `tfsdk:"unique_id"`
	Created  types.String `tfsdk:"create_date"`
}

func newInstanceProfile() resource.Resource {
	return &kind[instanceProfile]{
		name: "aws_iam_instance_profile",
		schema: schema.Schema{Attributes: map[string]schema.Attribute{
			"id": computed(), "name": fixed(), "path": fixedOr(), "role": schema.StringAttribute{Optional: true},
			"arn": computed(), "unique_id": computed(), "create_date": computed(),
		}},
		create: func(ctx context.Context, c *clients, m *instanceProfile) error {
			in := &iam.CreateInstanceProfileInput{InstanceProfileName: m.Name.ValueStringPointer()}
			if m.Path.ValueString() != "" {
				in.Path = m.Path.ValueStringPointer()
			}
			out, err := c.iam.CreateInstanceProfile(ctx, in)
			if err != nil {
				return err
			}
			wanted := m.Role
			m.fill(out.InstanceProfile)
			m.Role = wanted
			return m.put(ctx, c)
		},
		read: func(ctx context.Context, c *clients, m *instanceProfile) error {
			out, err := c.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: m.ID.ValueStringPointer()})
			if err != nil {
				return goneIf(err)
			}
			m.fill(out.InstanceProfile)
			return nil
		},
		update: func(ctx context.Context, c *clients, was, is *instanceProfile) error {
			if was.Role.ValueString() != "" {
				if err := was.drop(ctx, c); err != nil {
					return err
				}
			}
			return is.put(ctx, c)
		},
		remove: func(ctx context.Context, c *clients, m *instanceProfile) error {
			if m.Role.ValueString() != "" {
				if err := m.drop(ctx, c); err != nil && goneIf(err) != errGone {
					return err
				}
			}
			_, err := c.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: m.Name.ValueStringPointer()})
			return err
		},
	}
}

func (m *instanceProfile) put(ctx context.Context, c *clients) error {
	if m.Role.ValueString() == "" {
		return nil
	}
	_, err := c.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: m.Name.ValueStringPointer(), RoleName: m.Role.ValueStringPointer()})
	return err
}

func (m *instanceProfile) drop(ctx context.Context, c *clients) error {
	_, err := c.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: m.Name.ValueStringPointer(), RoleName: m.Role.ValueStringPointer()})
	return err
}

func (m *instanceProfile) fill(p *iamtypes.InstanceProfile) {
	m.ID, m.Name, m.Path = types.StringPointerValue(p.InstanceProfileName), types.StringPointerValue(p.InstanceProfileName), types.StringPointerValue(p.Path)
	m.ARN, m.UniqueID = types.StringPointerValue(p.Arn), types.StringPointerValue(p.InstanceProfileId)
	m.Created = types.StringValue(p.CreateDate.UTC().Format(time.RFC3339))
	m.Role = types.StringNull()
	if len(p.Roles) > 0 {
		m.Role = types.StringPointerValue(p.Roles[0].RoleName)
	}
}

package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
)

// errGone is a resource that AWS doesn't have any more: the plan will make it
// again.
var errGone = errors.New("gone")

// kind is a resource whose state and plan are M. Every function changes the
// model to what is true now.
type kind[M any] struct {
	name   string
	schema schema.Schema
	create func(context.Context, *clients, *M) error
	read   func(context.Context, *clients, *M) error // errGone: take it out of the state
	update func(ctx context.Context, c *clients, was, is *M) error
	remove func(context.Context, *clients, *M) error
	// adopt takes an import ID apart; nil: the resource can't be imported.
	adopt func(id string) map[string]string

	clients *clients
}

func (k *kind[M]) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = k.name
}

func (k *kind[M]) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = k.schema
}

func (k *kind[M]) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if c, ok := req.ProviderData.(*clients); ok {
		k.clients = c
	}
}

func (k *kind[M]) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var m M
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	err := k.create(k.clients.listen(ctx), k.clients, &m)
	if err != nil {
		resp.Diagnostics.AddError("creating "+k.name, err.Error())
	}
	var unfinished made
	if err == nil || errors.As(err, &unfinished) {
		resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
	}
}

// made wraps why a resource that exists isn't what it should be: it ends
// tainted in the state, as the real provider's do, which set the ID before they
// wait (for instance internal/service/eks/node_group.go).
type made struct{ error }

func (m made) Unwrap() error { return m.error }

func (k *kind[M]) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var m M
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	err := k.read(k.clients.listen(ctx), k.clients, &m)
	switch {
	case errors.Is(err, errGone):
		resp.State.RemoveResource(ctx)
	case err != nil:
		resp.Diagnostics.AddError("reading "+k.name, err.Error())
	default:
		resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
	}
}

func (k *kind[M]) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var was, is M
	resp.Diagnostics.Append(req.State.Get(ctx, &was)...)
	if resp.Diagnostics.Append(req.Plan.Get(ctx, &is)...); resp.Diagnostics.HasError() {
		return
	}
	if k.update == nil {
		resp.Diagnostics.AddError("updating "+k.name, "nothing of it can be changed")
		return
	}
	if err := k.update(k.clients.listen(ctx), k.clients, &was, &is); err != nil {
		resp.Diagnostics.AddError("updating "+k.name, err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &is)...)
}

// Delete tolerates that it is gone already, as the real provider does.
func (k *kind[M]) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var m M
	if resp.Diagnostics.Append(req.State.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if err := k.remove(k.clients.listen(ctx), k.clients, &m); err != nil && !isCode(err, "ResourceNotFoundException", "NoSuchEntity") {
		resp.Diagnostics.AddError("deleting "+k.name, err.Error())
	}
}

func (k *kind[M]) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	if k.adopt == nil {
		resp.Diagnostics.AddError("importing "+k.name, "this stand-in can't")
		return
	}
	for attribute, value := range k.adopt(req.ID) {
		resp.Diagnostics.Append(resp.State.SetAttribute(ctx, path.Root(attribute), value)...)
	}
}

func isCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode() == c {
			return true
		}
	}
	return false
}

// goneIf turns AWS's not found into errGone.
func goneIf(err error) error {
	if isCode(err, "ResourceNotFoundException", "NoSuchEntity") {
		return errGone
	}
	return err
}

// propagation is how long the real provider waits for IAM:
// internal/service/iam/consts.go, propagationTimeout.
const propagation = 2 * time.Minute

// retry tries again while AWS says something with this text.
func retry(ctx context.Context, text string, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, propagation)
	defer cancel()
	for {
		err := do()
		if err == nil || !strings.Contains(err.Error(), text) || pause(ctx) != nil {
			return err
		}
	}
}

// await asks until done says so.
func await(ctx context.Context, done func() (bool, error)) error {
	for {
		ok, err := done()
		if !ok && err == nil {
			err = pause(ctx)
		}
		switch {
		case err != nil:
			return made{err}
		case ok:
			return nil
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// The four forms of an attribute of text.
func fixed() schema.StringAttribute { // required, and another value is another resource
	return schema.StringAttribute{Required: true, PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}}
}

func fixedOr() schema.StringAttribute { // the same, but AWS has a default
	return schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: []planmodifier.String{
		stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplace()}}
}

func fixedWith(value string) schema.StringAttribute { // the same, but the provider itself has a default, so that plans know it
	return schema.StringAttribute{Optional: true, Computed: true, Default: stringdefault.StaticString(value),
		PlanModifiers: []planmodifier.String{stringplanmodifier.RequiresReplace()}}
}

func open() schema.StringAttribute { // optional, AWS has a default, changed in place
	return schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}}
}

func computed() schema.StringAttribute { // said by AWS, kept in a plan that updates
	return schema.StringAttribute{Computed: true, PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()}}
}

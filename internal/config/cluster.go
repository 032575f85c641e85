package config

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/holdfast/holdfast/internal/cred"
)

// AccountPlace stands for an account's number in a role's ARN.
const AccountPlace = "{account}"

const repairAfterApply = "repair_after_apply"

// Cluster is a `cluster` block: EKS clusters whose access entries are looked
// after.
type Cluster struct {
	Name       string // a glob
	Identity   string // of this file; empty for what a run would take
	Role       string // to assume, with AccountPlace for each of Accounts; may be empty
	ExternalID string
	Accounts   []string
	Regions    []string
	// RepairAfterApply says whether dead entries of nodes and pods are made anew
	// after a run that looks at them; nil if the block doesn't say.
	RepairAfterApply *bool
	Range            hcl.Range
}

// Covers says whether the block means a cluster, by its name, account and
// region. A block without a role leaves the account to its identity.
func (c Cluster) Covers(name, account, region string) bool {
	if ok, err := path.Match(c.Name, name); err != nil || !ok {
		return false
	}
	if len(c.Regions) > 0 && !slices.Contains(c.Regions, region) {
		return false
	}
	if c.Role == "" {
		return true
	}
	if strings.Contains(c.Role, AccountPlace) {
		return slices.Contains(c.Accounts, account)
	}
	role, err := cred.ParseRole(c.Role)
	return err == nil && role.Account == account
}

func decodeCluster(block *hcl.Block) (Cluster, hcl.Diagnostics) {
	content, diags := block.Body.Content(attributes("identity", "role", "external_id", "accounts", "regions", repairAfterApply))
	d := decoder{content.Attributes, diags}
	c := Cluster{
		Name: block.Labels[0], Range: block.DefRange, Identity: d.text("identity"), Role: d.text("role"),
		ExternalID: d.text("external_id"), Accounts: d.list("accounts"), Regions: d.list("regions"),
	}
	if _, err := path.Match(c.Name, ""); err != nil || c.Name == "" {
		d.wrong(block.LabelRanges[0], "not a pattern", fmt.Sprintf("%q: a cluster's name, * stands for any letters", c.Name))
	}
	if _, said := content.Attributes[repairAfterApply]; said {
		repair := d.truth(repairAfterApply)
		c.RepairAfterApply = &repair
		if repair && strings.Trim(c.Name, "*?") == "" {
			d.wrong(content.Attributes[repairAfterApply].Range, "no cluster is named",
				fmt.Sprintf("%s needs a name or a part of one; %q is every cluster there is", repairAfterApply, c.Name))
		}
	}
	if err := CheckAccounts(c.Role, c.Accounts); err != nil {
		d.wrong(block.DefRange, "role and accounts don't fit", err.Error())
	}
	return c, d.diags
}

// CheckAccounts says what is wrong with a role for accounts.
func CheckAccounts(role string, accounts []string) error {
	if role == "" {
		if len(accounts) > 0 {
			return fmt.Errorf("accounts need a role to assume in each:  arn:aws:iam::%s:role/NAME", AccountPlace)
		}
		return nil
	}
	placed := strings.Contains(role, AccountPlace)
	switch {
	case placed && len(accounts) == 0:
		return fmt.Errorf("%s stands for accounts, and none are named", AccountPlace)
	case !placed && len(accounts) > 0:
		return fmt.Errorf("the role is in one account; write %s where its number stands", AccountPlace)
	case !placed:
		accounts = []string{""}
	}
	for _, a := range accounts {
		if _, err := cred.ParseRole(strings.ReplaceAll(role, AccountPlace, a)); err != nil {
			return err
		}
	}
	return nil
}

package gate

import (
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

// principals judges policies that name a role or user which goes.
func (j *judge) principals() {
	for _, c := range j.plan.Changes {
		if !c.Actions.Stays() || c.Deposed {
			continue
		}
		for _, was := range c.Was {
			same, later := settled(was, c.Will)
			if !same && !later {
				continue
			}
			for _, arn := range was.Principals {
				f := j.named(arn)
				if f != nil && f.goes && f.from != c.Address && (same || f.comes) {
					j.broken(c, was, f, later)
				}
			}
		}
	}
}

// settled reports whether a document stays as it is, and whether it is known
// after the apply only. The latter comes out as the same text where a role is
// made again under its name, and then the provider has nothing to save: it
// compares texts, and an ARN in it is the same.
func settled(was plan.Policy, will []plan.Policy) (same, later bool) {
	for _, p := range will {
		if p.Attribute == was.Attribute {
			same = same || p.Text == was.Text
			later = later || p.Text == 0
		}
	}
	return same, later
}

func (j *judge) broken(c plan.Change, p plan.Policy, f *fate, later bool) {
	message := fmt.Sprintf("its %s names %s, which is made again: the new one isn't let in", p.Attribute, f.title())
	cure := "save it again after the apply: plan and apply once more, or  -replace='" + c.Address + "'"
	evidence := []string{f.how()}
	if later {
		evidence = append(evidence, "it is planned for an update, but its text is the same before and after, so nothing is saved")
	}
	if !f.comes {
		message = fmt.Sprintf("its %s names %s, which goes: it shows an ID then, and can't be saved again", p.Attribute, f.title())
		cure = "take the principal out of the policy"
	}
	j.find("HF220", c.Address, message, cure, evidence...)
	if !f.comes || !storesID(c.Type) {
		j.lower(finding.Warning)
	}
}

// storesID reports whether it is known of a service that it stores principals by
// ID: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
// for trust policies and in general, and of S3, KMS, SNS, SQS and Secrets
// Manager from what their policies show afterwards.
func storesID(kind string) bool {
	for _, start := range []string{"aws_iam_role", "aws_s3_bucket", "aws_kms_", "aws_sqs_queue", "aws_sns_topic", "aws_secretsmanager_secret"} {
		if strings.HasPrefix(kind, start) {
			return true
		}
	}
	return false
}

// drained judges replacements of what a recorded run left tainted.
func (j *judge) drained() {
	for _, c := range j.plan.Changes {
		if c.Reason != "replace_because_tainted" {
			continue
		}
		for _, d := range j.facts.Drained {
			if d.Address != c.Address && d.Address != c.Previous || d.ID != "" && c.Before.Get(plan.ID) != "" && d.ID != c.Before.Get(plan.ID) {
				continue
			}
			evidence := []string{"left tainted by a run that had to stop: " + d.Record}
			if d.ID != "" {
				evidence = append(evidence, "its ID is "+d.ID)
			}
			j.find("HF221", c.Address, "the plan destroys it because a stopped run left it tainted; it may be whole",
				"look at it, then:  "+cure.Command("untaint", c.Address), evidence...)
			break
		}
	}
}

// credentials judges what the providers get theirs from.
func (j *judge) credentials() {
	for _, c := range j.plan.Clients {
		where := "provider " + c.Key
		if c.Name == "aws" && len(c.Static) > 0 {
			j.find("HF231", where, "its credentials are keys in the code, which nobody can renew", "take them out, and run it under holdfast:  holdfast run -- tofu apply",
				strings.Join(c.Static, ", ")+from(c.Variables))
		}
		if c.Name == "aws" && c.Token {
			j.find("HF232", where, "its web identity token stands in the code and ends", "name the file:  web_identity_token_file = …", "web_identity_token"+from(c.Variables))
		}
		if c.ClusterAuth != "" && len(j.plan.Long) > 0 {
			j.find("HF234", where, "its token for the cluster ends after a quarter of an hour, before this apply does",
				"let it ask when it needs one:  exec { command = \"holdfast\", args = [\"eks-token\", CLUSTER] }",
				"token = "+c.ClusterAuth+".token", fmt.Sprintf("%d resources of this plan take many minutes: %s", len(j.plan.Long), some(j.plan.Long)))
		}
	}
	for _, name := range j.plan.Keys {
		j.find("HF233", "variable "+name, "the plan carries an access key", "give credentials through the environment, make this key void, and plan again", "the value of var."+name)
	}
	if j.facts.PlanKeys != "" {
		j.find("HF233", "the backend", "the saved plan carries an access key, and apply will use it", "take keys out of the backend's configuration, init and plan again", j.facts.PlanKeys)
	}
}

func from(variables []string) string {
	if len(variables) == 0 {
		return ""
	}
	return ", from var." + strings.Join(variables, ", var.")
}

func some(all []plan.Change) string {
	var names []string
	for i, c := range all {
		if i == 3 {
			names = append(names, "…")
			break
		}
		names = append(names, c.Address)
	}
	return strings.Join(names, ", ")
}

package doctor

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// rule is one thing that doctor looks for. Evidence is empty where it isn't so.
type rule struct {
	id    string
	level string
	what  string
	look  func(Facts) (evidence, cure string)
}

// findings are what the rules see, in their order.
func findings(f Facts) []report.Finding {
	out := []report.Finding{}
	for _, r := range rules() {
		if evidence, cure := r.look(f); evidence != "" {
			out = append(out, report.Finding{Rule: r.id, Level: r.level, What: r.what, Evidence: evidence, Cure: cure})
		}
	}
	for _, s := range f.Shadows {
		level := report.Problem
		if !s.Certain {
			level = report.Note
		}
		out = append(out, report.Finding{Rule: "HF110", Level: level, What: "code names credentials of its own", Evidence: s.String(), Cure: s.Cure})
	}
	for _, where := range f.Place.EKSAuth {
		out = append(out, report.Finding{Rule: "HF111", Level: report.Problem, What: "a cluster's token is read once and ends after 15 minutes",
			Evidence: where + `: data "aws_eks_cluster_auth"`, Cure: "let the provider ask for it:  exec { command = \"holdfast\", args = [\"eks-token\", CLUSTER] }"})
	}
	return out
}

// skewed is when AWS begins to refuse: SigV4 allows five minutes
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
const skewed = 5 * time.Minute

func rules() []rule {
	return append(append(credentialRules(), codeRules()...), placeRules()...)
}

func credentialRules() []rule {
	return []rule{
		{"HF101", report.Problem, "no credential can be had", func(f Facts) (string, string) {
			if len(f.Refused) == 0 {
				return "", ""
			}
			last := len(f.Refused) - 1
			return strings.Join(f.Refused[:max(last, 1)], "; "), f.Refused[last]
		}},
		{"HF102", report.Problem, "Terragrunt assumes a role once, and nobody renews its keys", func(f Facts) (string, string) {
			if f.Place.Role.ARN == "" || !f.terragrunt() || f.Kept {
				return "", ""
			}
			return f.Place.Role.Where + ": " + f.Place.Role.ARN, "leave it as it is and run:  holdfast run -- " + commandLine(f.Command)
		}},
		{"HF103", report.Problem, "the credentials end within a quarter of an hour", func(f Facts) (string, string) {
			if e := f.end(); e.kind == at && e.left < 15*time.Minute {
				return e.by + "; " + roughly(e.left) + " left", "get new ones before you start"
			}
			return "", ""
		}},
		{"HF104", report.Problem, "an SDK fails on these settings", func(f Facts) (string, string) {
			for _, w := range f.Winners {
				if w.Source == precedence.Failure {
					return fmt.Sprintf("%s: %s (%s)", w.SDK, w.Note, w.Where), "correct " + w.Where.String()
				}
			}
			return "", ""
		}},
		{"HF105", report.Problem, "this machine's clock is off", func(f Facts) (string, string) {
			for _, h := range f.Hops {
				if h.Skew >= skewed || h.Skew <= -skewed {
					return fmt.Sprintf("AWS's clock is %v from ours; it refuses signatures of more than %v", h.Skew.Round(time.Second), skewed), "set the clock (NTP)"
				}
			}
			return "", ""
		}},
		{"HF106", report.Problem, "no region says whose STS to ask", func(f Facts) (string, string) {
			if f.Place.Region != "" {
				return "", ""
			}
			return "neither AWS_REGION nor the profile names one", "name it:  export AWS_REGION=eu-west-1"
		}},
		{"HF107", report.Note, "STS is asked at another address than AWS's", func(f Facts) (string, string) {
			if f.Place.STS == "" {
				return "", ""
			}
			return f.Place.STS, "aws eks get-token would sign for it, and a cluster refuses that; holdfast eks-token doesn't"
		}},
	}
}

func codeRules() []rule {
	return []rule{
		{"HF112", report.Problem, "an engine named by its full path can't be supervised", func(f Facts) (string, string) {
			b := f.Place.Binary
			if !f.terragrunt() || !strings.HasPrefix(b.Value, "/") {
				return "", ""
			}
			return fmt.Sprintf("%s: terraform_binary = %q", b.Where, b.Value), fmt.Sprintf("name it without its path: terraform_binary = %q", base(b.Value))
		}},
		{"HF113", report.Problem, "the saved plan holds an access key", func(f Facts) (string, string) {
			if f.Place.PlanKeys == "" {
				return "", ""
			}
			return f.Place.PlanKeys + ": its backend was configured with keys, which apply will use, whatever is renewed", "take keys out of the backend's configuration, init and plan again"
		}},
		{"HF114", report.Problem, "keys for the backend on the command line", func(f Facts) (string, string) {
			for _, arg := range f.Command {
				for _, key := range []string{"access_key", "secret_key", "token"} {
					if strings.HasPrefix(strings.TrimLeft(arg, "-"), "backend-config="+key+"=") {
						return "-backend-config=" + key, "take it out: init writes it down, and nobody renews it"
					}
				}
			}
			return "", ""
		}},
		{"HF115", report.Problem, "this engine's SDK doesn't know a token file", func(f Facts) (string, string) {
			w := f.goWinner()
			if f.Engine != "terraform" || !before(f.Version, 1, 6) || w.Source != precedence.ContainerFull || f.Kept {
				return "", ""
			}
			return "terraform " + f.Version + " (its AWS SDK is older than v1.48) and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "use a newer one, or run it under holdfast, which sets the plain token too"
		}},
	}
}

func placeRules() []rule {
	return []rule{
		{"HF121", report.Problem, "setup-terraform's wrapper swallows signals", func(f Facts) (string, string) {
			return f.Place.Wrapper, "set terraform_wrapper: false in the step that uses hashicorp/setup-terraform"
		}},
		{"HF122", report.Note, "a cancelled job reaches the step's shell only, which doesn't pass it on", func(f Facts) (string, string) {
			if !f.Place.GitHub {
				return "", ""
			}
			return "GITHUB_ACTIONS=true", "put exec in front of the last command of the step:  exec holdfast run -- " + commandLine(f.Command)
		}},
		{"HF123", report.Problem, "127.0.0.1 isn't reachable from inside of a container", func(f Facts) (string, string) {
			if !f.Place.ContainerNoHost {
				return "", ""
			}
			return base(f.Command[0]) + " run, without --network host", "add --network host, or start holdfast inside of the container"
		}},
		{"HF124", report.Problem, "a directory that a run writes to can't be written", func(f Facts) (string, string) {
			return strings.Join(f.Place.NotWritable, ", "), "Terraform writes errored.tfstate where it runs; use a directory of your own"
		}},
		{"HF125", report.Note, "what a rescue keeps goes with this container", func(f Facts) (string, string) {
			return f.Place.EphemeralState, "mount a volume there, or set XDG_STATE_HOME to one"
		}},
	}
}

// before reports whether a version is known and older than major.minor.
func before(version string, major, minor int) bool {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return false
	}
	a, err1 := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (a < major || a == major && b < minor)
}

package app

import (
	"archive/zip"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/doctor"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// surroundingPlace looks at what stands around a command, beside credentials.
func surroundingPlace(command []string, p Process, env precedence.Env) (doctor.Place, []string) {
	place := doctor.Place{
		Keys:             env["AWS_ACCESS_KEY_ID"] != "",
		SessionKeys:      env["AWS_SESSION_TOKEN"] != "",
		WebIdentity:      env["AWS_WEB_IDENTITY_TOKEN_FILE"] != "",
		SystemProperties: strings.Contains(env["JAVA_TOOL_OPTIONS"], "-Daws."),
		STS:              first(env["AWS_ENDPOINT_URL_STS"], env["AWS_ENDPOINT_URL"]),
		GitHub:           env["GITHUB_ACTIONS"] == "true",
		KubernetesPod:    env["KUBERNETES_SERVICE_HOST"] != "",
		ContainerNoHost:  doctor.OwnNetwork(command),
	}
	if end, err := time.Parse(time.RFC3339, env["AWS_CREDENTIAL_EXPIRATION"]); err == nil {
		place.KeysEnd = end
	}
	var unseen []string
	place.Terragrunt = len(command) > 0 && filepath.Base(command[0]) == "terragrunt"
	unit := code.ReadUnit(p.Dir)
	if len(command) == 0 && len(unit.Files) > 0 {
		place.Terragrunt = true
	}
	if place.Terragrunt {
		for _, problem := range unit.Problems {
			unseen = append(unseen, problem.Range.String()+": "+problem.Message)
		}
		place.Role, place.Binary = terragruntRole(command, unit, p, env), settingAt(unit.Binary, p.Dir)
	}
	place.Wrapper = wrapper(env)
	place.PlanKeys = planKeys(command)
	for _, dir := range []string{p.Dir, os.TempDir()} {
		if !writable(dir) {
			place.NotWritable = append(place.NotWritable, dir)
		}
	}
	place.EphemeralState = ephemeral(env, p.Home)
	return place, unseen
}

// ephemeral is the directory for state where it goes with the pod or the hosted
// runner that it is on; empty if it doesn't, or if the user chose it.
func ephemeral(env precedence.Env, home string) string {
	if env["XDG_STATE_HOME"] != "" {
		return ""
	}
	switch {
	case env["KUBERNETES_SERVICE_HOST"] != "":
		return stateHome(env, home) + " in a pod"
	case env["RUNNER_ENVIRONMENT"] == "github-hosted":
		return stateHome(env, home) + " on a hosted runner"
	}
	return ""
}

// terragruntRole is the role that Terragrunt will assume, in its own order:
// flag, variable, file
// (https://terragrunt.gruntwork.io/docs/features/authentication/).
func terragruntRole(command []string, unit code.Unit, p Process, env precedence.Env) doctor.Role {
	all := identities{req: Request{Command: command}, env: env}
	role := doctor.Role{ARN: all.terragrunt(), Where: "TG_IAM_ASSUME_ROLE"}
	if slices.ContainsFunc(command, func(arg string) bool { return strings.Contains(arg, "iam-assume-role") }) {
		role.Where = "--iam-assume-role"
	}
	if role.ARN == "" && unit.Role.Name != "" && !unit.Role.Blank {
		s := settingAt(unit.Role, p.Dir)
		role.ARN, role.Where = first(s.Value, "the role of iam_role"), s.Where
	}
	if seconds, err := strconv.Atoi(env["TG_IAM_ASSUME_ROLE_DURATION"]); err == nil {
		role.Duration = time.Duration(seconds) * time.Second
	}
	return role
}

func settingAt(s code.Setting, dir string) doctor.Setting {
	if s.Name == "" {
		return doctor.Setting{}
	}
	at := s.Range
	at.File = near(at.File, dir)
	return doctor.Setting{Value: s.Value(), Where: at.String()}
}

// wrapper finds setup-terraform's: it puts its own terraform beside the real
// one, which it calls terraform-bin, and says where in TERRAFORM_CLI_PATH.
func wrapper(env precedence.Env) string {
	dir := env["TERRAFORM_CLI_PATH"]
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, "terraform-bin")
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

var keyID = regexp.MustCompile(`\b(AKIA|ASIA)[A-Z2-7]{16}\b`)

// planKeys looks for an access key's ID in the saved plan that an apply names. A
// plan is a zip whose tfplan holds the backend's configuration.
func planKeys(command []string) string {
	if len(command) < 3 || subcommand(command[1:]) != "apply" {
		return ""
	}
	path := command[len(command)-1]
	if strings.HasPrefix(path, "-") || path == "apply" {
		return ""
	}
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(workDir(command[1:]), path)
	}
	if !holdsKey(full) {
		return ""
	}
	return path
}

// holdsKey reports whether a saved plan holds an access key's ID. What isn't a
// plan doesn't, and Terraform will say so.
func holdsKey(path string) bool {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return false
	}
	defer archive.Close()
	file, err := archive.Open("tfplan")
	if err != nil {
		return false
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, 256<<20))
	return err == nil && keyID.Match(b)
}

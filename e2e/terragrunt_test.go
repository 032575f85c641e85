package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// terragrunt plays Terragrunt 1.1 as far as credentials, directories and engines
// go (internal/runner/run/creds, providers/amazonsts, and what was tried with
// the real one):
//
//   - the engine is TG_TF_PATH, else terraform_binary of the unit, else tofu if
//     PATH has one, else terraform; `-version` is asked once, in the root, with
//     the ambient environment (twice without TG_TF_PATH);
//   - the role is TG_IAM_ASSUME_ROLE, else the unit's iam_role; it is assumed with
//     what the SDK finds in the real environment, for 3600 s, and cached for the
//     process by its ARN alone;
//   - its keys are put over the environment of each unit's processes, and nothing
//     is ever taken out of it;
//   - a unit's code is copied to UNIT/.terragrunt-cache/HASH/HASH, where init and
//     apply run, units side by side.
type terragrunt struct {
	mu    sync.Mutex
	roles map[string][]string
}

func playTerragrunt(args []string) int {
	t := &terragrunt{roles: map[string][]string{}}
	if len(args) > 0 && args[0] == "render" {
		b, err := os.ReadFile("terragrunt.hcl")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		out, err := json.Marshal(map[string]any{"iam_role": attribute(string(b), "iam_role"), "inputs": map[string]any{}})
		if err != nil {
			return 1
		}
		fmt.Println(string(out))
		return 0
	}
	units, err := units(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(units))
	for n, unit := range units {
		engine := engineOf(unit)
		if n == 0 {
			t.version(engine)
		}
		wg.Go(func() {
			if err := t.unit(unit, engine); err != nil {
				failed <- fmt.Errorf("%s: %w", unit, err)
			}
		})
	}
	wg.Wait()
	close(failed)
	code := 0
	for err := range failed {
		fmt.Fprintln(os.Stderr, "terragrunt:", err)
		code = 1
	}
	return code
}

// units are the directories below root with a terragrunt.hcl.
func units(root string) (all []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".terragrunt-cache" {
			return fs.SkipDir
		}
		if err == nil && d.Name() == "terragrunt.hcl" {
			all = append(all, filepath.Dir(path))
		}
		return err
	})
	return all, err
}

func attribute(hcl, name string) string {
	m := regexp.MustCompile(`(?m)^\s*` + name + `\s*=\s*"([^"]*)"`).FindStringSubmatch(hcl)
	if m == nil {
		return ""
	}
	return m[1]
}

func engineOf(unit string) string {
	if path := os.Getenv("TG_TF_PATH"); path != "" {
		return path
	}
	if b, err := os.ReadFile(filepath.Join(unit, "terragrunt.hcl")); err == nil {
		if binary := attribute(string(b), "terraform_binary"); binary != "" {
			return binary
		}
	}
	if _, err := exec.LookPath("tofu"); err == nil {
		return "tofu"
	}
	return "terraform"
}

func (t *terragrunt) version(engine string) {
	times := 2
	if os.Getenv("TG_TF_PATH") != "" {
		times = 1
	}
	for range times {
		_ = exec.Command(engine, "-version").Run()
	}
}

func (t *terragrunt) unit(unit, engine string) error {
	b, err := os.ReadFile(filepath.Join(unit, "terragrunt.hcl"))
	if err != nil {
		return err
	}
	keys, err := t.assume(first(os.Getenv("TG_IAM_ASSUME_ROLE"), attribute(string(b), "iam_role")))
	if err != nil {
		return err
	}
	work := filepath.Join(unit, ".terragrunt-cache", "h1", "h2")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	if err := copyCode(unit, work); err != nil {
		return err
	}
	for _, args := range [][]string{{"init", "-input=false", "-no-color"}, {"apply", "-auto-approve", "-input=false", "-no-color"}} {
		cmd := exec.Command(engine, args...)
		cmd.Dir, cmd.Env = work, append(os.Environ(), keys...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w\n%s", engine, args[0], err, out)
		}
	}
	return nil
}

func copyCode(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.tf"))
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(f)), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// assume returns the variables of a role's keys, from the cache if it has been
// assumed before, however long ago.
func (t *terragrunt) assume(role string) ([]string, error) {
	if role == "" {
		return nil, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if keys, ok := t.roles[role]; ok {
		return slices.Clone(keys), nil
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return nil, err
	}
	out, err := sts.NewFromConfig(cfg).AssumeRole(context.Background(), &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: aws.String("terragrunt-1"), DurationSeconds: aws.Int32(3600),
	})
	if err != nil {
		return nil, errors.New("assuming " + role + ": " + err.Error())
	}
	t.roles[role] = []string{
		"AWS_ACCESS_KEY_ID=" + *out.Credentials.AccessKeyId, "AWS_SECRET_ACCESS_KEY=" + *out.Credentials.SecretAccessKey,
		"AWS_SESSION_TOKEN=" + *out.Credentials.SessionToken, "AWS_SECURITY_TOKEN=" + *out.Credentials.SessionToken,
	}
	return slices.Clone(t.roles[role]), nil
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

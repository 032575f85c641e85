package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/precedence"
)

// How a command is handed its credentials. The endpoint is usual; the others are
// for a tool that can't take it.
const (
	DeliverEndpoint = "endpoint"
	DeliverProcess  = "process" // a profile with credential_process
	DeliverEnv      = "env"     // static keys, which end
)

// deliver changes an environment that leads to the endpoint into what was asked
// for. The chain has a credential by now.
func (k *keeping) deliver(ctx context.Context, env precedence.Env, held *chain) error {
	switch k.req.Deliver {
	case DeliverProcess:
		return k.deliverProcess(env, held.region)
	case DeliverEnv:
		set, err := held.last().Get(ctx)
		if err != nil {
			return err
		}
		forget(env)
		k.handed = set
		env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = set.AccessKeyID(), set.Secret()
		if set.Token() != "" {
			env["AWS_SESSION_TOKEN"] = set.Token()
		}
		if !set.Expires.IsZero() {
			k.note(event.Warning, Noted, fmt.Sprintf("--deliver env: these keys end at %s, and the command can't get others", set.Expires.Local().Format("15:04:05")))
		}
	}
	return nil
}

// deliverProcess puts a profile into a private copy of the config file that the
// command would have read.
func (k *keeping) deliverProcess(env precedence.Env, region string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("where holdfast itself is: %w", err)
	}
	from := first(env["AWS_CONFIG_FILE"], filepath.Join(k.proc.Home, ".aws", "config"))
	text, err := os.ReadFile(from)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	profile := fmt.Sprintf("\n[profile holdfast]\ncredential_process = \"%s\" credentials\n", self)
	if region != "" {
		profile += "region = " + region + "\n"
	}
	path, err := k.dir.Write("config", append(text, profile...))
	if err != nil {
		return err
	}
	forget(env)
	env["AWS_CONFIG_FILE"], env["AWS_PROFILE"] = path, "holdfast"
	return nil
}

// forget takes the endpoint out of an environment.
func forget(env precedence.Env) {
	for name := range env {
		if strings.HasPrefix(name, "AWS_CONTAINER_") {
			delete(env, name)
		}
	}
}

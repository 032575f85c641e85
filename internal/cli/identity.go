package cli

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/source"
)

// identityFlags say who somebody wants to be; every command that needs an
// identity has them.
type identityFlags struct {
	roles      []string
	externalID string
	duration   time.Duration
}

func (flags *identityFlags) bind(f *pflag.FlagSet, req *app.Request) {
	f.StringVar(&req.Identity, "identity", "", "the identity `NAME` of holdfast.hcl")
	f.StringArrayVar(&flags.roles, "role-arn", nil, "role `ARN` to assume; repeat it for a chain")
	f.StringVar(&req.Wish.TokenFile, "web-identity-token-file", "", "`FILE` with the web identity token for the first role")
	f.StringVar(&req.Wish.Profile, "profile", "", "profile `NAME` to start from")
	f.StringVar(&req.Wish.SessionName, "session-name", "", "`NAME` of the sessions in CloudTrail (default holdfast-USER-HOST)")
	f.StringVar(&flags.externalID, "external-id", "", "external `ID` for the last role")
	f.DurationVar(&flags.duration, "duration", 0, "`LENGTH` of the last role's sessions, 15m to 12h (default: what AWS gives, 1h)")
	f.StringVar(&req.Region, "region", "", "`REGION` whose STS is asked")
}

func (flags *identityFlags) apply(req *app.Request) error {
	for _, arn := range flags.roles {
		req.Wish.Roles = append(req.Wish.Roles, source.Role{ARN: arn})
	}
	if last := len(req.Wish.Roles) - 1; last >= 0 {
		req.Wish.Roles[last].ExternalID, req.Wish.Roles[last].Duration = flags.externalID, flags.duration
	} else if flags.externalID != "" || flags.duration != 0 {
		return errors.New("--external-id and --duration belong to a --role-arn, and there is none")
	}
	return nil
}

package precedence

import (
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/tf/code"
)

// Shadow is a setting in code that wins over the endpoint, or may.
type Shadow struct {
	Client  string // the block, as its author would name it
	Setting string
	Range   code.Range
	Value   string // never a secret
	Winner  Winner
	Certain bool // false: the value is an expression, so it may be fine
	Why     string
	Cure    string
}

// String is one line: place, setting and reason.
func (s Shadow) String() string {
	text := s.Range.String() + ": " + s.Setting
	if s.Value != "" {
		text += fmt.Sprintf(" = %q", s.Value)
	}
	return text + " in " + s.Client + ": " + s.Why
}

// Shadowed says which clients in code don't reach the endpoint. It wants the
// facts as they are for the child: Plan.After. assume_role blocks are fine,
// they start from whatever the chain gives.
func Shadowed(after Facts, clients []code.Client) []Shadow {
	var out []Shadow
	for _, client := range clients {
		after.Client = &client
		if w := Decide(Go, after); !w.Endpoint() {
			out = append(out, shadow(client, w))
		}
	}
	return out
}

func shadow(c code.Client, w Winner) Shadow {
	s := Shadow{Client: c.Title(), Range: c.Range, Winner: w, Certain: w.Source != Unknown}
	if setting, ok := blame(c, w); ok {
		s.Setting, s.Range = setting.Name, setting.Range
		if !setting.Secret {
			s.Value = strings.Join(setting.Values, ", ")
		}
	}
	s.Why, s.Cure = explain(s, w)
	return s
}

// blame finds the setting that is the reason: the one the winner stands at,
// or else the one that leads to the file where it stands.
func blame(c code.Client, w Winner) (code.Setting, bool) {
	for _, s := range c.Settings {
		if codeWhere(s) == w.Where && !s.Blank {
			return s, true
		}
	}
	for _, name := range []string{"profile", "shared_credentials_files", "shared_credentials_file", "shared_config_files"} {
		if s, ok := c.Setting(name); ok {
			return s, true
		}
	}
	return code.Setting{}, false
}

func explain(s Shadow, w Winner) (why, cure string) {
	switch {
	case w.Source == CodeKeys:
		return "keys in code win over everything and can't be renewed", "take access_key, secret_key and token out"
	case strings.HasSuffix(s.Setting, ".web_identity_token"):
		return "a token in code is never read again, so it can't be renewed", "use web_identity_token_file, or take the block out"
	case w.Source == CodeWebIdentity:
		return "web identity in code takes the endpoint's place; it renews itself from the token file", "take the block out, or run without holdfast"
	case w.Source == Unknown:
		return "its value is an expression, so nobody can tell before the run", "make it a literal, or null under holdfast"
	case w.Source == Failure && s.Setting == "profile":
		return w.Note, "add the profile, or take the setting out"
	case w.Source == Failure:
		return w.Note, "correct " + w.Where.String()
	case s.Setting == "profile":
		return fmt.Sprintf("code's profile beats every variable, and this one gives credentials: %s at %s", w.Source, w.Where),
			"take the setting out, or name a profile that holds a region only"
	case s.Setting != "":
		return fmt.Sprintf("code's files beat every variable, and give credentials: %s at %s", w.Source, w.Where),
			"take the setting out"
	}
	return fmt.Sprintf("%s wins: %s", w.Source, w.Where), "holdfast doctor"
}

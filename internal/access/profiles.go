package access

import (
	"context"
	"slices"
	"sync"

	"github.com/holdfast/holdfast/internal/cred"
)

// Profile is an instance profile, through which EC2 gives an instance its role.
// It holds one at most
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2_instance-profiles.html).
type Profile struct {
	Name string
	Role string // ARN; empty if it holds none
}

// profiles are the instance profiles of an account. A role that is deleted has to
// be taken out of its profile first, and its successor doesn't come back by
// itself.
type profiles struct {
	once  sync.Once
	read  bool
	held  map[string]bool // ARNs of roles
	empty []string        // names of those that hold none
}

// profilesOf reads an account's profiles, once; nil if they couldn't be read or
// nobody asked for them. That they couldn't is unseen.
func (s *Scan) profilesOf(ctx context.Context, principal string) *profiles {
	p, err := cred.ParsePrincipal(principal)
	if err != nil || s.profiles[p.Account] == nil {
		return nil
	}
	found := s.profiles[p.Account]
	found.once.Do(func() {
		found.held = map[string]bool{}
		err := s.Directories[p.Account].Profiles(ctx, func(i Profile) {
			if i.Role == "" {
				found.empty = append(found.empty, i.Name)
			} else {
				found.held[i.Role] = true
			}
		})
		if err != nil {
			s.cannot(Site{Place: Place{Account: p.Account}}, "", "the instance profiles", err)
			return
		}
		found.read = true
	})
	if !found.read {
		return nil
	}
	return found
}

// without says which profile a role without one belongs in: the empty one of its
// name, else the only empty one. Capitals stand for what isn't known. Ok is false
// if a profile holds the role.
func (p *profiles) without(principal string) (profile string, ok bool) {
	role, err := cred.ParsePrincipal(principal)
	switch {
	case err != nil || p.held[principal]:
		return "", false
	case slices.Contains(p.empty, role.Name):
		return role.Name, true
	case len(p.empty) == 1:
		return p.empty[0], true
	}
	return "PROFILE", true
}

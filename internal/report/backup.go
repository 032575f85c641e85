package report

import (
	"slices"
	"time"
)

// BackupVersion is the version of AccessBackup's JSON.
const BackupVersion = 1

// AccessBackup is every entry of some clusters, for review and for restore.
type AccessBackup struct {
	SchemaVersion int             `json:"schema_version"`
	Kind          string          `json:"kind"` // BackupKind
	Taken         time.Time       `json:"taken"`
	Clusters      []BackupCluster `json:"clusters"`
}

// BackupKind tells a backup from other JSON.
const BackupKind = "holdfast access backup"

// BackupCluster is one cluster.
type BackupCluster struct {
	Name    string        `json:"name"`
	Account string        `json:"account"`
	Region  string        `json:"region"`
	Entries []BackupEntry `json:"entries"`
}

// BackupEntry is all that an entry can be made of, and what it was bound to as
// far as that is known.
type BackupEntry struct {
	Principal string            `json:"principal"`
	Type      string            `json:"type"`
	Username  string            `json:"username,omitempty"`
	Groups    []string          `json:"groups,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Policies  []AccessPolicy    `json:"policies,omitempty"`
	ID        string            `json:"principal_id,omitempty"` // that the principal had then
	Verdict   Verdict           `json:"verdict"`
}

// Restore is what `holdfast access restore` did, or would do.
type Restore struct {
	SchemaVersion int             `json:"schema_version"`
	DryRun        bool            `json:"dry_run"`
	Changes       []RestoreChange `json:"changes"`
	Left          []RestoreLeft   `json:"left"` // what it leaves alone, and why
	Journal       string          `json:"journal,omitempty"`
	Failed        string          `json:"failed,omitempty"`
}

// RestoreChange is one call to AWS.
type RestoreChange struct {
	Cluster   string `json:"cluster"`
	Principal string `json:"principal"`
	Do        string `json:"do"` // create, update, associate, tag
	What      string `json:"what"`
	Done      bool   `json:"done"`
}

// RestoreLeft is a difference that stays. Extra ones are entries that the backup
// doesn't know; the others are what a restore can't do.
type RestoreLeft struct {
	Cluster   string `json:"cluster"`
	Principal string `json:"principal,omitempty"`
	Why       string `json:"why"`
	Extra     bool   `json:"extra,omitempty"`
}

// Lacks says whether something of the backup can't be restored.
func (r Restore) Lacks() bool {
	return slices.ContainsFunc(r.Left, func(l RestoreLeft) bool { return !l.Extra })
}

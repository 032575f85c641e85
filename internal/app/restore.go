package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// AccessBackup reads every entry of the clusters that are meant.
func AccessBackup(ctx context.Context, req AccessRequest, p Process) (report.AccessBackup, error) {
	req.Full = true
	f, err := newFleet(ctx, req, p)
	if err != nil {
		return report.AccessBackup{}, err
	}
	defer f.close()
	found, err := f.scan(ctx, req)
	if err != nil {
		return report.AccessBackup{}, err
	}
	if len(found.Clusters) == 0 && len(found.Unseen) == 0 {
		return report.AccessBackup{}, noClusters()
	}
	out, err := access.Backup(found, time.Now())
	if err != nil {
		return out, &cure.Error{What: "no backup: it wouldn't be whole", Why: []string{err.Error()}, Cure: "give whoever backs up what is missing:  holdfast iam-policy scan", Class: cure.Incomplete, Err: err}
	}
	return out, nil
}

func noClusters() error {
	return &cure.Error{What: "none of these clusters was found", Cure: "name their region and account:  --region eu-west-1"}
}

// RestoreRequest says what is to be restored.
type RestoreRequest struct {
	AccessRequest
	File string
	Yes  bool
	Tell func(string)
	Hook journal.Hook // nil outside of tests
}

// AccessRestore compares a backup with what is there, and with Yes adds what is
// missing. Made a second time, it finds nothing left to do.
func AccessRestore(ctx context.Context, req RestoreRequest, p Process) (report.Restore, error) {
	out := report.Restore{SchemaVersion: report.BackupVersion, DryRun: !req.Yes, Changes: []report.RestoreChange{}, Left: []report.RestoreLeft{}}
	backup, err := readBackup(req.File, p.Dir)
	if err != nil {
		return out, err
	}
	req.Full = true
	for _, c := range backup.Clusters {
		req.Clusters = append(req.Clusters, c.Name)
		if len(req.Regions) == 0 && req.Region == "" && !slices.Contains(req.Regions, c.Region) {
			req.Regions = append(req.Regions, c.Region)
		}
	}
	f, err := newFleet(ctx, req.AccessRequest, p)
	if err != nil {
		return out, err
	}
	defer f.close()
	found, err := f.scan(ctx, req.AccessRequest)
	if err != nil {
		return out, err
	}
	for _, c := range backup.Clusters {
		changes, left := access.Restoring(c, found)
		out.Left = append(out.Left, left...)
		changes, left = f.possible(ctx, c, changes)
		out.Left = append(out.Left, left...)
		if len(changes) == 0 {
			continue
		}
		first := len(out.Changes)
		for _, change := range changes {
			out.Changes = append(out.Changes, report.RestoreChange{Cluster: c.Name, Principal: change.Entry.Principal, Do: change.Do, What: change.Words()})
		}
		if !req.Yes || out.Failed != "" {
			continue
		}
		n := first
		if err := f.restore(ctx, req, c, changes, &out.Journal, func() { out.Changes[n].Done = true; n++ }); err != nil {
			out.Failed = oneLine(err)
		}
	}
	return out, nil
}

func readBackup(path, dir string) (report.AccessBackup, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return report.AccessBackup{}, &cure.Error{What: err.Error(), Class: cure.Usage, Err: err}
	}
	var backup report.AccessBackup
	err = json.Unmarshal(b, &backup)
	if err == nil {
		err = access.CheckBackup(backup)
	}
	if err != nil {
		return backup, &cure.Error{What: path + " can't be restored", Why: []string{err.Error()}, Cure: "holdfast access backup CLUSTER >FILE writes one", Class: cure.Usage, Err: err}
	}
	return backup, nil
}

// possible leaves out what can't be tagged yet or created at all. Tags of an
// entry that is about to be created go with it.
func (f *fleet) possible(ctx context.Context, c report.BackupCluster, changes []access.Change) (out []access.Change, left []report.RestoreLeft) {
	gone := map[string]string{}
	for _, change := range changes {
		principal := change.Entry.Principal
		p, err := cred.ParsePrincipal(principal)
		if change.Do == access.DoCreate && err == nil {
			if d := f.directories[p.Account]; d != nil {
				if owner, err := d.Owner(ctx, p); err == nil && owner.Gone {
					gone[principal] = fmt.Sprintf("there is no such %s now; EKS takes no entry for nobody", p.Kind)
					left = append(left, report.RestoreLeft{Cluster: c.Name, Principal: principal, Why: gone[principal]})
				}
			}
		}
		if gone[principal] == "" {
			out = append(out, change)
		}
	}
	return out, left
}

func (f *fleet) restore(ctx context.Context, req RestoreRequest, c report.BackupCluster, changes []access.Change, where *string, done func()) error {
	for _, s := range f.sites {
		writer, ok := s.EKS.(access.Restorer)
		if s.Account != c.Account || s.Region != c.Region || !ok {
			continue
		}
		j, err := journal.Create(filepath.Join(stateHome(precedence.NewEnv(f.proc.Environ), f.proc.Home), "restore"), access.RestoreKind, time.Now(), req.Hook)
		if err != nil {
			return err
		}
		defer j.Close()
		*where = j.Dir()
		r := access.Repairer{Patience: time.Minute, Now: time.Now, Sleep: sleep, Tell: req.Tell}
		if err := r.Restore(ctx, j, writer, changes, func(access.Change) { done() }); err != nil {
			return err
		}
		return j.End("restored", nil)
	}
	return errors.New("cluster " + c.Name + " is in a place that wasn't entered")
}

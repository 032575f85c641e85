package lab

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// The shape of a world file:
//
//	region  = "eu-west-1"
//	session = "6s"
//	latency = "20ms"
//
//	iam_lag        = "10s"
//	settle         = "2s"
//	health_delay   = "15m"
//	update_rebinds = false
//	limit "eks" {
//	  rate  = 10
//	  burst = 20
//	}
//
//	account "111111111111" {
//	  oidc {
//	    audiences = ["sts.amazonaws.com"]
//	  }
//	  role "ci" {
//	    trust {
//	      web_identity = true
//	      audience     = ["sts.amazonaws.com"]
//	      subject      = ["system:serviceaccount:ci:*"]
//	    }
//	  }
//	  role "deploy" {
//	    path                 = "/team/"
//	    max_session_duration = "2h"
//	    session              = "6s"
//	    trust {
//	      principals  = ["arn:aws:iam::111111111111:role/ci"]
//	      external_id = "payments"
//	    }
//	  }
//	  bucket "holdfast-state" {
//	    region     = "eu-west-1"
//	    versioning = true
//	  }
//	  table "holdfast-locks" {
//	    hash_key = "LockID"
//	  }
//	}
//
// and, for EKS, what stands at clusterFile.
type worldFile struct {
	Region       string        `hcl:"region,optional"`
	Session      string        `hcl:"session,optional"`
	SessionRange hcl.Range     `hcl:"session,attr_value_range"`
	Latency      string        `hcl:"latency,optional"`
	LatencyRange hcl.Range     `hcl:"latency,attr_value_range"`
	IAMLag       string        `hcl:"iam_lag,optional"`
	LagRange     hcl.Range     `hcl:"iam_lag,attr_value_range"`
	Settle       string        `hcl:"settle,optional"`
	SettleRange  hcl.Range     `hcl:"settle,attr_value_range"`
	Health       string        `hcl:"health_delay,optional"`
	HealthRange  hcl.Range     `hcl:"health_delay,attr_value_range"`
	Rebinds      bool          `hcl:"update_rebinds,optional"`
	Limits       []limitFile   `hcl:"limit,block"`
	Accounts     []accountFile `hcl:"account,block"`
}

type limitFile struct {
	Service string    `hcl:"service,label"`
	Rate    float64   `hcl:"rate"`
	Burst   int       `hcl:"burst,optional"`
	Range   hcl.Range `hcl:",def_range"`
}

type accountFile struct {
	ID      string       `hcl:"id,label"`
	Range   hcl.Range    `hcl:",def_range"`
	OIDC    *oidcFile    `hcl:"oidc,block"`
	Roles   []roleFile   `hcl:"role,block"`
	Buckets []bucketFile `hcl:"bucket,block"`
	Tables  []tableFile  `hcl:"table,block"`

	Users    []userFile    `hcl:"user,block"`
	Profiles []profileFile `hcl:"instance_profile,block"`
	Clusters []clusterFile `hcl:"cluster,block"`
	Fleets   []fleetFile   `hcl:"fleet,block"`
}

type oidcFile struct {
	Audiences []string `hcl:"audiences"`
}

type roleFile struct {
	Name         string      `hcl:"name,label"`
	Range        hcl.Range   `hcl:",def_range"`
	Path         string      `hcl:"path,optional"`
	MaxSession   string      `hcl:"max_session_duration,optional"`
	MaxRange     hcl.Range   `hcl:"max_session_duration,attr_value_range"`
	Session      string      `hcl:"session,optional"`
	SessionRange hcl.Range   `hcl:"session,attr_value_range"`
	Age          string      `hcl:"age,optional"`
	AgeRange     hcl.Range   `hcl:"age,attr_value_range"`
	Policy       string      `hcl:"trust_policy,optional"`
	Trust        []trustFile `hcl:"trust,block"`
}

type trustFile struct {
	Services    []string `hcl:"services,optional"`
	Principals  []string `hcl:"principals,optional"`
	ExternalID  string   `hcl:"external_id,optional"`
	WebIdentity bool     `hcl:"web_identity,optional"`
	Audience    []string `hcl:"audience,optional"`
	Subject     []string `hcl:"subject,optional"`
}

type bucketFile struct {
	Name      string    `hcl:"name,label"`
	Range     hcl.Range `hcl:",def_range"`
	Region    string    `hcl:"region,optional"`
	Versioned bool      `hcl:"versioning,optional"`
}

type tableFile struct {
	Name    string    `hcl:"name,label"`
	Range   hcl.Range `hcl:",def_range"`
	HashKey string    `hcl:"hash_key,optional"`
}

// LoadWorld reads a world file and tries it. An error says file, line and
// column and shows the line.
func LoadWorld(path string) (*World, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("lab: world: %w", err)
	}
	return ParseWorld(source, path)
}

// ParseWorld is LoadWorld for text; path is only named in errors.
func ParseWorld(source []byte, path string) (*World, error) {
	parser := hclparse.NewParser()
	file, diags := parser.ParseHCL(source, path)
	if diags.HasErrors() {
		return nil, excerpt(parser, diags)
	}
	var in worldFile
	if diags := gohcl.DecodeBody(file.Body, nil, &in); diags.HasErrors() {
		return nil, excerpt(parser, diags)
	}
	world, diags := in.world()
	if diags.HasErrors() {
		return nil, excerpt(parser, diags)
	}
	_, err := build(Options{World: world}, bareURL)
	var place *placeError
	if errors.As(err, &place) {
		return nil, excerpt(parser, hcl.Diagnostics{in.diagnostic(place)})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return world, nil
}

// excerpt is the first diagnostic the way OpenTofu's users know them: one
// mistake of syntax makes many.
func excerpt(p *hclparse.Parser, diags hcl.Diagnostics) error {
	var b strings.Builder
	d := diags[0]
	if d.Subject != nil {
		fmt.Fprintf(&b, "%s:%d:%d: ", d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column)
	}
	b.WriteString(d.Summary)
	if d.Detail != "" {
		b.WriteString("; " + d.Detail)
	}
	if more := len(diags) - 1; more > 0 {
		fmt.Fprintf(&b, " (and %d more)", more)
	}
	if d.Subject == nil || p.Files()[d.Subject.Filename] == nil {
		return errors.New(b.String())
	}
	lines := strings.Split(string(p.Files()[d.Subject.Filename].Bytes), "\n")
	if line := d.Subject.Start.Line; line <= len(lines) {
		fmt.Fprintf(&b, "\n  %d | %s", line, lines[line-1])
	}
	return errors.New(b.String())
}

func (in worldFile) world() (*World, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	duration := func(text string, at hcl.Range) time.Duration {
		if text == "" {
			return 0
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Subject: &at,
				Summary: fmt.Sprintf("%q isn't a duration", text), Detail: `write for instance "6s", "20ms" or "1h"`})
		}
		return d
	}
	w := &World{Region: in.Region, Session: duration(in.Session, in.SessionRange), Latency: duration(in.Latency, in.LatencyRange)}
	w.Slowness = Slowness{duration(in.IAMLag, in.LagRange), duration(in.Settle, in.SettleRange), duration(in.Health, in.HealthRange)}
	w.UpdateRebinds = in.Rebinds
	for _, l := range in.Limits {
		limit := Limit{Service: l.Service, Rate: l.Rate, Burst: l.Burst}
		if err := limit.Check(); err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Subject: &l.Range, Summary: err.Error()})
		}
		w.Limits = append(w.Limits, limit)
	}
	if err := validSession(w.Session); err != nil {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Subject: &in.SessionRange, Summary: "session " + err.Error()})
	}
	for _, a := range in.Accounts {
		account := Account{ID: a.ID}
		if a.OIDC != nil {
			account.Audiences = a.OIDC.Audiences
		}
		for _, r := range a.Roles {
			role := Role{Name: r.Name, Path: r.Path, TrustPolicy: r.Policy,
				MaxSession: duration(r.MaxSession, r.MaxRange), Session: duration(r.Session, r.SessionRange), Age: duration(r.Age, r.AgeRange)}
			for _, t := range r.Trust {
				role.Trust = append(role.Trust, Trust(t))
			}
			account.Roles = append(account.Roles, role)
		}
		for _, b := range a.Buckets {
			account.Buckets = append(account.Buckets, Bucket{Name: b.Name, Region: b.Region, Versioned: b.Versioned})
		}
		for _, t := range a.Tables {
			account.Tables = append(account.Tables, Table{Name: t.Name, HashKey: t.HashKey})
		}
		if err := a.kubernetes(&account, duration); err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Subject: &a.Range, Summary: err.Error()})
		}
		w.Accounts = append(w.Accounts, account)
	}
	return w, diags
}

// diagnostic finds the block that a world's error is about.
func (in worldFile) diagnostic(e *placeError) *hcl.Diagnostic {
	account := in.Accounts[e.account]
	at := account.Range
	switch e.kind {
	case kindRole:
		at = account.Roles[e.index].Range
	case kindBucket:
		at = account.Buckets[e.index].Range
	case kindTable:
		at = account.Tables[e.index].Range
	case kindUser:
		at = account.Users[e.index].Range
	case kindProfile:
		at = account.Profiles[e.index].Range
	case kindCluster:
		at = account.Clusters[e.index].Range
	case kindFleet:
		at = account.Fleets[e.index].Range
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Subject: &at, Summary: e.err.Error()}
}

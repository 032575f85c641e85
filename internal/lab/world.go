package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/s3"
)

// World is what exists when a lab starts.
type World struct {
	Region   string // "": eu-west-1
	Session  time.Duration
	Latency  time.Duration
	Accounts []Account // the first one's administrator is in Env
}

// Account holds what belongs to it. Roles are created in order, so a trust
// policy may name a role of an earlier account or an earlier line.
type Account struct {
	ID string // twelve digits
	// Audiences registers the lab's issuer as OIDC provider with these client
	// IDs; nil registers nothing.
	Audiences []string
	Roles     []Role
	Buckets   []Bucket
	Tables    []Table
}

// Role is a role of an account.
type Role struct {
	Name       string
	Path       string        // "": /
	MaxSession time.Duration // 0: 1h
	// Session forces the length of every session of this role, below AWS's
	// minimum too, whatever the request says.
	Session time.Duration
	Trust   []Trust
	// TrustPolicy is the policy as JSON, instead of Trust. ${issuer} stands
	// for the issuer as condition keys name it, ${provider} for its ARN.
	TrustPolicy string
}

// Trust is one statement of a trust policy: either Principals or WebIdentity.
type Trust struct {
	Principals  []string // ARNs, account IDs or *
	ExternalID  string
	WebIdentity bool
	Audience    []string
	Subject     []string // StringLike, so * and ? are wildcards
}

// Bucket is an S3 bucket.
type Bucket struct {
	Name      string
	Versioned bool
}

// Table is a DynamoDB table with a string hash key.
type Table struct {
	Name    string
	HashKey string // "": LockID
}

const (
	defaultRegion  = "eu-west-1"
	defaultHashKey = "LockID"
	// MinSession is the shortest life of a session: below it, cutting
	// Expiration to whole seconds would leave nothing.
	MinSession = 2 * time.Second
)

// ZeroWorld is one account with everything that a first test needs.
func ZeroWorld() *World {
	const account = "111111111111"
	return &World{Accounts: []Account{{
		ID:        account,
		Audiences: []string{"sts.amazonaws.com"},
		Roles: []Role{
			{Name: "ci", Trust: []Trust{{WebIdentity: true, Audience: []string{"sts.amazonaws.com"}, Subject: []string{"system:serviceaccount:ci:runner"}}}},
			{Name: "deploy", Trust: []Trust{{Principals: []string{"arn:aws:iam::" + account + ":role/ci"}}}},
		},
		Buckets: []Bucket{{Name: "holdfast-state", Versioned: true}},
		Tables:  []Table{{Name: "holdfast-locks"}},
	}}}
}

func (w *World) region() string {
	if w.Region == "" {
		return defaultRegion
	}
	return w.Region
}

func validSession(d time.Duration) error {
	if d != 0 && (d < MinSession || d > iam.MaxMaxSession) {
		return fmt.Errorf("%s must be between %s and %s", d, MinSession, iam.MaxMaxSession)
	}
	return nil
}

// populate creates the world and the environment that names it.
func (s *Server) populate(w *World) error {
	if len(w.Accounts) == 0 {
		return errors.New("lab: a world without an account; add account \"111111111111\" {}")
	}
	now := time.Now()
	for i, a := range w.Accounts {
		if !regexp.MustCompile(`^\d{12}$`).MatchString(a.ID) {
			return fmt.Errorf("lab: account %q isn't twelve digits", a.ID)
		}
		if slices.ContainsFunc(w.Accounts[:i], func(b Account) bool { return b.ID == a.ID }) {
			return fmt.Errorf("lab: account %s stands twice", a.ID)
		}
		admin := s.directory.AddAccount(a.ID)
		if i == 0 {
			s.env = []string{
				"AWS_ENDPOINT_URL=" + s.url,
				"AWS_REGION=" + s.region, "AWS_DEFAULT_REGION=" + s.region,
				"AWS_ACCESS_KEY_ID=" + admin.AccessKey, "AWS_SECRET_ACCESS_KEY=" + admin.Secret,
				"HOLDFAST_LAB_ISSUER=" + s.issuer.url,
			}
		}
	}
	for _, a := range w.Accounts {
		if a.Audiences != nil {
			s.directory.AddProvider(a.ID, a.Audiences, now)
		}
	}
	for i, a := range w.Accounts {
		if err := s.populateAccount(a, i == 0, now); err != nil {
			return fmt.Errorf("lab: account %s: %w", a.ID, err)
		}
	}
	return nil
}

func (s *Server) populateAccount(a Account, first bool, now time.Time) error {
	for _, r := range a.Roles {
		if err := validSession(r.Session); err != nil {
			return fmt.Errorf("role %s: session %w", r.Name, err)
		}
		if r.MaxSession != 0 {
			if _, err := iam.ValidMaxSession(int(r.MaxSession / time.Second)); err != nil {
				return fmt.Errorf("role %s: %w", r.Name, err)
			}
		}
		trust, err := s.trustPolicy(a.ID, r)
		if err != nil {
			return fmt.Errorf("role %s: %w", r.Name, err)
		}
		created, err := s.directory.Put(iam.Role{Account: a.ID, Name: r.Name, Path: r.Path, MaxSession: r.MaxSession, Session: r.Session}, trust, now)
		if err != nil {
			return fmt.Errorf("role %s: %w", r.Name, err)
		}
		s.name("ROLE_"+strings.ToUpper(r.Name), created.ARN)
	}
	for i, b := range a.Buckets {
		if !s3.ValidName(b.Name) || slices.Contains(reservedPaths(), b.Name) {
			return fmt.Errorf("bucket name %q: use 3 to 63 of a-z, 0-9, dot and hyphen, and none of %s", b.Name, strings.Join(reservedPaths(), ", "))
		}
		s.objects.AddBucket(a.ID, b.Name, b.Versioned, now)
		if first && i == 0 {
			s.name("BUCKET", b.Name)
		}
	}
	for i, t := range a.Tables {
		if t.HashKey == "" {
			t.HashKey = defaultHashKey
		}
		s.tables.AddTable(a.ID, t.Name, t.HashKey, now)
		if first && i == 0 {
			s.name("TABLE", t.Name)
		}
	}
	return nil
}

// name adds HOLDFAST_LAB_<what>, once: the first of a name wins.
func (s *Server) name(what, value string) {
	key := "HOLDFAST_LAB_" + regexp.MustCompile(`[^A-Z0-9]`).ReplaceAllString(what, "_") + "="
	if !slices.ContainsFunc(s.env, func(e string) bool { return strings.HasPrefix(e, key) }) {
		s.env = append(s.env, key+value)
	}
}

func (s *Server) trustPolicy(account string, r Role) (string, error) {
	_, issuer, _ := strings.Cut(s.issuer.url, "://")
	provider := s.directory.ProviderARN(account)
	if r.TrustPolicy != "" {
		return strings.NewReplacer("${issuer}", issuer, "${provider}", provider).Replace(r.TrustPolicy), nil
	}
	if len(r.Trust) == 0 {
		return "", errors.New("nobody is trusted; add a trust block")
	}
	var statements []map[string]any
	for _, t := range r.Trust {
		condition := map[string]map[string]any{}
		statement := map[string]any{"Effect": "Allow", "Condition": condition}
		switch {
		case t.WebIdentity == (len(t.Principals) > 0):
			return "", errors.New("a trust needs either principals or web_identity")
		case t.WebIdentity:
			statement["Principal"] = map[string]any{"Federated": provider}
			statement["Action"] = []string{"sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"}
			if len(t.Audience) > 0 {
				condition["StringEquals"] = map[string]any{issuer + ":aud": t.Audience}
			}
			if len(t.Subject) > 0 {
				condition["StringLike"] = map[string]any{issuer + ":sub": t.Subject}
			}
		default:
			statement["Principal"] = map[string]any{"AWS": t.Principals}
			statement["Action"] = []string{"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}
			if t.ExternalID != "" {
				condition["StringEquals"] = map[string]any{"sts:ExternalId": t.ExternalID}
			}
		}
		statements = append(statements, statement)
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(b), err
}

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/lab/dynamo"
	"github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lab/iam"
	"github.com/holdfast/holdfast/internal/lab/s3"
)

// World is what exists when a lab starts.
type World struct {
	Region   string // "": eu-west-1
	Session  time.Duration
	Latency  time.Duration
	Slowness // how long AWS takes with what it does
	// UpdateRebinds makes UpdateAccessEntry bind the entry anew. Whether AWS
	// does isn't known.
	UpdateRebinds bool
	Limits        []Limit
	Accounts      []Account // the first one's administrator is in Env
}

// Slowness is how long changes take on AWS's side.
type Slowness struct {
	IAMLag time.Duration // until EKS sees a change of a role or a user
	Settle time.Duration // that CREATING, UPDATING and DELETING last
	// HealthDelay is how long nodes fail to join before a node group says so.
	HealthDelay time.Duration
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
	Users     []User
	Profiles  []InstanceProfile
	Clusters  []eks.Spec
	Fleets    []Fleet
}

// Role is a role of an account.
type Role struct {
	Name       string
	Path       string        // "": /
	MaxSession time.Duration // 0: 1h
	// Session forces the length of every session of this role, below AWS's
	// minimum too, whatever the request says.
	Session time.Duration
	Age     time.Duration // how long ago it was created
	Trust   []Trust
	// TrustPolicy is the policy as JSON, instead of Trust. ${issuer} stands
	// for the issuer as condition keys name it, ${provider} for its ARN.
	TrustPolicy string
}

// Trust is one statement of a trust policy: Principals, Services or
// WebIdentity.
type Trust struct {
	Services    []string // for instance ec2.amazonaws.com
	Principals  []string // ARNs, account IDs or *
	ExternalID  string
	WebIdentity bool
	Audience    []string
	Subject     []string // StringLike, so * and ? are wildcards
}

// Bucket is an S3 bucket.
type Bucket struct {
	Name      string
	Region    string // "": the world's
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

// placeError says which part of a world is wrong.
type placeError struct {
	account int
	kind    string // "" is the account itself
	index   int
	name    string
	err     error
}

const (
	kindRole   = "role"
	kindBucket = "bucket"
	kindTable  = "table"
	kindUser   = "user"

	kindProfile = "instance_profile"
	kindCluster = "cluster"
	kindFleet   = "fleet"
)

func (e *placeError) Error() string {
	return "lab: " + strings.TrimSpace(e.kind+" "+e.name) + ": " + e.err.Error()
}

func (e *placeError) Unwrap() error { return e.err }

// populate creates the world and the environment that names it.
func (s *Server) populate(w *World) error {
	if len(w.Accounts) == 0 {
		return errors.New("a world without an account; add account \"111111111111\" {}")
	}
	now := time.Now()
	for i, a := range w.Accounts {
		wrong := func(format string, args ...any) error {
			return &placeError{account: i, name: a.ID, err: fmt.Errorf(format, args...)}
		}
		if !regexp.MustCompile(`^\d{12}$`).MatchString(a.ID) {
			return wrong("an account ID has twelve digits, not %q", a.ID)
		}
		if slices.ContainsFunc(w.Accounts[:i], func(b Account) bool { return b.ID == a.ID }) {
			return wrong("account %s stands twice", a.ID)
		}
		admin := s.directory.AddAccount(a.ID)
		if a.Audiences != nil {
			s.directory.AddProvider(a.ID, a.Audiences, now)
		}
		if i == 0 {
			s.first = a.ID
			s.env = []string{
				"AWS_ENDPOINT_URL=" + s.url,
				"AWS_REGION=" + s.region, "AWS_DEFAULT_REGION=" + s.region,
				"AWS_ACCESS_KEY_ID=" + admin.AccessKey, "AWS_SECRET_ACCESS_KEY=" + admin.Secret,
				"HOLDFAST_LAB_ISSUER=" + s.issuer.url,
			}
		}
	}
	for i, a := range w.Accounts {
		if err := s.populateAccount(i, a, now); err != nil {
			return err
		}
	}
	for i, a := range w.Accounts {
		if err := s.populateClusters(i, a, now); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) populateAccount(i int, a Account, now time.Time) error {
	for j, u := range a.Users {
		if err := s.addUser(a.ID, u, now); err != nil {
			return &placeError{i, kindUser, j, u.Name, err}
		}
	}
	for j, r := range a.Roles {
		if err := s.addRole(a.ID, r, now); err != nil {
			return &placeError{i, kindRole, j, r.Name, err}
		}
	}
	for j, b := range a.Buckets {
		if err := s.addBucket(a.ID, b, now); err != nil {
			return &placeError{i, kindBucket, j, b.Name, err}
		}
	}
	for j, t := range a.Tables {
		if err := s.addTable(a.ID, t, now); err != nil {
			return &placeError{i, kindTable, j, t.Name, err}
		}
	}
	return nil
}

func (s *Server) addRole(account string, r Role, now time.Time) error {
	if err := validSession(r.Session); err != nil {
		return fmt.Errorf("session %w", err)
	}
	if r.MaxSession != 0 && (r.MaxSession < iam.MinMaxSession || r.MaxSession > iam.MaxMaxSession) {
		return fmt.Errorf("max_session_duration %s must be between %s and %s", r.MaxSession, iam.MinMaxSession, iam.MaxMaxSession)
	}
	if err := iam.ValidName(r.Name); err != nil {
		return err
	}
	if r.Path != "" && !iam.ValidPath(r.Path) {
		return fmt.Errorf("path %q must begin and end with a slash", r.Path)
	}
	trust, err := s.trustPolicy(account, r)
	if err != nil {
		return err
	}
	created, err := s.directory.Put(iam.Role{Account: account, Name: r.Name, Path: r.Path, MaxSession: r.MaxSession, Session: r.Session}, trust, now.Add(-r.Age))
	if err != nil {
		return err
	}
	s.name("ROLE_"+strings.ToUpper(r.Name), created.ARN)
	return nil
}

func (s *Server) addBucket(account string, b Bucket, now time.Time) error {
	if !s3.ValidName(b.Name) || slices.Contains(reservedPaths(), b.Name) {
		return fmt.Errorf("bucket name %q: use 3 to 63 of a-z, 0-9, dot and hyphen, and none of %s", b.Name, strings.Join(reservedPaths(), ", "))
	}
	if !s.objects.AddBucket(account, b.Name, b.Region, b.Versioned, now) {
		return fmt.Errorf("bucket %s stands twice; a bucket's name is the whole world's", b.Name)
	}
	s.name("BUCKET", b.Name)
	return nil
}

func (s *Server) addTable(account string, t Table, now time.Time) error {
	if t.HashKey == "" {
		t.HashKey = defaultHashKey
	}
	if !dynamo.ValidName(t.Name) {
		return fmt.Errorf("table name %q: use 3 to 255 of a-z, A-Z, 0-9, dot, underscore and hyphen", t.Name)
	}
	if !s.tables.AddTable(account, t.Name, t.HashKey, now) {
		return fmt.Errorf("table %s stands twice in account %s", t.Name, account)
	}
	s.name("TABLE", t.Name)
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
		case oneOf(t.WebIdentity, len(t.Principals) > 0, len(t.Services) > 0) != nil:
			return "", errors.New("a trust needs either principals or web_identity or services")
		case len(t.Services) > 0:
			statement["Principal"] = map[string]any{"Service": t.Services}
			statement["Action"] = "sts:AssumeRole"
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

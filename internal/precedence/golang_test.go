package precedence_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"

	"github.com/holdfast/holdfast/internal/pairwise"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// redirect sends what is meant for 169.254.170.2 to the stubs.
type redirect struct{ to string }

func (r redirect) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Host == "169.254.170.2" {
		to, err := url.Parse(r.to)
		if err != nil {
			return nil, err
		}
		req.URL.Host = to.Host
	}
	return http.DefaultTransport.RoundTrip(req)
}

// askGo asks the real SDK, in an environment of its own. For code it does
// what aws-sdk-go-base does: options for profile and files, a static provider
// for keys.
func askGo(t *testing.T, env precedence.Env, home string, client *code.Client, s stubs) (string, error) {
	t.Helper()
	saved := os.Environ()
	defer func() {
		os.Clearenv()
		for name, value := range precedence.NewEnv(saved) {
			os.Setenv(name, value)
		}
	}()
	os.Clearenv()
	for name, value := range env {
		os.Setenv(name, value)
	}
	// The SDK computes these two when its package is loaded.
	files, creds := config.DefaultSharedConfigFiles, config.DefaultSharedCredentialsFiles
	defer func() { config.DefaultSharedConfigFiles, config.DefaultSharedCredentialsFiles = files, creds }()
	config.DefaultSharedConfigFiles = []string{filepath.Join(home, ".aws", "config")}
	config.DefaultSharedCredentialsFiles = []string{filepath.Join(home, ".aws", "credentials")}

	options := []func(*config.LoadOptions) error{
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = redirect{s.url} }),
	}
	if client != nil {
		if p, ok := client.Setting("profile"); ok {
			options = append(options, config.WithSharedConfigProfile(p.Value()))
		}
		if f, ok := client.Setting("shared_credentials_files"); ok {
			options = append(options, config.WithSharedCredentialsFiles(f.Values))
		}
		if _, ok := client.Setting("access_key"); ok {
			options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKCODE", "s", "")))
		}
	}
	cfg, err := config.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return "none", err
	}
	got, err := cfg.Credentials.Retrieve(context.Background())
	if err != nil || !got.HasKeys() {
		return "none", err
	}
	return got.AccessKeyID, nil
}

func TestDecideIsWhatTheGoSDKDoes(t *testing.T) {
	s := serve(t)
	seen := map[precedence.Source]int{}
	for _, r := range rows() {
		sc := layOut(t, r, s)
		sc.facts.Client = sc.client()
		want := precedence.Decide(precedence.Go, sc.facts)
		seen[want.Source]++
		if want.Source == precedence.Unknown {
			if r["code"] != "expression" {
				t.Errorf("%s\n unknown, though nothing is hidden: %+v", r, want)
			}
			continue
		}
		got, err := askGo(t, sc.env, sc.home, sc.facts.Client, s)
		if got != key(want) {
			t.Errorf("%s\n the SDK uses %s (%v)\n Decide says %s: %+v", r, got, err, key(want), want)
		}
	}
	for _, source := range []precedence.Source{
		precedence.EnvKeys, precedence.EnvWebIdentity, precedence.ProfileKeys, precedence.ProfileRole,
		precedence.ProfileWeb, precedence.ProfileSSO, precedence.ProfileLogin, precedence.ProfileProcess,
		precedence.ContainerRelative, precedence.ContainerFull, precedence.InstanceMetadata,
		precedence.CodeKeys, precedence.None, precedence.Failure,
	} {
		if seen[source] == 0 {
			t.Errorf("no row ends in %q: the table doesn't test it", source)
		}
	}
}

func TestEveryPairIsInSomeRow(t *testing.T) {
	if n := pairwise.Missing(dimensions(), pairwise.Rows(dimensions())); n > 0 {
		t.Errorf("%d pairs are in no row", n)
	}
}

func TestWinnerNamesItsPlace(t *testing.T) {
	s := serve(t)
	r := row{"keys": "none", "web": "none", "name": "x", "default": "absent", "x": "process", "file": "config", "place": "home", "container": "full", "imds": "off", "code": "none"}
	sc := layOut(t, r, s)
	w := precedence.Decide(precedence.Go, sc.facts)
	if !strings.HasSuffix(w.Where.String(), "config:10:1") || w.Profile != "x" || !w.Renewable {
		t.Errorf("got %+v at %s", w, w.Where)
	}
}

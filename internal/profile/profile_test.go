package profile

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/precedence"
)

// pieces are lines as people write them, and as nobody should.
func pieces() []string {
	return []string{
		"[default]", "[profile default]", "[profile x]", "[x]", "[ profile  x ]", "[profile x] # comment", "  [default]", "[profile x", "[]", "[sso-session s]",
		"region = a", "region=b # comment", "region = c#no comment", "region = \"d\"", "Region: e", "region =", "  region = f", "\tregion = g ;h",
		"external_id = i", "  external_id = j", "role_session_name = k = l", "ca_bundle = /m", "  continued", "s3 =", "  addressing_style = path",
		"# comment", "  ; comment", "", "   ", "neither", "= nothing", "region = n\r", "mfa_serial = 'o'",
		"aws_access_key_id = AKIAHUNTER", "aws_secret_access_key = hunter2", "  aws_session_token = hunter2", "credential_process = run hunter2",
	}
}

func text(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces()), 0, 14).Draw(t, "lines"), "\n")
}

// merged is what the Go SDK would make of one config file's sections.
func merged(file precedence.File, profile string) (map[string]string, bool) {
	names := []string{"profile " + profile}
	if profile == "default" && !slices.ContainsFunc(file.Sections, func(s precedence.Section) bool { return s.Name == "profile default" }) {
		names = []string{"default"}
	}
	out, found := map[string]string{}, false
	for _, s := range file.Sections {
		if slices.Contains(names, s.Name) {
			found = true
			for _, k := range s.Keys {
				out[k.Name] = k.Value
			}
		}
	}
	return out, found
}

func TestParseIsWhatTheGoSDKReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	rapid.Check(t, func(rt *rapid.T) {
		src := text(rt)
		if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
			rt.Fatal(err)
		}
		file := Parse(path, precedence.Config, []byte(src))
		for _, name := range []string{"default", "x"} {
			keys, found := merged(file, name)
			got, err := config.LoadSharedConfigProfile(context.Background(), name, func(o *config.LoadSharedConfigOptions) {
				o.ConfigFiles, o.CredentialsFiles = []string{path}, []string{}
			})
			if err != nil {
				if found && strings.Contains(err.Error(), "failed to get shared config profile") {
					rt.Fatalf("%q\n the SDK finds no profile %s", src, name)
				}
				continue
			}
			if !found {
				rt.Fatalf("%q\n only the SDK finds profile %s", src, name)
			}
			want := map[string]string{"region": got.Region, "external_id": got.ExternalID,
				"role_session_name": got.RoleSessionName, "ca_bundle": got.CustomCABundle, "mfa_serial": got.MFASerial}
			for key, value := range want {
				if keys[key] != value {
					rt.Fatalf("%q\n %s of %s: the SDK reads %q, Parse %q", src, key, name, value, keys[key])
				}
			}
		}
	})
}

func TestStripTakesOutTheSelectedProfileOnly(t *testing.T) {
	const src = `# mine
[default]
region = eu-west-1          # stays
aws_access_key_id = AKIA
  aws_secret_access_key = hunter2
aws_session_token=hunter2
output = json
[profile x]
sso_session = corp
s3 =
  addressing_style = path
credential_process = run this
  --and that
endpoint_url = http://lab
[sso-session corp]
sso_region = eu-west-1`
	const want = `# mine
[default]
region = eu-west-1          # stays
output = json
[profile x]
sso_session = corp
s3 =
  addressing_style = path
credential_process = run this
  --and that
endpoint_url = http://lab
[sso-session corp]
sso_region = eu-west-1`
	if got := string(Strip([]byte(src), precedence.Config, []string{"default"})); got != want {
		t.Errorf("default:\n%s", got)
	}
	want2 := strings.NewReplacer("sso_session = corp\n", "", "credential_process = run this\n  --and that\n", "").Replace(src)
	if got := string(Strip([]byte(src), precedence.Config, []string{"x"})); got != want2 {
		t.Errorf("x:\n%s", got)
	}
}

func TestProblemsAreWhatBotocoreRefuses(t *testing.T) {
	for src, want := range map[string]string{
		"[x]\na = 1\n[x]\n":                       "f:3:1: the same section a second time: [x]",
		"[x]\na = 1\na = 2\n":                     "f:3:1: the same setting a second time: a …",
		"a = 1\n[x]\n":                            "f:1:1: a setting before the first [section]: a …",
		"[x]\naws_secret_access_key hunter2\n":    "f:2:1: neither a [section] nor a setting: aws_secret_access_key …",
		"[x]\n  wJalrXUtnFEMIK7MDENG\n":           "f:2:3: neither a [section] nor a setting: wJal…",
		"[x]\ns3 =\n  path\n":                     "f:3:3: a nested line without an equals sign: path…",
		"[x]\na = \xff\n":                         "f:1:1: not UTF-8: …",
		"[x]\n  a = 1\n  b = 2\n# c\n[y]\na: 1\n": "",
		"[x]\na = 1\n  a = 2\n":                   "",
	} {
		got := ""
		if problems := Parse("f", precedence.Config, []byte(src)).Problems; len(problems) > 0 {
			got = problems[0].Error()
		}
		if got != want {
			t.Errorf("%q\n got  %s\n want %s", src, got, want)
		}
	}
}

func TestWriteIsPrivateAndNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	from, private := filepath.Join(dir, "config"), filepath.Join(dir, "private")
	if err := os.WriteFile(from, []byte("[default]\nregion = a\nrole_arn = b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := precedence.Copy{From: from, To: filepath.Join(private, "config"), Kind: precedence.Config, Profiles: []string{"default"}}
	if err := os.Mkdir(private, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write([]precedence.Copy{c}); err == nil {
		t.Error("a directory that others can read was taken")
	}
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write([]precedence.Copy{c}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.To)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if got, _ := os.ReadFile(c.To); string(got) != "[default]\nregion = a\n" {
		t.Errorf("copy: %q", got)
	}
	if err := Write([]precedence.Copy{c}); err == nil {
		t.Error("an existing file was overwritten")
	}
}

func TestReadFindsEveryFileOnce(t *testing.T) {
	home := t.TempDir()
	for _, name := range []string{".aws/config", ".aws/credentials", "mine"} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("[default]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Read(precedence.Env{"HOME": home, "AWS_CONFIG_FILE": "~/mine"}, home, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, string(f.Kind)+" "+strings.TrimPrefix(f.Path, home))
	}
	if want := []string{"config /mine", "credentials /.aws/credentials"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	files, err = Read(precedence.Env{"HOME": home, "AWS_CONFIG_FILE": home}, home, nil)
	if err == nil || len(files) != 1 {
		t.Errorf("a directory for a file: %v, %v", files, err)
	}
}

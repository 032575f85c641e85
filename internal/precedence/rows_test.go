package precedence_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/pairwise"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/profile"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// dimensions are what varies between rows. Their values are names; what a name
// means is in the functions below.
func dimensions() []pairwise.Dimension {
	return []pairwise.Dimension{
		{Name: "keys", Values: []string{"none", "both", "legacy", "id only", "blank"}},
		{Name: "web", Values: []string{"none", "both", "no role", "blank"}},
		{Name: "name", Values: []string{"unset", "x", "default variable x", "missing", "blank", "x and default", "both x"}},
		{Name: "default", Values: []string{"absent", "region", "keys"}},
		{Name: "x", Values: contentNames()},
		{Name: "file", Values: []string{"config", "credentials", "split", "both", "quoted config"}},
		{Name: "place", Values: []string{"home", "variables", "blank variables", "tilde"}},
		{Name: "container", Values: []string{"none", "full", "relative", "both", "blank relative and full", "blank full"}},
		{Name: "imds", Values: []string{"off", "on"}},
		{Name: "legacy file", Values: []string{"unset", "set"}},
		{Name: "code", Values: []string{"none", "profile x", "profile missing", "profile plain", "profile default", "files", "keys", "expression"}},
	}
}

// contents are what a profile may say. %HOME% stands for the row's directory.
func contents() map[string][]string {
	return map[string][]string{
		"absent":             nil,
		"region":             {"region = eu-west-1"},
		"keys":               {"aws_access_key_id = AKPROFILE", "aws_secret_access_key = s"},
		"id only":            {"aws_access_key_id = AKPROFILE"},
		"blank keys":         {"aws_access_key_id =", "aws_secret_access_key ="},
		"keys and role":      {"aws_access_key_id = AKPROFILE", "aws_secret_access_key = s", "role_arn = arn:aws:iam::111111111111:role/x"},
		"role":               {"role_arn = arn:aws:iam::111111111111:role/x"},
		"source":             {"role_arn = arn:aws:iam::111111111111:role/x", "source_profile = base"},
		"source itself":      {"role_arn = arn:aws:iam::111111111111:role/x", "source_profile = x", "aws_access_key_id = AKPROFILE", "aws_secret_access_key = s"},
		"source missing":     {"role_arn = arn:aws:iam::111111111111:role/x", "source_profile = nowhere"},
		"source empty":       {"role_arn = arn:aws:iam::111111111111:role/x", "source_profile = plain"},
		"source of a source": {"role_arn = arn:aws:iam::111111111111:role/x", "source_profile = hop"},
		"source, no role":    {"source_profile = base"},
		"source and process": {"role_arn = arn:aws:iam::111111111111:role/x", "source_profile = base", "credential_process = %HOME%/process"},
		"mfa":                {"role_arn = arn:aws:iam::111111111111:role/x", "source_profile = base", "mfa_serial = arn:aws:iam::111111111111:mfa/me"},
		"from variables":     {"role_arn = arn:aws:iam::111111111111:role/x", "credential_source = Environment"},
		"from container":     {"role_arn = arn:aws:iam::111111111111:role/x", "credential_source = EcsContainer"},
		"from metadata":      {"role_arn = arn:aws:iam::111111111111:role/x", "credential_source = Ec2InstanceMetadata"},
		"from nonsense":      {"role_arn = arn:aws:iam::111111111111:role/x", "credential_source = Nonsense"},
		"web":                {"role_arn = arn:aws:iam::111111111111:role/x", "web_identity_token_file = %HOME%/jwt"},
		"web, no role":       {"web_identity_token_file = %HOME%/jwt"},
		"sso session":        {"sso_session = corp", "sso_account_id = 111111111111", "sso_role_name = r"},
		"sso legacy":         {"sso_start_url = https://corp.example", "sso_region = eu-west-1", "sso_account_id = 111111111111", "sso_role_name = r"},
		"sso incomplete":     {"sso_start_url = https://corp.example", "sso_role_name = r"},
		"sso nowhere":        {"sso_session = nowhere", "sso_account_id = 111111111111", "sso_role_name = r"},
		"login":              {"login_session = arn:aws:sts::111111111111:me"},
		"process":            {"credential_process = %HOME%/process"},
		"process and keys":   {"credential_process = %HOME%/process", "aws_access_key_id = AKPROFILE", "aws_secret_access_key = s"},
		"web and keys":       {"role_arn = arn:aws:iam::111111111111:role/x", "web_identity_token_file = %HOME%/jwt", "aws_access_key_id = AKPROFILE", "aws_secret_access_key = s"},
		"twice":              {"region = eu-west-1", "[SAME]", "aws_access_key_id = AKPROFILE", "aws_secret_access_key = s"},
	}
}

func contentNames() []string {
	var names []string
	for name := range contents() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// row is one value for each dimension.
type row map[string]string

func (r row) String() string {
	var parts []string
	for _, d := range dimensions() {
		parts = append(parts, d.Name+"="+r[d.Name])
	}
	return strings.Join(parts, ", ")
}

// rows are the pairwise ones, and each content once more where nothing stands
// before it.
func rows() []row {
	var out []row
	for _, r := range pairwise.Rows(dimensions()) {
		out = append(out, row(r))
	}
	for _, content := range contentNames() {
		for _, file := range []string{"config", "credentials", "split", "both", "quoted config"} {
			for _, in := range []string{"none", "profile x"} {
				out = append(out, row{"keys": "none", "web": "none", "name": "x", "default": "absent", "x": content,
					"file": file, "place": "home", "container": "full", "imds": "off", "legacy file": "unset", "code": in})
			}
		}
	}
	return out
}

// scene is a row that has been laid out on the disk.
type scene struct {
	row   row
	home  string
	env   precedence.Env
	facts precedence.Facts
}

func layOut(t *testing.T, r row, s stubs) scene {
	t.Helper()
	home := t.TempDir()
	sc := scene{row: r, home: home, env: s.environment(home)}
	sc.variables(s)
	dir := filepath.Join(home, ".aws")
	switch r["place"] {
	case "variables":
		dir = filepath.Join(home, "elsewhere")
		sc.env["AWS_CONFIG_FILE"] = filepath.Join(dir, "config")
		sc.env["AWS_SHARED_CREDENTIALS_FILE"] = filepath.Join(dir, "credentials")
	case "tilde":
		dir = filepath.Join(home, "elsewhere")
		sc.env["AWS_CONFIG_FILE"], sc.env["AWS_SHARED_CREDENTIALS_FILE"] = "~/elsewhere/config", "~/elsewhere/credentials"
	case "blank variables":
		sc.env["AWS_CONFIG_FILE"], sc.env["AWS_SHARED_CREDENTIALS_FILE"] = "", ""
	}
	config, credentials := sc.files()
	write(t, filepath.Join(dir, "config"), config, 0o600)
	write(t, filepath.Join(dir, "credentials"), credentials, 0o600)
	write(t, filepath.Join(home, "other"), "[default]\naws_access_key_id = AKPROFILE\naws_secret_access_key = s\n", 0o600)
	write(t, filepath.Join(home, "legacy"), "AWSAccessKeyId=AKLEGACY\nAWSSecretKey=s\n", 0o600)
	write(t, filepath.Join(home, "jwt"), "header.payload.signature", 0o600)
	write(t, filepath.Join(home, "process"), "#!/bin/sh\necho '"+`{"Version":1,"AccessKeyId":"AKPROCESS","SecretAccessKey":"s","SessionToken":"t","Expiration":"2099-01-01T00:00:00Z"}`+"'\n", 0o700)
	cached := `{"accessToken":"t","expiresAt":"2099-01-01T00:00:00Z","startUrl":"https://corp.example","region":"eu-west-1"}`
	for _, name := range []string{"corp", "https://corp.example"} {
		sum := sha1.Sum([]byte(name))
		write(t, filepath.Join(home, ".aws/sso/cache", hex.EncodeToString(sum[:])+".json"), cached, 0o600)
	}
	sum := sha256.Sum256([]byte("arn:aws:sts::111111111111:me"))
	write(t, filepath.Join(home, ".aws/login/cache", hex.EncodeToString(sum[:])+".json"),
		`{"accessToken":{"accessKeyId":"AKLOGIN","secretAccessKey":"s","sessionToken":"t","accountId":"111111111111","expiresAt":"2099-01-01T00:00:00Z"},"tokenType":"aws_sigv4","clientId":"c","refreshToken":"r","idToken":"i","identityToken":"i","dpopKey":"k"}`, 0o600)

	var clients []code.Client
	if c := sc.client(); c != nil {
		clients = append(clients, *c)
	}
	files, err := profile.Read(sc.env, home, clients)
	if err != nil {
		t.Fatal(err)
	}
	sc.facts = precedence.Facts{Env: sc.env, Home: home, Files: files}
	return sc
}

func (sc scene) variables(s stubs) {
	set := sc.set
	switch sc.row["keys"] {
	case "both":
		set("AKENV", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
	case "legacy":
		set("AKENV", "AWS_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN")
	case "id only":
		set("AKENV", "AWS_ACCESS_KEY_ID")
	case "blank":
		set("", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
	}
	switch sc.row["web"] {
	case "both":
		set(filepath.Join(sc.home, "jwt"), "AWS_WEB_IDENTITY_TOKEN_FILE")
		set("arn:aws:iam::111111111111:role/env", "AWS_ROLE_ARN")
	case "no role":
		set(filepath.Join(sc.home, "jwt"), "AWS_WEB_IDENTITY_TOKEN_FILE")
	case "blank":
		set("", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")
	}
	switch sc.row["name"] {
	case "x":
		set("x", "AWS_PROFILE")
	case "default variable x":
		set("x", "AWS_DEFAULT_PROFILE")
	case "missing":
		set("missing", "AWS_PROFILE")
	case "blank":
		set("", "AWS_PROFILE")
	case "x and default":
		set("x", "AWS_PROFILE")
		set("default", "AWS_DEFAULT_PROFILE")
	case "both x":
		set("x", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
	}
	if sc.row["legacy file"] == "set" {
		set(filepath.Join(sc.home, "legacy"), "AWS_CREDENTIAL_FILE")
	}
	if sc.row["imds"] == "off" {
		set("true", "AWS_EC2_METADATA_DISABLED")
	}
	sc.container(s)
}

func (sc scene) set(value string, names ...string) {
	for _, name := range names {
		sc.env[name] = value
	}
}

func (sc scene) container(s stubs) {
	const full, relative = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	switch sc.row["container"] {
	case "full":
		sc.set(s.url+"/full", full)
	case "relative":
		sc.set("/relative", relative)
	case "both":
		sc.set(s.url+"/full", full)
		sc.set("/relative", relative)
	case "blank relative and full":
		sc.set(s.url+"/full", full)
		sc.set("", relative)
	case "blank full":
		sc.set("", full)
	}
}

func (sc scene) files() (config, credentials string) {
	config = "[profile plain]\nregion = eu-west-1\n" +
		"[profile hop]\nrole_arn = arn:aws:iam::111111111111:role/hop\nsource_profile = base\n" +
		"[sso-session corp]\nsso_start_url = https://corp.example\nsso_region = eu-west-1\n"
	credentials = "[base]\naws_access_key_id = AKPROFILE\naws_secret_access_key = s\n"
	section := func(header string, lines []string) string {
		if lines == nil {
			return ""
		}
		text := header + "\n" + strings.Join(lines, "\n") + "\n"
		return strings.NewReplacer("%HOME%", sc.home, "[SAME]", header).Replace(text)
	}
	credentials += section("[default]", contents()[sc.row["default"]])
	x := contents()[sc.row["x"]]
	switch sc.row["file"] {
	case "config":
		config += section("[profile x]", x)
	case "quoted config":
		config += section(`[profile "x"]`, x)
	case "credentials":
		credentials += section("[x]", x)
	case "both":
		config += section("[profile x]", x)
		credentials += section("[x]", x)
	case "split":
		config += section("[profile x]", x[:len(x)/2])
		credentials += section("[x]", x[len(x)/2:])
	}
	return config, credentials
}

// client is the AWS provider that the row's code configures.
func (sc scene) client() *code.Client {
	body := map[string]string{
		"profile x":       `profile = "x"`,
		"profile missing": `profile = "missing"`,
		"profile plain":   `profile = "plain"`,
		"profile default": `profile = "default"`,
		"files":           fmt.Sprintf("shared_credentials_files = [%q]", filepath.Join(sc.home, "other")),
		"keys":            "access_key = \"AKCODE\"\nsecret_key = \"s\"",
		"expression":      "profile = var.profile",
	}[sc.row["code"]]
	if body == "" {
		return nil
	}
	clients := code.Parse("main.tf", []byte("provider \"aws\" {\n"+body+"\n}\n")).Clients
	return &clients[0]
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

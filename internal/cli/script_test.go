package cli_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/holdfast/holdfast/internal/cli"
	"github.com/holdfast/holdfast/internal/lab"
)

var update = flag.Bool("update", false, "write what the scripts see into them")

// TestMain makes programs of this binary: holdfast itself, and children for it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"holdfast":  func() { os.Exit(cli.Main()) },
		"terraform": func() { os.Exit(terraform()) },
		"whoami":    func() { os.Exit(whoami()) },
	})
}

// terraform plays Terraform as far as a script needs it. Through one of our
// links, which lead to this same binary here, it is holdfast.
func terraform() int {
	if os.Getenv("HOLDFAST_LINKS") != "" {
		return cli.Main()
	}
	switch args := os.Args[1:]; {
	case len(args) > 0 && args[0] == "env":
		for _, e := range os.Environ() {
			if strings.HasPrefix(e, "AWS_") || strings.HasPrefix(e, "HOLDFAST_") {
				fmt.Println(e)
			}
		}
		return 0
	case len(args) > 0 && args[0] == "config":
		info, err := os.Stat(os.Getenv("AWS_CONFIG_FILE"))
		if err != nil {
			fmt.Println(err)
			return 1
		}
		b, _ := os.ReadFile(os.Getenv("AWS_CONFIG_FILE"))
		fmt.Printf("%v\n%s", info.Mode(), b)
		return 0
	case len(args) > 1 && args[0] == "exit":
		n, _ := strconv.Atoi(args[1])
		return n
	case len(args) > 0 && args[0] == "apply":
		fmt.Println("terraform_data.a: Creating...")
		fmt.Println("terraform_data.a: Creation complete after 12s [id=1]")
		return 0
	case len(args) > 1 && args[0] == "show":
		b, err := os.ReadFile(os.Getenv("SHOWN"))
		if err != nil {
			fmt.Fprintln(os.Stderr, "this plan was made by somebody else")
			return 1
		}
		os.Stdout.Write(b)
		return 0
	case len(args) > 0 && args[0] == "prompt":
		fmt.Print("Enter a value: ")
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		fmt.Printf("got %q\n", strings.TrimSpace(line))
		return 0
	default:
		return whoami()
	}
}

// whoami asks AWS who it is, with what the Go SDK finds.
func whoami() int {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	got, err := cfg.Credentials.Retrieve(context.Background())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(*out.Arn, "by", got.Source)
	return 0
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"lab": labCommand, "busyport": busyPort, "standin": standIn, "example": example},
	})
}

// labKey is where a script keeps its lab, a *holder.
type labKey struct{}

type holder struct{ lab *lab.Server }

func setup(e *testscript.Env) error {
	e.Values[labKey{}] = &holder{}
	home := filepath.Join(e.WorkDir, "home")
	e.Vars = append(e.Vars, "HOME="+home, "USER=alice", "XDG_RUNTIME_DIR=", "TMPDIR="+os.TempDir(), "AWS_CA_BUNDLE=", "AWS_EC2_METADATA_DISABLED=true", "GORACE=atexit_sleep_ms=0")
	return os.MkdirAll(home, 0o700)
}

// labCommand is the script command `lab`:
//
//	lab start [SESSION]          a fresh zero world, its environment, a token in $WORK/token
//	lab world FILE               the same with the world of a file
//	lab recreate ROLE            deletes a role of the first account and makes it anew
//	lab admin                    the administrator's keys into the environment
//	lab irsa                     a pod's environment: the token, the role ci, and Terragrunt's role deploy
//	lab token FILE SUB AUD TTL   another token
//	lab calls OPERATION N        the lab has answered N such calls
func labCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: lab start|world|admin|irsa|token|recreate|calls")
	}
	script := ts.Value(labKey{}).(*holder)
	if args[0] == "start" || args[0] == "world" {
		o := lab.Options{}
		if args[0] == "world" {
			var err error
			o.World, err = lab.LoadWorld(ts.MkAbs(args[1]))
			ts.Check(err)
		} else if len(args) > 1 {
			var err error
			o.Session, err = time.ParseDuration(args[1])
			ts.Check(err)
		}
		l, err := lab.Start(o)
		ts.Check(err)
		ts.Defer(func() { l.Close() })
		script.lab = l
		for _, e := range l.Env() {
			name, value, _ := strings.Cut(e, "=")
			if !strings.HasPrefix(name, "AWS_ACCESS") && !strings.HasPrefix(name, "AWS_SECRET") {
				ts.Setenv(name, value)
			}
		}
		// The Go SDK's own web identity doesn't look at AWS_ENDPOINT_URL.
		ts.Setenv("AWS_ENDPOINT_URL_STS", l.URL())
		args = []string{"token", "token", "system:serviceaccount:ci:runner", "sts.amazonaws.com", "10m"}
	}
	l := script.lab
	if l == nil {
		ts.Fatalf("no lab: lab start")
	}
	switch args[0] {
	case "token":
		ttl, err := time.ParseDuration(args[4])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(l.WebIdentityToken(args[2], args[3], ttl)), 0o600))
	case "admin":
		for _, e := range l.Env() {
			if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") {
				ts.Setenv(name, value)
			}
		}
	case "irsa":
		ts.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", ts.MkAbs("token"))
		ts.Setenv("AWS_ROLE_ARN", ts.Getenv("HOLDFAST_LAB_ROLE_CI"))
		ts.Setenv("TG_IAM_ASSUME_ROLE", ts.Getenv("HOLDFAST_LAB_ROLE_DEPLOY"))
	case "recreate":
		ts.Check(recreate(l, args[1]))
	case "calls":
		n := 0
		for _, c := range l.Calls() {
			if c.Operation == args[1] {
				n++
			}
		}
		if strconv.Itoa(n) != args[2] {
			ts.Fatalf("%d calls of %s, want %s", n, args[1], args[2])
		}
	}
}

// recreate deletes a role and makes it anew, as the administrator.
func recreate(l *lab.Server, name string) error {
	env := map[string]string{}
	for _, e := range l.Env() {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	c := iam.New(iam.Options{Region: "eu-west-1", BaseEndpoint: aws.String(l.URL()), Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")})
	ctx := context.Background()
	got, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return err
	}
	if _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name}); err != nil {
		return err
	}
	trust, err := url.QueryUnescape(*got.Role.AssumeRolePolicyDocument)
	if err != nil {
		return err
	}
	_, err = c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: got.Role.Path, AssumeRolePolicyDocument: &trust})
	return err
}

// busyPort is the script command `busyport NAME`: a port of 127.0.0.1 that
// somebody else has, its address in the variable NAME.
func busyPort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

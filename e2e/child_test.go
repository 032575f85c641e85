package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// child plays a Terraform that tells, in the file that E2E_LOG names, what it
// received. Its parts:
//
//	prompt    asks on standard output and reads the answer from standard input
//	count     counts signals until there was none for a while after the first
//	exec      becomes another program
//	work N    prints for N tenths of a second, then has finished
func child(play string) int {
	if len(os.Args) > 1 && os.Args[1] == "version" {
		fmt.Println(`{"terraform_version":"1.11.0"}`)
		return 0
	}
	signals := make(chan os.Signal, 10)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	part, argument, _ := strings.Cut(play, " ")
	switch part {
	case "exec":
		words := strings.Split(argument, "\t")
		if path, err := exec.LookPath(words[0]); err == nil {
			words[0] = path
		}
		os.Unsetenv("E2E_CHILD")
		fmt.Println(syscall.Exec(words[0], words, os.Environ()))
		return 1
	case "prompt":
		fmt.Print("Enter a value: ")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		tell("read %q %v", strings.TrimSpace(line), err)
	case "count":
		tell("ready")
		fmt.Println("ready")
		var got []string
		quiet := time.NewTimer(20 * time.Second)
		for waiting := true; waiting; {
			select {
			case s := <-signals:
				got = append(got, s.String())
				quiet.Reset(1500 * time.Millisecond)
			case <-quiet.C:
				waiting = false
			}
		}
		tell("got %s", strings.Join(got, ","))
	case "work":
		tell("ready")
		tenths, _ := strconv.Atoi(argument)
		for i := range tenths {
			if _, err := fmt.Printf("line %d\n", i); err != nil {
				tell("broken: %v", err)
				return 1
			}
			select {
			case s := <-signals:
				tell("got %s", s)
			case <-time.After(100 * time.Millisecond):
			}
		}
		tell("finished")
	}
	return 0
}

// ask asks the endpoint once, with the token of a file, and prints the answer.
func ask(url, tokenFile string) int {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	r.Header.Set("Authorization", string(token))
	resp, err := (&http.Transport{}).RoundTrip(r)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer resp.Body.Close()
	_, _ = io.Copy(os.Stdout, resp.Body)
	return 0
}

// goSDK asks AWS who it is with one client of the Go SDK, for so many seconds,
// and prints the access key of each call.
func goSDK(seconds string) int {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		return 2
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	client := sts.NewFromConfig(cfg)
	for end := time.Now().Add(time.Duration(n) * time.Second); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		out, err := client.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		got, err := cfg.Credentials.Retrieve(context.Background())
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(got.AccessKeyID, *out.Arn)
	}
	return 0
}

// tell adds a line to the child's log.
func tell(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv("E2E_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}

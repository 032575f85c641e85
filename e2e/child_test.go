package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child plays a Terraform that tells, in the file that E2E_LOG names, what it
// received. Its parts:
//
//	prompt    asks on standard output and reads the answer from standard input
//	count     counts signals until there was none for a while after the first
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

// tell adds a line to the child's log.
func tell(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv("E2E_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintf(f, format+"\n", args...)
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// childArgument makes of this program the child of `holdfast run`.
const childArgument = "child"

// connections is how many ask at once, each as soon as it has its answer.
const connections = 64

// seen is what the child saw.
type seen struct {
	Requests, Failed  int
	Took              time.Duration
	P50, P99, Slowest time.Duration
	Peak              int64           // bytes that its parent ever had in memory
	Clients           []time.Duration // medians of credentials and terragrunt-auth
}

// child does what args say (load PAUSE LENGTH, idle LENGTH, or clients PAUSE
// HOLDFAST) and prints what it saw.
func child(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: load PAUSE LENGTH | idle LENGTH | clients PAUSE HOLDFAST")
	}
	wait, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	<-time.After(wait)
	var s seen
	if args[0] == "load" {
		length, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		if s, err = load(length); err != nil {
			return err
		}
	}
	if args[0] == "clients" {
		all, err := alternate(context.Background(), plain(os.Environ(), args[2], "credentials"), plain(os.Environ(), args[2], "terragrunt-auth"))
		if err != nil {
			return err
		}
		s.Clients = []time.Duration{all[0].median(), all[1].median()}
	}
	if s.Peak, err = peak(os.Getppid()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// load asks the endpoint as fast as it answers.
func load(length time.Duration) (seen, error) {
	target, err := url.Parse(os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
	if err != nil || target.Host == "" {
		return seen{}, errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI names no endpoint")
	}
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n\r\n", target.Path, target.Host, os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
	var group sync.WaitGroup
	var mu sync.Mutex
	var all times
	var failed int
	var errs []error
	began := time.Now()
	for range connections {
		group.Go(func() {
			took, bad, err := ask(target.Host, []byte(request), began.Add(length))
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, took...), failed+bad
			errs = append(errs, err)
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil || len(all) == 0 {
		return seen{}, fmt.Errorf("%d answers: %w", len(all), err)
	}
	s := seen{Requests: len(all), Failed: failed, Took: time.Since(began)}
	slices.Sort(all)
	s.P50, s.P99, s.Slowest = all.median(), all.at(0.99), all[len(all)-1]
	return s, nil
}

// ask keeps one connection busy. It reads no more of an answer than it must:
// what the load costs, on the same cores, isn't the endpoint's.
func ask(host string, request []byte, end time.Time) (times, int, error) {
	conn, err := net.Dial("tcp4", host)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	took, failed := make(times, 0, 1<<13), 0
	for {
		began := time.Now()
		if began.After(end) {
			return took, failed, nil
		}
		if _, err := conn.Write(request); err != nil {
			return nil, 0, err
		}
		good, err := answered(answers)
		if err != nil {
			return nil, 0, err
		}
		if !good {
			failed++
		}
		took = append(took, time.Since(began))
	}
}

// answered reads one answer and reports whether it was a credential.
func answered(r *bufio.Reader) (bool, error) {
	status, length := "", 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if status == "" {
			status = text
			continue
		}
		if text == "" {
			_, err := io.CopyN(io.Discard, r, int64(length))
			return status == "HTTP/1.1 200 OK", err
		}
		if value, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if length, err = strconv.Atoi(value); err != nil {
				return false, err
			}
		}
	}
}

// peak is the most memory that a process ever had (proc(5), VmHWM). What
// wait4(2) tells would count its children too.
func peak(pid int) (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("only Linux tells a process's peak memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("/proc doesn't tell the peak memory")
}

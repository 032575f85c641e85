package main

import (
	"bufio"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTableHidesNothing(t *testing.T) {
	var b strings.Builder
	if !table(&b, []row{{what: "a", measured: "9 ms", goal: "< 8 ms"}, {what: "b", measured: "7 ms", goal: "< 8 ms", met: true}, {what: "c", measured: "3"}}) {
		t.Error("a missed goal is a figure all the same")
	}
	if got := b.String(); strings.Count(got, "MISSED") != 1 || strings.Count(got, " met ") != 1 {
		t.Errorf("%s", got)
	}
	b.Reset()
	if table(&b, unmeasured(errors.New("no lab"), "a")) || !strings.Contains(b.String(), "not measured") || !strings.Contains(b.String(), "no lab") {
		t.Errorf("a row without a figure counts as one, or doesn't say why:\n%s", b.String())
	}
}

func TestTimes(t *testing.T) {
	one := times{time.Second}
	many := make(times, 101)
	for i := range many {
		many[i] = time.Duration(i)
	}
	if one.median() != time.Second || many.median() != 50 || many.at(0.99) != 99 {
		t.Errorf("%v %v %v", one.median(), many.median(), many.at(0.99))
	}
}

func TestAnswered(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"))
	if good, err := answered(r); !good || err != nil {
		t.Error(good, err)
	}
	if good, err := answered(r); good || err != nil {
		t.Error(good, err)
	}
	if _, err := answered(r); err == nil {
		t.Error("an answer out of nothing")
	}
}

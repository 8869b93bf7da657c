package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"example.com/ebb"
	"example.com/ebb/ebbtest"
)

var (
	ticks   = regexp.MustCompile(`(?m)^(\d+) ticks, (\d+) answers$`)
	latency = regexp.MustCompile(`(?m)^latency: median \S+, 95 % \S+, 99 % \S+, longest \S+$`)
	held    = regexp.MustCompile(`(?m)^the stream held back \d+ answers behind an older one, \d+ in a row at most$`)
)

func checkReport(t *testing.T, report string) {
	t.Helper()
	m := ticks.FindStringSubmatch(report)
	if m == nil || m[1] == "0" || m[1] != m[2] || !latency.MatchString(report) || !held.MatchString(report) {
		t.Errorf("the report:\n%s", report)
	}
}

// TestPlay: every tick is answered, and the latency is printed.
func TestPlay(t *testing.T) {
	ebbtest.NoLeaks(t)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	served := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"serve", "localhost:0"}, w)
		w.CloseWithError(err)
		served <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "serving on ")
	if !ok {
		t.Fatalf("%q, %v", line, err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"play", address, "500ms"}, &out); err != nil {
		t.Error(err)
	}
	checkReport(t, out.String())
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestShow: over a path that loses packets every tick is answered too.
func TestShow(t *testing.T) {
	ebbtest.NoLeaks(t)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"show", "1s", "5"}, &out); err != nil {
		t.Error(err)
	}
	checkReport(t, out.String())
	if err := ebb.Drain(t.Context()); err != nil {
		t.Log("the path was gone before the last word:", err)
	}
}

// TestUsage: what cannot be is an error.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"play", "localhost:1"}, {"play", "localhost:1", "long"}, {"show", "1s", "100"}, {"show", "1s", "-1"}, {"serve", "nowhere:port:1"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q is no error", args)
		}
	}
}

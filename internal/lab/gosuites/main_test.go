package main

import (
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestParse: results are those of the tests at the top, or of the parts of one, and nothing that a test prints is a result.
func TestParse(t *testing.T) {
	output := []byte("\x16=== RUN   TestA\n    a_test.go:1: --- FAIL: TestX (0.00s)\n--- FAIL: TestY (0.00s)\nno newline\x16--- PASS: TestA (0.01s)\n" +
		"\x16--- FAIL: TestB/sub (0.00s)\n\x16--- PASS: TestB/sub/part (0.00s)\n\x16--- FAIL: TestB (1.00s)\n\x16--- SKIP: ExampleC (0.00s)\n")
	got, want := parse(output, ""), results{"TestA": "PASS", "TestB": "FAIL", "ExampleC": "SKIP"}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if s := got.String(); s != "1 passed, 1 failed, 1 skipped" || got.of("TestD") != "no result" {
		t.Errorf("%s; TestD: %s", s, got.of("TestD"))
	}
	if got, want := parse(output, "TestB"), (results{"sub": "FAIL"}); !maps.Equal(got, want) {
		t.Errorf("of TestB %v, want %v", got, want)
	}
}

// TestHooks: the Go that is installed has what is hooked, the result is Go, and a Go that has not is an error.
func TestHooks(t *testing.T) {
	root, err := goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, "src/net/dial.go"))
	if err != nil {
		t.Fatal(err)
	}
	with, err := withHooks(string(source))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "dial.go", with, parser.SkipObjectResolution); err != nil {
		t.Error(err)
	}
	for _, look := range []string{"return SuiteDial(", "return SuiteListen("} {
		if strings.Count(with, look) != 1 {
			t.Errorf("%q is there %d times", look, strings.Count(with, look))
		}
	}
	if _, err := withHooks("package net\n"); err == nil {
		t.Error("nothing to hook is no error")
	}
}

// TestLeftOut: every test that is left out is there to be run, and has a reason.
func TestLeftOut(t *testing.T) {
	root, err := goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for path, s := range suites {
		if s.module != "" { // its source may not be here
			continue
		}
		tests, err := filepath.Glob(filepath.Join(root, "src", path, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, file := range tests {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(content)
		}
		for name, reason := range s.leaves(false) {
			if reason == "" || !strings.Contains(all.String(), "\nfunc "+name+"(") {
				t.Errorf("%s: there is no %s, or no reason: %q", path, name, reason)
			}
		}
	}
}

// TestWithInterfaces: an assertion that only closes a direction asks for no more than that.
func TestWithInterfaces(t *testing.T) {
	got := withInterfaces("err = c.(*net.TCPConn).CloseWrite()\nc.(*TCPConn).CloseRead()\nx, ok := c.(*net.TCPConn)\n")
	want := "err = c.(interface{ CloseWrite() error }).CloseWrite()\nc.(interface{ CloseRead() error }).CloseRead()\nx, ok := c.(*net.TCPConn)\n"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestUnfinished: of a process that a panic has ended, the tests that ran then have no result, and those that had not begun are no failures.
func TestUnfinished(t *testing.T) {
	output := []byte("\x16=== RUN   TestA\n\x16--- PASS: TestA (0.00s)\n\x16=== RUN   TestB\n\x16=== PAUSE TestB\n\x16=== RUN   TestC\n\x16=== PAUSE TestC\n" +
		"\x16=== RUN   TestD\n\x16=== RUN   TestD/part\n\x16=== CONT  TestC\npanic: test timed out after 1s\n")
	if got, want := unfinished(output, ""), []string{"TestC", "TestD"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := unfinished(output, "TestD"), []string{"part"}; !slices.Equal(got, want) {
		t.Errorf("of TestD %v, want %v", got, want)
	}
}

// TestAnyOf: an expression is for these tests, and for no others whose names contain them.
func TestAnyOf(t *testing.T) {
	for parent, want := range map[string]string{"": "^(TestC|TestD)$", "Test": "^Test$/^(TestC|TestD)$"} {
		if got := (&binary{parent: parent}).anyOf([]string{"TestC", "TestD"}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestNetInterfaces: package net's tests assert interfaces, but where they take a type apart.
func TestNetInterfaces(t *testing.T) {
	source := "c.(*TCPConn).SetLinger(0)\nln.(*TCPListener).SetDeadline(t)\n\tcase *TCPConn:\nfunc(cs *TCPConn) error\nc.(*TCPConn).fd\nln.(*TCPListener).File()\n"
	want := "c.(suiteTCPConn).SetLinger(0)\nln.(suiteTCPListener).SetDeadline(t)\n\tcase suiteTCPConn:\nfunc(cs suiteTCPConn) error\nc.(*TCPConn).fd\nln.(*TCPListener).File()\n"
	if got := netInterfaces("net_test.go", source); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := netInterfaces("/go/src/net/file_test.go", source); got != source {
		t.Errorf("a file that is left as it is became\n%s", got)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "types.go", netTypes, parser.SkipObjectResolution); err != nil {
		t.Error(err)
	}
}

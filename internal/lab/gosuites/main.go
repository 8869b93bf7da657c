// Command gosuites runs the tests of Go's own packages, and of other people's, over Ebb, and over the kernel's TCP for comparison:
//
//	go run ./internal/lab/gosuites [-short] [-times N] [-unlimited] net net/http crypto/tls github.com/hashicorp/yamux
//
// The sources are those of the Go that is installed, and those that a module in interop/ requires. What package net dials and listens on for the networks
// tcp, tcp4 and tcp6 goes through a hook that a copy of its dial.go has, and a file that is added to the tests sets the hook to Ebb's Dialer and ListenConfig
// (go build -overlay: nothing is written where Go or a module is). So the tests see Ebb wherever they see net.Dial, net.Listen, net.Dialer, net.ListenConfig,
// net/http/httptest or crypto/tls. net.DialTCP and net.ListenTCP return types of package net's own and stay TCP's.
//
// Connections have Ebb's default settings. With -unlimited they have no limit of rate, and tests that are left out because they want more than 10 MB/s
// are run too.
//
// The same binary is run twice, over TCP first. A test that has another result over Ebb is run again alone, three times over each; if
// it fails there too, it is a difference, and the exit status is 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	short := flag.Bool("short", false, "leave out what the tests leave out in short mode")
	times := flag.Int("times", 1, "run each suite so often")
	unlimited := flag.Bool("unlimited", false, "let connections send as fast as the congestion controller does")
	timeout := flag.Duration("timeout", 5*time.Minute, "how long a process of tests may run")
	keep := flag.String("output", "", "a directory to which the output of the tests is written; empty: it is not kept")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = slices.Sorted(maps.Keys(suites))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok := true
	for _, path := range packages {
		for range *times {
			same, err := compare(ctx, path, options{*short, *unlimited, *timeout, *keep})
			if err != nil {
				fmt.Fprintf(os.Stderr, "gosuites: %s: %v\n", path, err)
			}
			ok = ok && same && err == nil
		}
	}
	if !ok {
		os.Exit(1)
	}
}

// options is what the flags say.
type options struct {
	short, unlimited bool
	timeout          time.Duration
	keep             string
}

// compare runs a suite over both, and prints what came of it.
func compare(ctx context.Context, path string, o options) (same bool, err error) {
	s, ok := suites[path]
	if !ok {
		return false, fmt.Errorf("it is none of %s", strings.Join(slices.Sorted(maps.Keys(suites)), ", "))
	}
	dir, err := os.MkdirTemp("", "gosuites")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	at, err := s.place(ctx, dir, path)
	if err != nil {
		return false, err
	}
	leftOut := s.leaves(o.unlimited)
	b := &binary{
		path: path, file: filepath.Join(dir, "test"), place: at,
		parent: s.parent, skip: slices.Sorted(maps.Keys(leftOut)), options: o,
	}
	if s.prepare != nil {
		if b.environment, err = s.prepare(ctx, dir); err != nil {
			return false, err
		}
	}
	if err := b.build(ctx, dir, s); err != nil {
		return false, err
	}
	tcp, err := b.run(ctx, "tcp")
	if err != nil {
		return false, err
	}
	ebb, err := b.run(ctx, "ebb")
	if err != nil {
		return false, err
	}
	fmt.Printf("%-12s TCP: %v\n%-12s Ebb: %v\n", path, tcp, "", ebb)
	for _, name := range b.skip {
		fmt.Printf("%12s %s is left out: %s\n", "", name, leftOut[name])
	}
	differences := 0
	for _, name := range slices.Sorted(maps.Keys(tcp)) {
		if tcp[name] == ebb[name] {
			continue
		}
		verdict, differs := b.alone(ctx, name)
		if differs {
			differences++
		}
		fmt.Printf("%12s %s: %s over TCP, %s over Ebb; %s\n", "", name, tcp[name], ebb.of(name), verdict)
	}
	fmt.Printf("%12s %d differences from TCP\n", "", differences)
	return differences == 0, nil
}

// results is what the tests of a suite, but no parts of them, came to: PASS, FAIL or SKIP.
type results map[string]string

func (r results) of(name string) string {
	if r[name] == "" {
		return "no result"
	}
	return r[name]
}

// String is the counts.
func (r results) String() string {
	count := make(map[string]int)
	for _, outcome := range slices.Collect(maps.Values(r)) {
		count[outcome]++
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", count["PASS"], count["FAIL"], count["SKIP"])
}

// The lines of a test binary with -test.v=test2json. A mark is before each, whatever the test itself has printed before it in the same line.
var (
	resultLine = regexp.MustCompile(`(?m)\x16--- (PASS|FAIL|SKIP): (\S+) \(`)
	stateLine  = regexp.MustCompile(`(?m)\x16=== (RUN|PAUSE|CONT)\s+(\S+)$`)
)

// below is the name of a test among those at the top, or among the parts of parent if that is not empty; false for one that is none of them.
func below(parent string, name []byte) (string, bool) {
	rest := string(name)
	if parent != "" {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, parent+"/"); !ok {
			return "", false
		}
	}
	return rest, !strings.Contains(rest, "/")
}

// parse reads the output of a test binary.
func parse(output []byte, parent string) results {
	r := make(results)
	for _, m := range resultLine.FindAllSubmatch(output, -1) {
		if name, ok := below(parent, m[2]); ok {
			r[name] = string(m[1])
		}
	}
	return r
}

// unfinished is the tests that had begun, and have no result, when a test binary ended by a panic or because its time was over.
func unfinished(output []byte, parent string) []string {
	running := make(map[string]bool)
	for _, m := range stateLine.FindAllSubmatch(output, -1) {
		if name, ok := below(parent, m[2]); ok {
			running[name] = string(m[1]) != "PAUSE"
		}
	}
	done := parse(output, parent)
	maps.DeleteFunc(running, func(name string, runs bool) bool { return !runs || done[name] != "" })
	return slices.Sorted(maps.Keys(running))
}

// binary is the test binary of a suite.
type binary struct {
	path, file string
	place
	parent      string // of the tests, if they are parts of one
	skip        []string
	environment []string // over Ebb
	options
}

// build writes the overlay and compiles.
func (b *binary) build(ctx context.Context, dir string, s suite) error {
	overlay, err := s.overlay(ctx, dir, b.source)
	if err != nil {
		return err
	}
	args := append([]string{"test", "-c", "-vet=off", "-overlay", overlay, "-o", b.file}, b.flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, b.path)...)
	cmd.Dir = b.module
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}

// maxPanics is how often a suite begins again after a test that ended its process.
const maxPanics = 20

// run runs the suite over tcp or ebb. A test that panics, or that does not end, has failed, and the process with it: another one
// runs those that have no result yet. Extra arguments are the binary's.
func (b *binary) run(ctx context.Context, over string, extra ...string) (results, error) {
	all, skip := make(results), slices.Clone(b.skip)
	for range maxPanics {
		out, err := b.execute(ctx, over, skip, extra...)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		maps.Copy(all, parse(out, b.parent))
		ended := bytes.Contains(out, []byte("panic: ")) || bytes.Contains(out, []byte("fatal error: "))
		if err == nil || !ended {
			if len(all) == 0 {
				return nil, fmt.Errorf("over %s there are no results: %w\n%.2000s", over, err, out)
			}
			return all, nil
		}
		for _, name := range unfinished(out, b.parent) {
			all[name] = "FAIL"
		}
		skip = slices.AppendSeq(slices.Clone(b.skip), maps.Keys(all))
	}
	return nil, fmt.Errorf("over %s %d processes have ended by a panic", over, maxPanics)
}

// execute runs the binary once, without the tests to skip.
func (b *binary) execute(ctx context.Context, over string, skip []string, extra ...string) ([]byte, error) {
	args := []string{"-test.v=test2json", "-test.timeout=" + b.timeout.String(), fmt.Sprintf("-test.short=%v", b.short)}
	if len(skip) > 0 {
		args = append(args, "-test.skip="+b.anyOf(skip))
	}
	cmd := exec.CommandContext(ctx, b.file, append(args, extra...)...)
	cmd.Dir = b.source
	cmd.Env = append(os.Environ(), transportVariable+"="+over)
	if over == "ebb" {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%v", unlimitedVariable, b.unlimited))
		cmd.Env = append(cmd.Env, b.environment...)
	}
	out, err := cmd.CombinedOutput()
	if b.keep != "" && len(extra) == 0 {
		name := filepath.Join(b.keep, strings.ReplaceAll(b.path, "/", "-")+"."+over)
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
		if err != nil {
			return nil, err
		}
		f.Write(out)
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	return out, err
}

// anyOf is an expression for these tests and no others.
func (b *binary) anyOf(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	these := "^(" + strings.Join(quoted, "|") + ")$"
	if b.parent != "" {
		return "^" + regexp.QuoteMeta(b.parent) + "$/" + these
	}
	return these
}

// attempts is how often a test is run again that has another result over Ebb.
const attempts = 3

// alone runs a test again over both, and says whether that is a difference.
func (b *binary) alone(ctx context.Context, name string) (verdict string, differs bool) {
	passes := make(map[string]int)
	for _, over := range []string{"tcp", "ebb"} {
		for range attempts {
			r, err := b.run(ctx, over, "-test.run="+b.anyOf([]string{name}))
			if err == nil && r[name] == "PASS" {
				passes[over]++
			}
		}
	}
	return fmt.Sprintf("alone %d of %d passed over TCP, %d over Ebb", passes["tcp"], attempts, passes["ebb"]), passes["ebb"] < passes["tcp"]
}

// goroot is where Go is installed.
func goroot(ctx context.Context) (string, error) { return ask(ctx, "", "env", "GOROOT") }

// ask is the go command's answer.
func ask(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var why *exec.ExitError
		if errors.As(err, &why) {
			return "", fmt.Errorf("%v: %w: %s", cmd, err, why.Stderr)
		}
		return "", fmt.Errorf("%v: %w", cmd, err)
	}
	return strings.TrimSpace(string(out)), nil
}

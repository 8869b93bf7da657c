// Command gosuites runs the tests of Go's own packages over Ebb, and over the kernel's TCP for comparison:
//
//	go run ./internal/lab/gosuites [-short] [-times N] net/http crypto/tls
//
// The sources are those of the Go that is installed. What package net dials and listens on for the networks tcp, tcp4 and tcp6 goes through
// a hook that a copy of its dial.go has, and a file that is added to the tests sets the hook to Ebb's Dialer and ListenConfig (go build -overlay: nothing
// is written where Go is installed). So the tests see Ebb wherever they see net.Dial, net.Listen, net.Dialer, net.ListenConfig,
// net/http/httptest or crypto/tls. net.DialTCP and net.ListenTCP return types of package net's own and stay TCP's.
//
// The same binary is run twice, over TCP first. A test that has another result over Ebb is run again alone, three times over each; if
// it fails there too, it is a difference, and the exit status is 1.
package main

import (
	"bytes"
	"context"
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
)

func main() {
	short := flag.Bool("short", false, "leave out what the tests leave out in short mode")
	times := flag.Int("times", 1, "run each suite so often")
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
			same, err := compare(ctx, path, *short, *keep)
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

// compare runs a suite over both, and prints what came of it.
func compare(ctx context.Context, path string, short bool, keep string) (same bool, err error) {
	s, ok := suites[path]
	if !ok {
		return false, fmt.Errorf("it is none of %s", strings.Join(slices.Sorted(maps.Keys(suites)), ", "))
	}
	dir, err := os.MkdirTemp("", "gosuites")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	b := &binary{path: path, file: filepath.Join(dir, "test"), short: short, skip: s.skip(), keep: keep}
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
	for _, name := range slices.Sorted(maps.Keys(s.leftOut)) {
		fmt.Printf("%12s %s is left out: %s\n", "", name, s.leftOut[name])
	}
	same = true
	for _, name := range slices.Sorted(maps.Keys(tcp)) {
		if tcp[name] == ebb[name] {
			continue
		}
		verdict, differs := b.alone(ctx, name)
		same = same && !differs
		fmt.Printf("%12s %s: %s over TCP, %s over Ebb; %s\n", "", name, tcp[name], ebb.of(name), verdict)
	}
	return same, nil
}

// results is what the tests at the top of a suite came to: PASS, FAIL or SKIP.
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

var resultLine = regexp.MustCompile(`(?m)^--- (PASS|FAIL|SKIP): (\S+) \(`)

// parse reads the output of a test binary with -test.v. One that has panicked has no line for the test that it was in.
func parse(output []byte) results {
	r := make(results)
	for _, m := range resultLine.FindAllSubmatch(output, -1) {
		r[string(m[2])] = string(m[1])
	}
	return r
}

// binary is the test binary of a suite.
type binary struct {
	path, file string
	short      bool
	skip       string
	keep       string
}

// build writes the overlay and compiles.
func (b *binary) build(ctx context.Context, dir string, s suite) error {
	overlay, err := s.overlay(ctx, dir, b.path)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", b.file, b.path)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	return nil
}

// run runs the suite over tcp or ebb. Extra arguments are the binary's.
func (b *binary) run(ctx context.Context, over string, extra ...string) (results, error) {
	root, err := goroot(ctx)
	if err != nil {
		return nil, err
	}
	args := []string{"-test.v", "-test.timeout=20m", fmt.Sprintf("-test.short=%v", b.short)}
	if b.skip != "" {
		args = append(args, "-test.skip="+b.skip)
	}
	cmd := exec.CommandContext(ctx, b.file, append(args, extra...)...)
	cmd.Dir = filepath.Join(root, "src", b.path)
	cmd.Env = append(os.Environ(), transportVariable+"="+over)
	out, err := cmd.CombinedOutput()
	if b.keep != "" && len(extra) == 0 {
		name := filepath.Join(b.keep, strings.ReplaceAll(b.path, "/", "-")+"."+over)
		if err := os.WriteFile(name, out, 0o666); err != nil {
			return nil, err
		}
	}
	r := parse(out)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if i := bytes.Index(out, []byte("panic: ")); i >= 0 && err != nil {
		return r, fmt.Errorf("over %s: %.2000s", over, out[i:])
	}
	if len(r) == 0 {
		return nil, fmt.Errorf("over %s there are no results: %w\n%.2000s", over, err, out)
	}
	return r, nil
}

// attempts is how often a test is run again that has another result over Ebb.
const attempts = 3

// alone runs a test again over both, and says whether that is a difference.
func (b *binary) alone(ctx context.Context, name string) (verdict string, differs bool) {
	passes := make(map[string]int)
	for _, over := range []string{"tcp", "ebb"} {
		for range attempts {
			r, err := b.run(ctx, over, "-test.run=^"+regexp.QuoteMeta(name)+"$")
			if err == nil && r[name] == "PASS" {
				passes[over]++
			}
		}
	}
	return fmt.Sprintf("alone %d of %d passed over TCP, %d over Ebb", passes["tcp"], attempts, passes["ebb"]), passes["ebb"] < passes["tcp"]
}

// goroot is where Go is installed.
func goroot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// asCommand is the variable that makes the test binary be the command, over the
// network it names.
const asCommand = "EBB_TEST_NETWORK"

// openers are the networks that the tests run the command over: its own, and TCP
// to tell a fault of the command from one of Ebb.
var openers = map[string]opener{"ebb": openEbb, "tcp": openTCP}

func openTCP(transportOptions) (transport, error) {
	return transport{
		listen: listenTCP, dial: dialTCP,
		drain:    func(context.Context) error { return nil },
		describe: func(net.Conn) string { return "plain TCP" },
	}, nil
}

func TestMain(m *testing.M) {
	if open, ok := openers[os.Getenv(asCommand)]; ok {
		os.Exit(run(os.Args[1:], console{os.Stdin, os.Stdout, os.Stderr}, open))
	}
	os.Exit(m.Run())
}

// overNetworks runs a test over every network.
func overNetworks(t *testing.T, test func(t *testing.T, network string)) {
	for _, network := range []string{"tcp", "ebb"} {
		t.Run(network, func(t *testing.T) { test(t, network) })
	}
}

// process is a running command.
type process struct {
	*exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr bytes.Buffer // to be read after wait
	address        string       // where it listens, if it does
}

// prepare is a command that has not been started.
func prepare(t *testing.T, network string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), asCommand+"="+network)
	cmd.WaitDelay = time.Second
	return cmd
}

// start starts a command. One that listens has said where when start returns.
func start(t *testing.T, cmd *exec.Cmd, listens bool) *process {
	t.Helper()
	p := &process{Cmd: cmd}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if !listens {
		cmd.Stderr = &p.stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	r, w := io.Pipe()
	cmd.Stderr = io.MultiWriter(&p.stderr, w)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(r)
	line, _ := lines.ReadString('\n')
	go io.Copy(io.Discard, lines)
	_, address, found := strings.Cut(strings.TrimSpace(line), "listening on ")
	if !found {
		t.Fatalf("the first line is %q, not where it listens", line)
	}
	p.address = address
	return p
}

// wait waits for the end and returns the status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	p.stdin.Close()
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// execute runs a command to its end.
func execute(t *testing.T, network string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := start(t, prepare(t, network, args...), false)
	status = p.wait(t)
	return status, p.stdout.String(), p.stderr.String()
}

// wantOneLine checks that a failure is told in one line that names the command.
func wantOneLine(t *testing.T, stderr string, words ...string) {
	t.Helper()
	if strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "\n") || !strings.HasPrefix(stderr, "ebb") {
		t.Errorf("standard error is not one line of ebb's:\n%s", stderr)
	}
	for _, word := range words {
		if !strings.Contains(stderr, word) {
			t.Errorf("standard error does not mention %q:\n%s", word, stderr)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	tests := []struct {
		args string
		want string // in the message
	}{
		{"", "send, receive, pipe, bench or sim"},
		{"teleport", `"teleport"`},
		{"--verbose", `"--verbose"`},
		{"send", "FILE... HOST:PORT"},
		{"send file", "FILE... HOST:PORT"},
		{"send --compress file host:1", "--compress"},
		{"send file host", `"host"`},
		{"send file host:port:1", "colons"},
		{"send file host:nosuchport", `"nosuchport"`},
		{"send file host:65536", `"65536"`},
		{"send file host:0", "port 0"},
		{"receive", "ADDR DIR"},
		{"receive :9000", "ADDR DIR"},
		{"receive :9000 dir more", `"more"`},
		{"receive 9000 dir", `"9000"`},
		{"receive --once=maybe :0 dir", "--once"},
		{"pipe", "HOST:PORT"},
		{"pipe localhost:1 localhost:2", `"localhost:2"`},
		{"pipe --bandwidth-limit 0 localhost:1", "--bandwidth-limit"},
		{"pipe --bandwidth-limit -2 localhost:1", "--bandwidth-limit"},
		{"pipe --bandwidth-limit 10MB localhost:1", "--bandwidth-limit"},
		{"pipe --bandwidth-limit 9223372036854775808 localhost:1", "--bandwidth-limit"},
		{"pipe --min-ssthresh -1 localhost:1", "--min-ssthresh"},
		{"pipe --min-ssthresh 1000000001 localhost:1", "1000000001"},
		{"pipe --min-ssthresh lots localhost:1", "--min-ssthresh"},
		{"pipe --congestion-control cubic localhost:1", `"ledbat++"`},
		{"bench now", `"now"`},
		{"bench --rounds 0", "--rounds"},
		{"bench --seconds 0", "--seconds"},
		{"bench --seconds NaN", "--seconds"},
		{"bench --size -1", "--size"},
		{"sim 8", `"8"`},
		{"sim 4 --seeds 0", "--seeds"},
		{"sim 4 --seeds many", "--seeds"},
		{"sim 4 --congestion vegas", `"vegas"`},
		{"sim 4 --min-ssthresh 1000000001", "1000000001"},
		{"sim 7 --case nobody", `"CUBIC first"`},
		{"sim 4 --json --tsv", "--tsv"},
		{"sim 4 --pictures main.go", "main.go"},
		{"sim 4 --pictures main.go/drawn", "main.go/drawn"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			status, stdout, stderr := execute(t, "ebb", strings.Fields(test.args)...)
			if status != 2 {
				t.Errorf("status %d, want 2", status)
			}
			if stdout != "" {
				t.Errorf("standard output: %q", stdout)
			}
			wantOneLine(t, stderr, test.want)
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"-h", "--help", "help", "send -h", "receive --help", "pipe -h", "bench -h", "sim -h", "send file -h"} {
		status, stdout, stderr := execute(t, "ebb", strings.Fields(args)...)
		if status != 0 || stderr != "" {
			t.Errorf("%s: status %d, standard error %q", args, status, stderr)
		}
		if !strings.Contains(stdout, "usage: ebb ") || !strings.Contains(stdout, "\n  ebb ") {
			t.Errorf("%s: no usage or no examples:\n%s", args, stdout)
		}
	}
}

func TestFlagsReachTheTransport(t *testing.T) {
	var got transportOptions
	stop := errors.New("stop")
	opened := func(o transportOptions) (transport, error) {
		got = o
		return transport{}, stop
	}
	tests := []struct {
		flags string
		limit int64
		floor int
		mode  string
	}{
		{"", 10_000_000, 0, "default"},
		{"--bandwidth-limit 5", 5, 0, "default"},
		{"--bandwidth-limit -1 --congestion-control ledbat++", -1, 0, "ledbat++"},
		{"--bandwidth-limit=unlimited --min-ssthresh 102400", -1, 102400, "default"},
	}
	for _, test := range tests {
		err := pipe(context.Background(), console{}, opened, append(strings.Fields(test.flags), "localhost:1"))
		if err != stop {
			t.Fatalf("%s: %v", test.flags, err)
		}
		if int64(got.bandwidthLimit) != test.limit || int(got.minSSThresh) != test.floor || got.mode.String() != test.mode {
			t.Errorf("%s: %v, %v, %v", test.flags, got.bandwidthLimit, got.minSSThresh, got.mode.String())
		}
	}
}

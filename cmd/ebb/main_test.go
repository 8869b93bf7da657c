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
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/peerid"
)

// asCommand is the variable that makes the test binary be the command, over the
// network it names.
const asCommand = "EBB_TEST_NETWORK"

// openers are the networks that the tests run the command over: its own, protected and plain, and TCP to tell a fault of the
// command from one of Ebb.
var openers = map[string]opener{"ebb": openEbb, "plain": openEbb, "tcp": openTCP}

func openTCP(settings.Settings) (transport, error) {
	return transport{
		listen: func(ctx context.Context, address string, _ func(string)) (net.Listener, error) {
			return listenTCP(ctx, address)
		},
		dial:     func(ctx context.Context, to target) (net.Conn, error) { return dialTCP(ctx, to.address) },
		drain:    func(context.Context) error { return nil },
		describe: func(net.Conn) func() string { return func() string { return "plain TCP" } },
	}, nil
}

func TestMain(m *testing.M) {
	if open, ok := openers[os.Getenv(asCommand)]; ok {
		os.Exit(run(os.Args[1:], console{os.Stdin, os.Stdout, os.Stderr}, open))
	}
	dir, err := os.MkdirTemp("", "ebb")
	if err != nil {
		panic(err)
	}
	for _, variable := range []string{"XDG_CONFIG_HOME", "HOME", "AppData"} { // where os.UserConfigDir looks
		os.Setenv(variable, dir)
	}
	path, err := keyPath("")
	if err == nil {
		err = peerid.Save(path, peerid.NewKey())
	}
	if err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// somebody is an identity whose key nobody has.
var somebody = peerid.IDOf(peerid.NewKey()).String()

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
	stdout, stderr bytes.Buffer  // to be read after wait
	said           chan struct{} // closed when stderr is whole; nil: wait sees to it
	address        string        // where it listens, if it does, as it is to be dialled
}

// prepare is a command that has not been started. Over anything but Ebb's protected connections it has --plain.
func prepare(t *testing.T, network string, args ...string) *exec.Cmd {
	t.Helper()
	if network != "ebb" && slices.Contains([]string{"send", "receive", "pipe", "tunnel", "perf"}, args[0]) {
		args = slices.Insert(slices.Clone(args), 1, "--plain")
	}
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
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	err = cmd.Start()
	w.Close() // the process has it: its end is that of what can be read
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(io.TeeReader(r, &p.stderr))
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("it does not say where it listens: %v\n%s", err, &p.stderr)
		}
		words := strings.Fields(line)
		_, address, listens := strings.Cut(strings.TrimSpace(line), "listening on ")
		switch {
		case strings.Contains(line, ": at the other end: "):
			p.address = words[len(words)-1]
		case listens && p.address == "": // over TCP
			p.address = address
			fallthrough
		case listens:
			p.said = make(chan struct{})
			go func() {
				defer close(p.said)
				defer r.Close()
				io.Copy(io.Discard, lines)
			}()
			return p
		}
	}
}

// at is where it listens.
func (p *process) at() string {
	_, address, named := strings.Cut(p.address, "@")
	if !named {
		return p.address
	}
	return address
}

// wait waits for the end and returns the status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	p.stdin.Close()
	var exit *exec.ExitError
	if err := p.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if p.said != nil {
		<-p.said
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

// badUsage is a command line that is wrong, and a word of what is said about it.
type badUsage struct{ args, want string }

func TestUsageErrors(t *testing.T) {
	checkUsage(t, []badUsage{
		{"", "send, receive, pipe, tunnel, top, id, bench, kernel, sim, perf or qlog"},
		{"tunnel", "--listen"},
		{"tunnel --listen :1 --accept :2", "either --listen"},
		{"tunnel --listen :8080", "--to"},
		{"tunnel --listen :8080 --to host", `"host"`},
		{"tunnel --listen :8080 --to host:1 --forward host:2", "--accept"},
		{"tunnel --accept :4000", "--forward"},
		{"tunnel --accept :4000 --forward a:1 --forward-any 10.0.0.0/8", "either"},
		{"tunnel --accept :4000 --forward-any ten", "192.0.2.0/24"},
		{"tunnel --accept :4000 --socks --forward a:1", "--listen"},
		{"tunnel --accept :4000 --forward a:1 --max-connections 0", "at least 1"},
		{"tunnel --accept :4000 --forward a:1 --drain -1s", "--drain"},
		{"receive --max-senders 0 :0 dir", "--max-senders"},
		{"receive --max-senders-per-host 0 :0 dir", "--max-senders-per-host"},
		{"receive --max-files -1 :0 dir", "--max-files"},
		{"receive --max-size much :0 dir", "--max-size"},
		{"receive --min-rate -1 :0 dir", "--min-rate"},
		{"receive --from nowhere :0 dir", "--from"},
		{"perf", "--serve"},
		{"perf host:1", "but not who"},
		{"perf host", `"host"`},
		{"perf --seconds 0 host:1", "--seconds"},
		{"perf --reverse --both-ways host:1", "exclude"},
		{"perf --over udp host:1", "--over"},
		{"qlog", "FILE"},
		{"qlog a b", `"b"`},
		{"teleport", `"teleport"`},
		{"--verbose", `"--verbose"`},
		{"send", "FILE... ID@HOST:PORT"},
		{"send file", "FILE... ID@HOST:PORT"},
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
		{"bench now", `"now"`},
		{"bench --rounds 0", "--rounds"},
		{"bench --seconds 0", "--seconds"},
		{"bench --seconds NaN", "--seconds"},
		{"bench --size -1", "--size"},
		{"sim 8", `"8"`},
		{"sim 4 --seeds 0", "--seeds"},
		{"sim 4 --seeds many", "--seeds"},
		{"sim 4 --congestion-control vegas", `"vegas"`},
		{"sim 4 --min-ssthresh 1000000001", "1000000001"},
		{"sim 7 --case nobody", `"CUBIC first"`},
		{"sim 4 --json --tsv", "--tsv"},
		{"sim 4 --pictures main.go", "main.go"},
		{"sim 4 --pictures main.go/drawn", "main.go/drawn"},
	})
}

// A value that makes no sense is refused with what is wanted, not with the name of a function.
func TestValueErrors(t *testing.T) {
	checkUsage(t, []badUsage{
		{"sim 4 --seeds NaN", `--seeds is "NaN": want a whole number (`},
		{"sim 4 --seed -1", `--seed is "-1": want a whole number from 0 on (`},
		{"sim 4 --seeds 99999999999999999999", `--seeds is "99999999999999999999": want one that is nearer to 0 (`},
		{"perf --seconds soon --serve", `--seconds is "soon": want a number (`},
		{"top --interval soon", `--interval is "soon": want a time with its unit`},
		{"receive --once=maybe :0 dir", `--once is "maybe": want true or false (`},
		{"send --plain=maybe file host:1", `--plain is "maybe": want true or false (`},
		{"sim 4 --min-ssthresh -5", "--min-ssthresh is -5"},
		{"bench --only=", `not ""`},
		{"perf -n -1 host:1", "--bytes is -1: want at least 0"},
		{"perf " + somebody + "@" + somebody + "@host:1", "two identities"},
	})
}

func TestSettingErrors(t *testing.T) {
	checkUsage(t, []badUsage{
		{"pipe", "HOST:PORT"},
		{"pipe localhost:1 localhost:2", `"localhost:2"`},
		{"tunnel --accept :0 --forward a\x7fb:80", "such a character"},
		{"pipe --bandwidth-limit 0 localhost:1", "--bandwidth-limit"},
		{"pipe --bandwidth-limit -2 localhost:1", "--bandwidth-limit"},
		{"pipe --bandwidth-limit 10Mb localhost:1", "MB or Mbit"},
		{"pipe --bandwidth-limit 10 localhost:1", "from 1kB/s"},
		{"pipe --total-bandwidth-limit 0 localhost:1", `"none"`},
		{"pipe --total-bandwidth-limit 1MB/s --min-bandwidth-per-connection 2MB/s localhost:1", "is above"},
		{"pipe --preset lavish localhost:1", "gateway, regular, testing or testing-total"},
		{"pipe --network-type moon localhost:1", "satellite"},
		{"pipe --network-type satellite --min-ssthresh 1MB localhost:1", "one of them"},
		{"pipe --config /no/such/file localhost:1", "/no/such/file"},
		{"pipe --config . localhost:1", "directory"},
		{"pipe --config= localhost:1", "no such file"},
		{"pipe --bandwidth-limit 9223372036854775808 localhost:1", "--bandwidth-limit"},
		{"pipe --min-ssthresh -2 localhost:1", "--min-ssthresh"},
		{"pipe --min-ssthresh 1000000001 localhost:1", "to 1GB"},
		{"pipe --min-ssthresh lots localhost:1", "--min-ssthresh"},
		{"pipe --congestion-control vegas localhost:1", "cubic"},
	})
}

func checkUsage(t *testing.T, tests []badUsage) {
	t.Helper()
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
	for _, args := range []string{"-h", "--help", "help", "send -h", "receive --help", "pipe -h", "bench -h", "sim -h", "qlog -h", "send file -h"} {
		status, stdout, stderr := execute(t, "ebb", strings.Fields(args)...)
		if status != 0 || stderr != "" {
			t.Errorf("%s: status %d, standard error %q", args, status, stderr)
		}
		if !strings.Contains(stdout, "usage: ebb ") || !strings.Contains(stdout, "\n  ebb ") {
			t.Errorf("%s: no usage or no examples:\n%s", args, stdout)
		}
	}
}

// Every command hands its connections what the flags, the file and the preset say.
func TestSettingsReachTheTransport(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "photo"), []byte("x"))
	config := writeFile(t, filepath.Join(dir, "ebb.toml"), []byte("[network-api]\ntotal-bandwidth-limit = \"4MB/s\"\nmin-ssthresh = 102400\n"))
	commands := []struct {
		run   func(context.Context, console, opener, []string) error
		args  []string
		limit int64
		plain bool
	}{
		{send, []string{file, somebody + "@localhost:1"}, 10_000_000, false},
		{receive, []string{":0", dir}, 10_000_000, false},
		{pipe, []string{somebody + "@localhost:1"}, 10_000_000, false},
		{bench, nil, -1, true},
	}
	pooled := settings.Settings{TotalBandwidthLimit: 4_000_000, MinBandwidthPerConnection: 1_000_000, MinSSThresh: 102400}
	pooledWith := func(change func(*settings.Settings)) settings.Settings {
		s := pooled
		change(&s)
		return s
	}
	tests := []struct {
		flags string
		want  settings.Settings
	}{
		{"--bandwidth-limit 5MB/s", settings.Settings{BandwidthLimit: 5_000_000}},
		{"--bandwidth-limit -1 --congestion-control ledbat++", settings.Settings{BandwidthLimit: -1, CongestionControl: settings.PlusPlus}},
		{"--bandwidth-limit=unlimited --min-ssthresh 100KiB", settings.Settings{BandwidthLimit: -1, MinSSThresh: 102400}},
		{"--config " + config, pooled},
		{"--preset gateway --config " + config + " --network-type satellite",
			pooledWith(func(s *settings.Settings) { s.MinSSThresh = 1_000_000 })},
		{"--config " + config + " --min-bandwidth-per-connection 8mbit --total-bandwidth-limit 80mbit",
			pooledWith(func(s *settings.Settings) { s.TotalBandwidthLimit = 10_000_000 })},
	}
	for _, cmd := range commands {
		protection := settings.Protection{Plain: cmd.plain}
		if got := optionsOf(t, cmd.run, cmd.args); !cmp.Equal(got, settings.Settings{BandwidthLimit: cmd.limit, Protection: protection}) {
			t.Errorf("without flags, arguments %q: %+v", cmd.args, got)
		}
		for _, test := range tests {
			test.want.Protection = protection
			if diff := cmp.Diff(test.want, optionsOf(t, cmd.run, append(strings.Fields(test.flags), cmd.args...))); diff != "" {
				t.Errorf("%s, arguments %q (-want +got):\n%s", test.flags, cmd.args, diff)
			}
		}
	}
}

// optionsOf is what a command asks its transport for.
func optionsOf(t *testing.T, run func(context.Context, console, opener, []string) error, args []string) (got settings.Settings) {
	t.Helper()
	stop := errors.New("stop")
	err := run(context.Background(), console{}, func(s settings.Settings) (transport, error) {
		got = s
		return transport{}, stop
	}, args)
	if err != stop {
		t.Fatalf("arguments %q: %v", args, err)
	}
	return got
}

// What has no effect is said once, and the command goes on.
func TestNotesAreTold(t *testing.T) {
	to := t.TempDir()
	receiver := start(t, prepare(t, "ebb", "receive", "--once", "127.0.0.1:0", to), true)
	file := writeFile(t, filepath.Join(t.TempDir(), "note"), []byte("hello"))
	status, _, stderr := execute(t, "ebb", "send", "--bandwidth-limit", "1MB/s", "--total-bandwidth-limit", "2MB/s", file, receiver.address)
	if status != 0 || receiver.wait(t) != 0 {
		t.Errorf("status %d", status)
	}
	want := "ebb send: total-bandwidth-limit 2MB/s (command line) overrides bandwidth-limit 1MB/s (command line)\n"
	if stderr != want {
		t.Errorf("standard error\n%s, want\n%s", stderr, want)
	}
}

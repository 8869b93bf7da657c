package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ebb/debug"
)

// madeUp is figures of a process with n connections, as of its k-th second. Connection i sends i kB/s.
func madeUp(n, k int) *debug.Snapshot {
	s := &debug.Snapshot{
		Version: debug.Version, Program: "gateway\x1b[31m", PID: 4711, UptimeSeconds: 7000 + float64(k), ConnectionsTotal: n,
		Pools:  []debug.Pool{{Name: "default", Members: n, Throttled: 7, TotalBytesPerSecond: 100e6}},
		Limits: []debug.Limits{{Manager: "default"}, {Scopes: []debug.Scope{{Level: "process", Scope: "process", Books: []debug.Book{{Resource: "connections", Used: 9, Limit: 9, Refused: 3}}}}}},
	}
	for i := range n {
		s.Totals.BytesSent += uint64(i * 1000 * k)
		s.Connections = append(s.Connections, debug.Connection{
			ID: fmt.Sprintf("%016x", i), Remote: fmt.Sprintf("198.51.%d.%d:%d", i/250, i%250, 20000+i), State: "established", LimitedBy: "pool",
			BytesSent: uint64(i * 1000 * k), PacketsSent: 1000, PacketsLost: uint64(i % 10), SmoothedRTTSeconds: .0204, MinRTTSeconds: .02, InFlightBytes: 20_000, CongestionWindowBytes: 30_000,
		})
	}
	if n > 1 {
		s.Connections[n-1].Remote = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"
		s.Connections[n-1].LimitedBy = "\x1b]0;owned\x07\u202e名"
	}
	return s
}

// figuresServer serves made-up figures, a second later each time.
func figuresServer(t *testing.T, n int) *httptest.Server {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(madeUp(n, int(asked.Add(1))))
	}))
	t.Cleanup(s.Close)
	return s
}

// TestTopFitsAnyTerminal: no line is wider than the terminal, no screen higher, nothing is said raw, and the columns that there is room for are shown.
func TestTopFitsAnyTerminal(t *testing.T) {
	v := newTopView()
	v.take(madeUp(2000, 1))
	v.take(madeUp(2000, 2))
	for _, width := range []int{1, 10, 45, 60, 80, 120, 300} {
		for _, height := range []int{1, 2, 5, 24, 60} {
			lines, _ := v.screen(width, height)
			if len(lines) != height {
				t.Errorf("%d lines on a screen of %d", len(lines), height)
			}
			for _, line := range lines {
				if len(line) > width || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Errorf("at %d columns: %q", width, line)
				}
			}
		}
	}
	for width, want := range map[int]string{
		45:  "PEER SENDING- LIMIT",
		60:  "PEER SENDING- RECEIVING LIMIT",
		120: "PEER STATE SENDING- RECEIVING LIMIT RTT QUEUE LOST FLIGHT WINDOW UNACKED",
	} {
		lines, titles := v.screen(width, 24)
		if got := strings.Join(strings.Fields(lines[titles]), " "); got != want {
			t.Errorf("at %d columns the titles are %q, want %q", width, got, want)
		}
	}
	lines, titles := v.screen(120, 24)
	if got := strings.Join(strings.Fields(lines[titles+2]), " "); got != "<198.51.7.248:21998 established 2.00 MB/s 0 B/s pool 20 ms - 0.8% 20.0 kB 30.0 kB 0 B" {
		t.Errorf("the second row is %q", got)
	}
	head := strings.Join(lines[:titles], "\n")
	for _, want := range []string{"gateway?[31m, process 4711, up 1h56m42s: 2000 connections", "sending 2.00 GB/s", "limited by pool 1999", "default: 2000 members, 7 throttled, 100 MB/s", "the process has refused connections 3 times (9 of 9 in use)"} {
		if !strings.Contains(head, want) {
			t.Errorf("the head lacks %q:\n%s", want, head)
		}
	}
}

// TestTopKeys: the list sorts by the columns that are shown, scrolls to its ends and stands still when it is told to.
func TestTopKeys(t *testing.T) {
	v := newTopView()
	v.take(madeUp(100, 1))
	v.take(madeUp(100, 2))
	at := func(row int) string {
		lines, titles := v.screen(45, 20)
		return strings.Fields(lines[titles+1+row])[0]
	}
	if got := at(1); got != "<198.51.0.98:20098" {
		t.Errorf("the second fastest is %s", got)
	}
	v.press(keyReverse, 45, 20)
	if got := at(0); got != "<198.51.0.0:20000" {
		t.Errorf("the slowest is %s", got)
	}
	v.press(keyEnd, 45, 20)
	lines, _ := v.screen(45, 20)
	if !strings.Contains(lines[len(lines)-2], "2001:db8") {
		t.Errorf("the last row is %q", lines[len(lines)-2])
	}
	v.press(keyHome, 45, 20)
	v.press(keyDown, 45, 20)
	if got := at(0); got != "<198.51.0.1:20001" {
		t.Errorf("one down is %s", got)
	}
	for range 3 { // the three columns that are shown
		v.press(keyNext, 45, 20)
	}
	if v.columns[v.sort].title != "SENDING" || !v.descending || v.first != 0 {
		t.Errorf("sorted by %s", v.columns[v.sort].title)
	}
	v.press(keyPrevious, 45, 20)
	if v.columns[v.sort].title != "PEER" || v.descending {
		t.Errorf("sorted by %s", v.columns[v.sort].title)
	}
	keys := make(chan topKey, 20)
	readKeys(strings.NewReader("s\x1b[B\x1b[Ax\x1b[5~\x1b[99zq"), keys)
	close(keys)
	var got []topKey
	for k := range keys {
		got = append(got, k)
	}
	if want := []topKey{keyNext, keyDown, keyUp, keyPageUp, keyQuit}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the keys are %v, want %v", got, want)
	}
}

// terminal is a real one, which tmux has.
type terminal struct {
	*testing.T
	tmux, socket string
}

// newTerminal runs a command in a terminal of a size, or skips the test.
func newTerminal(t *testing.T, width, height string, command ...string) *terminal {
	t.Helper()
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("no tmux is installed: top is not seen in a terminal")
	}
	v := &terminal{t, tmux, filepath.Join(t.TempDir(), "tmux")}
	v.run(append([]string{"new-session", "-d", "-x", width, "-y", height}, command...)...)
	t.Cleanup(func() { exec.Command(tmux, "-S", v.socket, "kill-server").Run() })
	return v
}

// run gives tmux a command of its own.
func (v *terminal) run(args ...string) string {
	v.Helper()
	out, err := exec.Command(v.tmux, append([]string{"-S", v.socket, "-f", os.DevNull}, args...)...).CombinedOutput()
	if err != nil {
		v.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// await waits until the screen shows something.
func (v *terminal) await(pattern string) (screen string) {
	v.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(30 * time.Second); ; <-tick.C {
		screen := v.run("capture-pane", "-p")
		if regexp.MustCompile(pattern).MatchString(screen) {
			return screen
		}
		if time.Now().After(limit) {
			v.Fatalf("the terminal never shows %q:\n%s", pattern, screen)
		}
	}
}

// TestTopInATerminal: in a real one, of 45 and of 120 columns, with keys, and with a size that changes.
func TestTopInATerminal(t *testing.T) {
	server := figuresServer(t, 2000)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	v := newTerminal(t, "45", "18", "sh", "-c", `"$@"; echo "status $?"; read wait`, "sh", "env", asCommand+"=ebb", self, "top", "--interval", "200ms", server.URL)
	narrow := v.await(`(?m)^PEER +SENDING- LIMIT$[\n]^<\[2001:db8:.*[\n]^<198\.51\.7\.248:21998 +2\.00 MB/s pool$`)
	if n := strings.Count(strings.TrimRight(narrow, "\n"), "\n"); n != 17 || !strings.HasSuffix(narrow, "p pause\n") || !strings.HasPrefix(narrow, "gateway?[31m, process 4711") {
		t.Errorf("the screen has %d line breaks:\n%s", n, narrow)
	}
	v.run("resize-window", "-x", "120", "-y", "30")
	wide := v.await(`(?m)^PEER +STATE +SENDING- RECEIVING LIMIT +RTT +QUEUE +LOST +FLIGHT +WINDOW +UNACKED$`)
	for line := range strings.Lines(wide) {
		if len(strings.TrimRight(line, "\n")) > 120 {
			t.Errorf("a line of %d columns: %q", len(line), line)
		}
	}
	v.run("send-keys", "r")
	v.await(`(?m)SENDING\+.*[\n]^<198\.51\.0\.0:20000`)
	v.run("send-keys", "Down", "Down")
	v.await(`(?m)SENDING\+.*[\n]^<198\.51\.0\.2:20002`)
	v.run("send-keys", "<")
	v.await(`STATE\+`)
	v.run("resize-window", "-x", "45", "-y", "10")
	v.await(`(?m)^PEER +SENDING +LIMIT$`)
	server.Close()
	v.await(`no figures of http`)
	v.run("send-keys", "q")
	v.await(`(?m)^status 0$`)
}

// TestTopFindsTheProcess: a receiver that serves figures is found by its socket, and the connections of its senders are listed; without --debug there is none.
func TestTopFindsTheProcess(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	status, _, stderr := execute(t, "ebb", "top")
	if status != 1 {
		t.Errorf("status %d without a process", status)
	}
	wantOneLine(t, stderr, "--debug", debug.SocketDir())

	p := start(t, prepare(t, "ebb", "pipe", "-l", "--debug", "127.0.0.1:0"), true)
	other := start(t, prepare(t, "ebb", "pipe", p.address), false)
	var stdout string
	for limit := time.Now().Add(30 * time.Second); ; {
		status, stdout, stderr = execute(t, "ebb", "top", "--interval", "100ms")
		if strings.Contains(stdout, "established") {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("status %d:\n%s%s", status, stdout, stderr)
		}
	}
	if status != 0 || !strings.HasPrefix(stdout, "ebb pipe, process "+fmt.Sprint(p.Process.Pid)) || !strings.Contains(stdout, "\nPEER ") || strings.Count(stdout, "established") != 1 {
		t.Errorf("status %d:\n%s%s", status, stdout, stderr)
	}
	info, err := os.Stat(filepath.Join(debug.SocketDir(), fmt.Sprint(p.Process.Pid)+".sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	p.stdin.Close()
	if other.wait(t) != 0 || p.wait(t) != 0 {
		t.Errorf("the pipes say %s%s", other.stderr.String(), p.stderr.String())
	}
	if left, err := debug.Sockets(); err != nil || len(left) != 0 {
		t.Errorf("sockets are left: %q, %v", left, err)
	}
}

// TestTopShowsASender: with --debug a sender says where its figures are, and ebb top lists its connection, and what limits it.
func TestTopShowsASender(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	receiver := start(t, prepare(t, "ebb", "receive", "127.0.0.1:0", t.TempDir()), true)
	file := writeFile(t, filepath.Join(t.TempDir(), "slow"), make([]byte, 100<<20))
	sender := start(t, prepare(t, "ebb", "send", "--debug", "--bandwidth-limit", "1MB/s", file, receiver.address), false)
	defer sender.Process.Kill()
	line := regexp.MustCompile(`\n>\S+ +established .* own `)
	for limit := time.Now().Add(30 * time.Second); ; {
		status, stdout, stderr := execute(t, "ebb", "top", "--interval", "100ms")
		if status == 0 && strings.HasPrefix(stdout, "ebb send, process "+fmt.Sprint(sender.Process.Pid)) && line.MatchString(stdout) {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("status %d:\n%s%s", status, stdout, stderr)
		}
	}
	sender.Process.Signal(os.Interrupt)
	if status := sender.wait(t); status != 130 || !strings.Contains(sender.stderr.String(), "ebb send: figures are at "+debug.SocketDir()) {
		t.Errorf("status %d, it says\n%s", status, sender.stderr.String())
	}
	receiver.Process.Kill()
	receiver.wait(t)
}

// TestTopSaysWhatIsWrong: with what is no socket, and with figures that are not ours.
func TestTopSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var answer atomic.Value // string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer.Load() == "" {
			http.Error(w, "\x1b[2Jno", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, answer.Load())
	}))
	defer s.Close()
	for _, tt := range []struct {
		arg, answer string
		status      int
		want        string
	}{
		{file, "", 2, "no Unix socket"},
		{"nonsense", "", 2, `"nonsense"`},
		{"http://", "", 2, "URL"},
		{s.URL, "", 1, "404"},
		{s.URL, "<html>", 1, "no JSON"},
		{s.URL, `{"version":99}`, 1, "version 99"},
	} {
		answer.Store(tt.answer)
		status, stdout, stderr := execute(t, "ebb", "top", tt.arg)
		if status != tt.status || stdout != "" || strings.Contains(stderr, "\x1b") {
			t.Errorf("top %s: status %d, %q", tt.arg, status, stdout)
		}
		wantOneLine(t, stderr, tt.want)
	}
}

// BenchmarkTopRefresh is what ebb top does in each interval, with 2,000 connections.
func BenchmarkTopRefresh(b *testing.B) {
	text, err := json.Marshal(madeUp(2000, 1))
	if err != nil {
		b.Fatal(err)
	}
	v := newTopView()
	for b.Loop() {
		s := new(debug.Snapshot)
		if err := json.Unmarshal(text, s); err != nil {
			b.Fatal(err)
		}
		v.take(s)
		v.draw(io.Discard, 120, 40)
	}
}

package main

import (
	"bytes"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

func writeFile(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(path, content, 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func listDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSendAndReceive(t *testing.T) {
	overNetworks(t, func(t *testing.T, network string) {
		from, to := t.TempDir(), t.TempDir()
		content := map[string][]byte{"empty": nil, "a photo.jpg": randomBytes(3_000_001), "note": []byte("hello")}
		var args []string
		for name, b := range content {
			args = append(args, writeFile(t, filepath.Join(from, name), b))
		}
		receiver := start(t, prepare(t, network, "receive", "--once", "-v", "127.0.0.1:0", to), true)
		status, stdout, stderr := execute(t, network, append(append([]string{"send", "-v"}, args...), receiver.address)...)
		if status != 0 || !strings.HasPrefix(stderr, receiver.at()+": ") { // a line a second
			t.Errorf("the sender: status %d, standard error with details:\n%s", status, stderr)
		}
		if status := receiver.wait(t); status != 0 {
			t.Errorf("the receiver: status %d\n%s", status, receiver.stderr.String())
		}
		for name, b := range content {
			if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%s: %d bytes that differ, error %v", name, len(got), err)
			}
			line := regexp.MustCompile(fmt.Sprintf(`(?m)^%s\t%d bytes\t[0-9.]+ s\t[0-9.]+ [kMG]?B/s\tsha256:%x$`,
				regexp.QuoteMeta(name), len(b), sha256.Sum256(b)))
			for side, out := range map[string]string{"sender": stdout, "receiver": receiver.stdout.String()} {
				if !line.MatchString(out) {
					t.Errorf("the %s has no line for %s:\n%s", side, name, out)
				}
			}
		}
		if names := listDir(t, to); len(names) != len(content) {
			t.Errorf("the directory has %q", names)
		}
	})
}

func TestOverwriteOnlyWhenTold(t *testing.T) {
	overNetworks(t, func(t *testing.T, network string) {
		to := t.TempDir()
		old := writeFile(t, filepath.Join(to, "a"), []byte("old"))
		file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("new"))

		receiver := start(t, prepare(t, network, "receive", "--once", "127.0.0.1:0", to), true)
		status, stdout, stderr := execute(t, network, "send", file, receiver.address)
		if receiver.wait(t) != 1 || status != 1 || stdout != "" {
			t.Errorf("the sender: status %d, output %q; the receiver: %v", status, stdout, receiver.ProcessState)
		}
		wantOneLine(t, stderr, "a: ", "not to be overwritten")
		if b, _ := os.ReadFile(old); string(b) != "old" {
			t.Errorf("the file has %q", b)
		}

		receiver = start(t, prepare(t, network, "receive", "--once", "--overwrite", "127.0.0.1:0", to), true)
		if status, _, stderr := execute(t, network, "send", file, receiver.address); status != 0 || receiver.wait(t) != 0 {
			t.Errorf("with --overwrite: status %d\n%s", status, stderr)
		}
		if b, _ := os.ReadFile(old); string(b) != "new" {
			t.Errorf("with --overwrite the file has %q", b)
		}
	})
}

// A receiver without --once serves any number of senders until it is stopped.
func TestReceiveManySenders(t *testing.T) {
	overNetworks(t, func(t *testing.T, network string) {
		from, to := t.TempDir(), t.TempDir()
		receiver := start(t, prepare(t, network, "receive", "127.0.0.1:0", to), true)
		var senders []*process
		for i := range 5 {
			file := writeFile(t, filepath.Join(from, fmt.Sprint(i)), randomBytes(100_000+i))
			senders = append(senders, start(t, prepare(t, network, "send", file, receiver.address), false))
		}
		for _, s := range senders {
			if status := s.wait(t); status != 0 {
				t.Errorf("a sender: status %d\n%s", status, s.stderr.String())
			}
		}
		receiver.Process.Signal(os.Interrupt)
		if status := receiver.wait(t); status != 130 {
			t.Errorf("the receiver: status %d\n%s", status, receiver.stderr.String())
		}
		if names := listDir(t, to); len(names) != 5 {
			t.Errorf("the directory has %q", names)
		}
	})
}

// sparseFile takes longer to send than any test.
func sparseFile(t *testing.T) string {
	t.Helper()
	path := writeFile(t, filepath.Join(t.TempDir(), "huge"), nil)
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skip("no sparse files here:", err)
	}
	return path
}

// midway starts both sides of an endless transfer and returns when the temporary
// file has content.
func midway(t *testing.T, network, to string) (sender, receiver *process) {
	t.Helper()
	file := sparseFile(t)
	receiver = start(t, prepare(t, network, "receive", "--once", "127.0.0.1:0", to), true)
	sender = start(t, prepare(t, network, "send", file, receiver.address), false)
	for deadline := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		if names := listDir(t, to); len(names) == 1 {
			if !strings.HasSuffix(names[0], transfer.PartialSuffix) {
				t.Fatalf("the temporary file is called %s", names[0])
			}
			if info, err := os.Stat(filepath.Join(to, names[0])); err == nil && info.Size() > 0 {
				return sender, receiver
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no content arrives; the receiver says %q", receiver.stderr.String())
		}
	}
}

func TestInterruptedTransferLeavesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not deliver these signals")
	}
	tests := []struct {
		name             string
		signal           syscall.Signal
		toSender         bool
		sender, receiver int // status
	}{
		{"sender interrupted", syscall.SIGINT, true, 130, 1},
		{"sender terminated", syscall.SIGTERM, true, 143, 1},
		{"sender killed", syscall.SIGKILL, true, -1, 1},
		{"receiver interrupted", syscall.SIGINT, false, 1, 130},
		{"receiver terminated", syscall.SIGTERM, false, 1, 143},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			overNetworks(t, func(t *testing.T, network string) {
				if network == "ebb" && test.signal == syscall.SIGKILL {
					t.Skip("a killed sender is noticed after the idle timeout of 30 s")
				}
				to := t.TempDir()
				sender, receiver := midway(t, network, to)
				target := receiver
				if test.toSender {
					target = sender
				}
				target.Process.Signal(test.signal)
				if got := sender.wait(t); got != test.sender {
					t.Errorf("the sender: status %d, want %d\n%s", got, test.sender, sender.stderr.String())
				}
				if got := receiver.wait(t); got != test.receiver {
					t.Errorf("the receiver: status %d, want %d\n%s", got, test.receiver, receiver.stderr.String())
				}
				if names := listDir(t, to); len(names) != 0 {
					t.Errorf("the directory has %q", names)
				}
			})
		})
	}
}

// A sender that is asked to stop before anything is sent, while it dials or waits for a greeting, ends at once.
func TestStoppedBeforeAnythingIsSent(t *testing.T) {
	skipWithoutSignals(t)
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "file"), []byte("x"))
	for _, args := range [][]string{{"send", file}, {"send", "-r", dir}} {
		silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		silent.SetReadDeadline(time.Now().Add(20 * time.Second))
		dials := start(t, prepare(t, "ebb", append(args, somebody+"@"+silent.LocalAddr().String())...), false)
		if _, _, err := silent.ReadFrom(make([]byte, 2000)); err != nil {
			t.Fatal(err)
		}
		said, says, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer said.Close()
		cmd := prepare(t, "ebb", "pipe", "-l", "127.0.0.1:0") // whose other end says nothing
		cmd.Stdout = says
		peer := start(t, cmd, true)
		says.Close()
		waits := start(t, prepare(t, "ebb", append(args, peer.address)...), false)
		if _, err := said.Read(make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*process{dials, waits} {
			p.Process.Signal(syscall.SIGTERM)
			if status := p.wait(t); status != 128+int(syscall.SIGTERM) || p.stdout.Len() > 0 && !slices.Contains(args, "-r") {
				t.Errorf("%q: status %d, output %q", args, status, &p.stdout)
			}
			wantOneLine(t, p.stderr.String(), "stopped: terminated")
		}
		peer.wait(t)
	}
}

// A folder that is not there is not made, as its name may be misspelt: the receiver says so at once.
func TestReceiveIntoNoFolder(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	status, _, stderr := execute(t, "plain", "receive", "127.0.0.1:0", missing)
	if status != 1 {
		t.Errorf("status %d", status)
	}
	wantOneLine(t, stderr, missing, "create it first")
	if _, err := os.Stat(missing); err == nil {
		t.Error("the folder was made")
	}
}

// A limit on the size of files stands in for a full disk: a write fails in the
// middle of the content.
func TestDiskFull(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell to set the limit")
	}
	overNetworks(t, func(t *testing.T, network string) {
		to := t.TempDir()
		cmd := prepare(t, network, "receive", "--once", "127.0.0.1:0", to)
		limited := []string{"sh", "-c", `ulimit -f 64 && exec "$0" "$@"`, cmd.Path}
		cmd.Args = append(limited, cmd.Args[1:]...)
		cmd.Path, _ = exec.LookPath("sh")
		receiver := start(t, cmd, true)
		file := writeFile(t, filepath.Join(t.TempDir(), "large"), randomBytes(8<<20))
		status, _, stderr := execute(t, network, "send", file, receiver.address)
		if status != 1 {
			t.Errorf("the sender: status %d", status)
		}
		wantOneLine(t, stderr, "the receiver says", syscall.EFBIG.Error())
		if status := receiver.wait(t); status != 1 {
			t.Errorf("the receiver: status %d", status)
		}
		if text := receiver.stderr.String(); !strings.Contains(text, "large") || strings.Count(text, syscall.EFBIG.Error()) != 1 {
			t.Errorf("the receiver says:\n%s", text)
		}
		if names := listDir(t, to); len(names) != 0 {
			t.Errorf("the directory has %q", names)
		}
	})
}

// silentPort is the address of a TCP or UDP port that nobody listens on.
func silentPort(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().String()
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "file"), []byte("x"))
	missing := filepath.Join(dir, "missing")
	same := filepath.Join(dir, "sub")
	os.Mkdir(same, 0o755)
	writeFile(t, filepath.Join(same, "file"), nil)
	silent := silentPort(t)
	tests := []struct {
		name   string
		args   []string
		status int
		want   []string
	}{
		{"missing file", []string{"send", missing, silent}, 1, []string{missing}},
		{"directory", []string{"send", dir, silent}, 1, []string{dir, "not a regular file"}},
		{"same name", []string{"send", file, filepath.Join(same, "file"), silent}, 2, []string{"the same name"}},
		{"nobody listens", []string{"send", file, silent}, 1, []string{"cannot connect", silent}},
		{"pipe to nobody", []string{"pipe", silent}, 1, []string{"cannot connect", silent}},
		{"no directory", []string{"receive", "127.0.0.1:0", missing}, 1, []string{missing}},
		{"a file for a directory", []string{"receive", "127.0.0.1:0", file}, 1, []string{file}},
		{"not our address", []string{"receive", "192.0.2.1:9", dir}, 1, []string{"cannot listen", "192.0.2.1:9"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			overNetworks(t, func(t *testing.T, network string) {
				args := slices.Clone(test.args)
				if i := slices.Index(args, silent); i > 0 && network == "ebb" {
					args[i] = somebody + "@" + silent
				}
				status, stdout, stderr := execute(t, network, args...)
				if status != test.status || stdout != "" {
					t.Errorf("status %d, want %d; standard output %q", status, test.status, stdout)
				}
				wantOneLine(t, stderr, test.want...)
			})
		})
	}
}

// A sender whose peer is something else says so.
func TestSendToSomethingElse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if conn, err := ln.Accept(); err == nil {
			fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			conn.(*net.TCPConn).CloseWrite()
			conn.Read(make([]byte, 1<<16))
			conn.Close()
		}
	}()
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	status, _, stderr := execute(t, "tcp", "send", file, ln.Addr().String())
	if status != 1 {
		t.Errorf("status %d", status)
	}
	wantOneLine(t, stderr, transfer.ErrGreeting.Error())
}

func TestProgressShowsNameRateAndTimeLeft(t *testing.T) {
	d := &display{files: 2, bytes: 40_000}
	began := time.Now()
	d.progress("a\x1bb", 0)
	d.parts(began)
	d.progress("photo.jpg", 10_000)
	want := []string{"25 %", "5.00 kB/s", "0:06 left", "10.0 kB of 40.0 kB", "0 of 2 files", "photo.jpg"}
	if got := d.parts(began.Add(2 * time.Second)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	d.progress("a\x1bb", 0)
	if parts := d.parts(began.Add(3 * time.Second)); parts[5] != `a\u001bb` {
		t.Errorf("a terminal gets %q", parts[5])
	}
}

func TestBytesText(t *testing.T) {
	tests := map[float64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 999.6: "1.00 kB", 1000: "1.00 kB", 12_345: "12.3 kB",
		99_960: "100 kB", 999_600: "1.00 MB", 10_000_000: "10.0 MB", 2.5e9: "2.50 GB", 3e15: "3000 TB",
	}
	for n, want := range tests {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%v) = %q, want %q", n, got, want)
		}
	}
}

// What a killed receiver has left of a file alone is removed when another starts, and not what one is writing.
func TestLeftoversOfAKilledReceiver(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no locks of files here")
	}
	to := t.TempDir()
	_, writing := midway(t, "tcp", to)
	partial := listDir(t, to)
	writeFile(t, filepath.Join(to, "ebb-"+cryptorand.Text()+transfer.PartialSuffix), []byte("x"))
	next := func(want []string) {
		t.Helper()
		receiver := start(t, prepare(t, "tcp", "receive", "127.0.0.1:0", to), true)
		for deadline := time.Now().Add(20 * time.Second); !slices.Equal(listDir(t, to), want); runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("the folder has %q, want %q", listDir(t, to), want)
			}
		}
		receiver.Process.Signal(os.Interrupt)
		receiver.wait(t)
		if got := listDir(t, to); !slices.Equal(got, want) {
			t.Errorf("in the end the folder has %q, want %q", got, want)
		}
	}
	next(partial)
	writing.Process.Kill()
	writing.wait(t)
	next(nil)
}

// A receiver whose folder was removed says so, to the sender too, and ends: also where there is another of that name, which
// stays empty. One that was renamed is the same folder.
func TestFolderOfAReceiverIsRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no folder that is open can be removed here")
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "photo"), []byte("x"))
	for _, test := range []struct {
		change func(dir string) error
		says   string // empty: nothing, and the file is stored
	}{
		{os.Remove, "removed; create it"},
		{func(dir string) error { return errors.Join(os.Remove(dir), os.Mkdir(dir, 0o755)) }, "another of its name"},
		{func(dir string) error { return os.Rename(dir, dir+".old") }, ""},
		{func(dir string) error { return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755)) }, ""},
	} {
		dir := filepath.Join(t.TempDir(), "inbox")
		os.Mkdir(dir, 0o755)
		receiver := start(t, prepare(t, "tcp", "receive", "127.0.0.1:0", dir), true)
		if err := test.change(dir); err != nil {
			t.Fatal(err)
		}
		status, _, stderr := execute(t, "tcp", "send", file, receiver.address)
		if test.says == "" {
			receiver.Process.Signal(os.Interrupt)
			receiver.wait(t)
			if names := listDir(t, dir+".old"); status != 0 || !slices.Equal(names, []string{"photo"}) {
				t.Errorf("into a folder that was renamed: status %d, %q\n%s", status, names, stderr)
			}
			continue
		}
		if status != 1 || receiver.wait(t) != 1 {
			t.Errorf("%s: status %d, %v", test.says, status, receiver.ProcessState)
		}
		wantOneLine(t, stderr, "the receiver says: its folder is gone")
		if said := receiver.stderr.String(); !strings.Contains(said, "cannot store files in "+dir) || !strings.Contains(said, test.says) {
			t.Errorf("the receiver says %q", said)
		}
		if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
			t.Errorf("%s: it has %v", test.says, names)
		}
	}
}

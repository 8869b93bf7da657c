package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/rivo/uniseg"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

func TestFolderUsageErrors(t *testing.T) {
	checkUsage(t, []badUsage{
		{"send --plain --delete main.go host:1", "-r"},
		{"send --plain --follow main.go host:1", "-r"},
		{"send --plain --checksum main.go host:1", "-r"},
		{"send --plain --dry-run main.go host:1", "-r"},
		{"send --plain --json main.go host:1", "-r"},
		{"send --plain -r internal internal host:1", "the same name"},
		{"send --plain -r internal", "FILE..."},
		{"receive --keep-partial -1s :0 dir", "--keep-partial"},
		{"receive --keep-partial soon :0 dir", "--keep-partial"},
		{"receive --debug=nonsense :0 dir", "HOST:PORT"},
	})
}

// An empty name, which is a variable of a script that is not set, is no name of the working directory.
func TestEmptyNamesAreErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "file", []byte("x"))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"send", "-r", "", "127.0.0.1:1"}, "FILE"},
		{[]string{"send", "-r", "file", "", "127.0.0.1:1"}, "FILE"},
		{[]string{"send", "", "127.0.0.1:1"}, "FILE"},
		{[]string{"receive", "127.0.0.1:0", ""}, "DIR"},
	} {
		status, stdout, stderr := execute(t, "plain", test.args...)
		if status != 2 || stdout != "" {
			t.Errorf("%q: status %d, output %q", test.args, status, stdout)
		}
		wantOneLine(t, stderr, test.want, "empty")
	}
	if names := listDir(t, "."); !slices.Equal(names, []string{"file"}) {
		t.Errorf("the directory has %q", names)
	}
}

// What cannot be sent is found out before anything is.
func TestFoldersThatCannotBeSent(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "missing"), "/", os.DevNull} {
		status, stdout, stderr := execute(t, "tcp", "send", "-r", path, "127.0.0.1:1")
		if status != 1 || stdout != "" {
			t.Errorf("%s: status %d, output %q", path, status, stdout)
		}
		wantOneLine(t, stderr, path)
	}
}

// A name that no receiver takes is told and counted; what Ebb itself is receiving in the folder is not a user's.
func TestReservedNamesAreReported(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "d"), t.TempDir()
	os.Mkdir(from, 0o755)
	own := "ebb-" + rand.Text() + transfer.PartialSuffix
	for _, name := range []string{"a", "mine" + transfer.PartialSuffix, own} {
		writeFile(t, filepath.Join(from, name), []byte("x"))
	}
	receiver := start(t, prepare(t, "tcp", "receive", "--once", "127.0.0.1:0", to), true)
	status, stdout, stderr := execute(t, "tcp", "send", "-r", from, receiver.address)
	receiver.wait(t)
	if status != 1 || !strings.Contains(stdout, "2 stored, 0 unchanged, 0 deleted, 1 failed") {
		t.Errorf("status %d, output %q", status, stdout)
	}
	wantOneLine(t, stderr, "ebb send: d/mine.ebb-partial: ", "reserved")
	if names := listDir(t, filepath.Join(to, "d")); !slices.Equal(names, []string{"a"}) {
		t.Errorf("stored are %q", names)
	}
}

// What a machine reads is objects, one a line, names of any bytes included; what nobody watches is text alone.
func TestFoldersForMachinesAndFiles(t *testing.T) {
	overNetworks(t, func(t *testing.T, network string) {
		from, to := filepath.Join(t.TempDir(), "d"), t.TempDir()
		os.Mkdir(from, 0o755)
		odd := "two\nlines"
		writeFile(t, filepath.Join(from, odd), []byte("x"))
		os.Symlink("/etc/passwd", filepath.Join(from, "outside"))
		receiver := start(t, prepare(t, network, "receive", "--once", "--json", "127.0.0.1:0", to), true)
		status, stdout, stderr := execute(t, network, "send", "-r", "--json", from, receiver.address)
		if status != 1 || receiver.wait(t) != 1 {
			t.Errorf("status %d, %v\n%s", status, receiver.ProcessState, stderr)
		}
		for side, out := range map[string]string{"sender": stdout, "receiver": receiver.stdout.String()} {
			results := make(map[string]string)
			lines := bufio.NewScanner(strings.NewReader(out))
			for lines.Scan() {
				var o entryObject
				if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
					t.Fatalf("the %s prints %q: %v", side, lines.Text(), err)
				}
				name := string(o.Path)
				if o.Raw != "" {
					raw, _ := base64.StdEncoding.DecodeString(o.Raw)
					name = string(raw)
				}
				if o.Event == "entry" {
					results[name] = o.Result
				}
			}
			if results["d/"+odd] != "stored" || results["d"] != "stored" || results["d/outside"] != "failed" || len(results) != 3 {
				t.Errorf("the %s says %q", side, results)
			}
		}
		receiver = start(t, prepare(t, network, "receive", "--once", "-v", "127.0.0.1:0", t.TempDir()), true)
		status, stdout, stderr = execute(t, network, "send", "-r", "-v", from, receiver.address)
		if status != 1 || !strings.Contains(stderr, "d/outside: the receiver says: the link leads out") || !strings.Contains(stdout, "1 failed") {
			t.Errorf("status %d, output %q\n%s", status, stdout, stderr)
		}
		receiver.wait(t)
		wantSafe(t, stdout+stderr+receiver.stdout.String()+receiver.stderr.String(), `two\u000alines`, "d/outside", "3 entries, 1 files")
	})
}

// A side that is asked to stop tells the other, ends with a status that says so, and leaves what has arrived for the next run.
func TestFoldersThatAreStopped(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not deliver these signals")
	}
	from := filepath.Join(t.TempDir(), "d")
	os.Mkdir(from, 0o755)
	if err := os.Truncate(writeFile(t, filepath.Join(from, "big"), nil), 1<<40); err != nil {
		t.Skip("no sparse files here:", err)
	}
	tests := []struct {
		signal           syscall.Signal
		toSender         bool
		sender, receiver int // status
		told             string
	}{
		{syscall.SIGTERM, true, 143, 1, "the sender was stopped: terminated"},
		{syscall.SIGHUP, true, 129, 1, "the sender was stopped: hangup"},
		{syscall.SIGTERM, false, 1, 0, "the receiver says: it was stopped"},
		{syscall.SIGHUP, false, 1, 0, "the receiver says: it was stopped"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.signal, test.toSender), func(t *testing.T) {
			if test.signal == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
				t.Skip("SIGHUP is ignored here, as under nohup, and by the processes that this one starts")
			}
			overNetworks(t, func(t *testing.T, network string) {
				to := t.TempDir()
				args := []string{"receive", "127.0.0.1:0", to}
				if test.toSender {
					args = []string{"receive", "--once", "127.0.0.1:0", to}
				}
				receiver := start(t, prepare(t, network, args...), true)
				sender := start(t, prepare(t, network, "send", "-r", from, receiver.address), false)
				waitForPartial(t, filepath.Join(to, "d"), 1<<20)
				asked, other := receiver, sender
				if test.toSender {
					asked, other = sender, receiver
				}
				asked.Process.Signal(test.signal)
				if got := sender.wait(t); got != test.sender {
					t.Errorf("the sender: status %d, want %d\n%s", got, test.sender, sender.stderr.String())
				}
				if got := receiver.wait(t); got != test.receiver {
					t.Errorf("the receiver: status %d, want %d\n%s", got, test.receiver, receiver.stderr.String())
				}
				if !strings.Contains(other.stderr.String(), test.told) {
					t.Errorf("the other side says %q", other.stderr.String())
				}
				waitForPartial(t, filepath.Join(to, "d"), 1<<20)
			})
		})
	}
}

// The message of a full disk names the file, on both sides, and what has arrived stays.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	from := filepath.Join(t.TempDir(), "d")
	os.Mkdir(from, 0o755)
	writeFile(t, filepath.Join(from, "small"), []byte("x"))
	writeFile(t, filepath.Join(from, "too large"), randomBytes(6<<20))
	overNetworks(t, func(t *testing.T, network string) {
		receiver := start(t, prepare(t, network, "receive", "--once", "127.0.0.1:0", disk), true)
		status, stdout, stderr := execute(t, network, "send", "-r", from, receiver.address)
		if status != 1 || receiver.wait(t) != 1 {
			t.Errorf("status %d, %v", status, receiver.ProcessState)
		}
		for side, text := range map[string]string{"sender": stdout, "receiver": receiver.stdout.String()} {
			if !strings.Contains(text, "3 entries, 2 files") || !strings.Contains(text, " 1 failed") {
				t.Errorf("the total of the %s is %q", side, text)
			}
		}
		for side, text := range map[string]string{"sender": stderr, "receiver": receiver.stderr.String()} {
			if !strings.Contains(text, "d/too large") || !strings.Contains(text, "no space left on device") {
				t.Errorf("the %s says %q", side, text)
			}
		}
		if b, err := os.ReadFile(filepath.Join(disk, "d", "small")); err != nil || string(b) != "x" {
			t.Errorf("what had room: %q, %v", b, err)
		}
	})
}

// smallDisk is a file system of 4 MB.
func smallDisk(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("only root makes a small file system, and on Linux")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no small file system can be mounted: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	return dir
}

// The line of progress keeps to the width, whatever its parts are.
func TestProgressFitsAnyWidth(t *testing.T) {
	parts := []string{"41 %", "12.3 MB/s", "", "0:12 left", "123 MB of 300 MB", "1234 of 2010 files", "ein/langer/Pfad/文件/🇨🇭👨‍👩‍👧.txt"}
	for width := range 140 {
		line := fitParts(parts, width)
		if got := uniseg.StringWidth(line); got > width {
			t.Errorf("in %d columns: %q has %d", width, line, got)
		}
		if width >= 4 && !strings.HasPrefix(line, "41 %") {
			t.Errorf("in %d columns: %q", width, line)
		}
	}
	if line := fitParts(parts, 200); strings.Contains(line, "…") || !strings.HasSuffix(line, ".txt") {
		t.Errorf("in 200 columns: %q", line)
	}
}

// In a terminal of any width there is one line of progress at each side, and what is left in the end is text.
func TestFoldersInATerminal(t *testing.T) {
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("there is no tmux here:", err)
	}
	from := filepath.Join(t.TempDir(), "d")
	os.Mkdir(from, 0o755)
	for i := range 40 {
		writeFile(t, filepath.Join(from, fmt.Sprintf("a file with quite a long name, number %d, 文件.txt", i)), randomBytes(100_000+i))
	}
	for _, width := range []int{45, 120} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			term := tmuxWindows{tmux: tmux, socket: filepath.Join(t.TempDir(), "s"), width: width}
			t.Cleanup(func() { term.run(t, "kill-server") })
			address := freeAddress(t)
			term.open(t, "receive", prepare(t, "plain", "receive", "--once", address, t.TempDir()))
			term.until(t, "receive", "listening")
			term.open(t, "send", prepare(t, "plain", "send", "-r", "--bandwidth-limit", "4MB/s", from, address))
			term.until(t, "send", "% ", "B/s", "left")
			term.until(t, "receive", "B/s", "files")
			for _, side := range []string{"send", "receive"} {
				screen := term.until(t, side, "ended: status ")
				if !strings.Contains(screen, "ended: status 0.") || strings.Contains(screen, " left") || strings.Contains(screen, "1 sender") ||
					!strings.Contains(strings.ReplaceAll(screen, "\n", ""), "41 entries, 40 files") ||
					strings.ContainsFunc(screen, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
					t.Errorf("%s: the screen at the end:\n%s", side, screen)
				}
			}
		})
	}
}

// freeAddress is one on loopback that nobody listens on, over UDP or TCP.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := conn.LocalAddr().String()
		ln, err := net.Listen("tcp4", address)
		conn.Close()
		if err == nil {
			ln.Close()
			return address
		}
	}
	t.Fatal("no port is free for UDP and TCP")
	return ""
}

// tmuxWindows is windows of tmux.
type tmuxWindows struct {
	tmux, socket string
	width        int
}

func (term tmuxWindows) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(term.tmux, append([]string{"-u", "-f", os.DevNull, "-S", term.socket}, args...)...).CombinedOutput()
	if err != nil {
		t.Logf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// open runs a command in a window of its own; behind it stands its status. An interrupt is for the command alone.
func (term tmuxWindows) open(t *testing.T, name string, cmd *exec.Cmd) {
	t.Helper()
	line := fmt.Sprintf(`trap : INT; %s=plain '%s'; echo "ended: status $?."; exec sleep 60`, asCommand, strings.Join(cmd.Args, "' '"))
	term.run(t, "new-session", "-d", "-s", name, "-x", fmt.Sprint(term.width), "-y", "60", "sh", "-c", line)
}

// until waits until a window shows all the words at once, and returns what it shows.
func (term tmuxWindows) until(t *testing.T, name string, words ...string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		screen := term.run(t, "capture-pane", "-p", "-t", name)
		missing := slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(screen, w) })
		switch {
		case !missing:
			return screen
		case time.Now().After(deadline):
			t.Fatalf("%s shows no %q:\n%s", name, words, screen)
		}
	}
}

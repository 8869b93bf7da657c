package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

var long = flag.Bool("long", false, "run tests at full scale")

// night is a folder to copy: files of a few sizes, and one large one.
type night struct {
	files, fileSize, bigSize int
}

// make makes it: folders in folders, empty ones, links, dangling ones, names in several scripts.
func (n night) make(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	for i := range n.files - 1 {
		name := filepath.Join(dir, fmt.Sprintf("Ordner %d", i%17), fmt.Sprintf("ü%d", i%5), fmt.Sprintf("文件-%d.txt", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		content := randomBytes(n.fileSize + i%64)
		copy(content, fmt.Sprint(i))
		writeFile(t, name, content)
	}
	writeFile(t, filepath.Join(dir, "big"), bigContent(n.bigSize))
	for i := range 9 {
		os.MkdirAll(filepath.Join(dir, "empty", fmt.Sprint(i)), 0o750)
	}
	if runtime.GOOS != "windows" {
		os.Symlink("big", filepath.Join(dir, "link"))
		os.Symlink("../gone", filepath.Join(dir, "empty", "dangling"))
		os.Symlink("Ordner 3", filepath.Join(dir, "folder"))
	}
	old := time.Now().Add(-24 * time.Hour)
	os.Chtimes(filepath.Join(dir, "empty"), old, old)
	return dir
}

// bigContent does not repeat.
func bigContent(n int) []byte {
	b := make([]byte, 0, n)
	for i := 0; len(b) < n; i++ {
		piece := randomBytes(min(n-len(b), 1<<20))
		copy(piece, fmt.Sprint("piece ", i, " "))
		for j := range piece[:len(piece)&^4095] {
			piece[j] ^= byte(i * (j + 1))
		}
		b = append(b, piece...)
	}
	return b
}

// sent is the last object that ebb send --json prints.
func sentTotal(t *testing.T, stdout string) (total totalObject) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &total); err != nil || total.Event != "total" {
		t.Fatalf("the last line is %q: %v", lines[len(lines)-1], err)
	}
	return total
}

// waitForPartial waits until so much of the large file has arrived beyond what had before, and returns how much.
func waitForPartial(t *testing.T, dir string, least int64) (size int64) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; runtime.Gosched() {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), transfer.PartialSuffix) && info.Size() >= least {
				return info.Size()
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no content arrives")
		}
	}
}

// treeOf is what is below a folder: kinds, modes, times of all but links, and sizes.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		target, _ := os.Readlink(path)
		all[name] = fmt.Sprint(info.Mode(), " ", target)
		if target == "" {
			all[name] += fmt.Sprint(info.ModTime().UnixNano())
		}
		if info.Mode().IsRegular() {
			all[name] += fmt.Sprint(" ", info.Size())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantSameFolders checks that a copy is one.
func wantSameFolders(t *testing.T, from, to string) {
	t.Helper()
	if diff := cmp.Diff(treeOf(t, from), treeOf(t, to)); diff != "" {
		t.Errorf("the folders differ (-sent +received):\n%s", diff)
	}
	if diff, err := exec.LookPath("diff"); err == nil {
		if out, err := exec.Command(diff, "-r", "--no-dereference", from, to).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("diff -r: %v\n%s", err, out)
		}
	} else {
		t.Log("there is no diff here: contents are compared by their sums alone")
	}
}

// A folder is copied; the receiver is killed in the middle, the sender in the next run; the third run sends the rest, and
// what changes behind that is all that a fourth one sends.
func TestTheNight(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not deliver these signals")
	}
	scale := night{files: 150, fileSize: 2000, bigSize: 20 << 20}
	if *long {
		scale = night{files: 2007, fileSize: 50_000, bigSize: 200 << 20}
	}
	scale.run(t, "ebb") // over TCP on loopback nobody could be killed in time
}

func (n night) run(t *testing.T, network string) {
	from, inbox := n.make(t), t.TempDir()
	to := filepath.Join(inbox, "data")
	receive := func(flags ...string) *process {
		return start(t, prepare(t, network, append(append([]string{"receive"}, flags...), "127.0.0.1:0", inbox)...), true)
	}
	send := func(r *process) *process {
		return start(t, prepare(t, network, "send", "-r", "--json", "--bandwidth-limit", "20MB/s", from, r.address), false)
	}
	big := int64(n.bigSize)

	receiver := receive()
	sender := send(receiver)
	waitForPartial(t, to, big/4)
	receiver.Process.Kill()
	receiver.wait(t)
	if status := sender.wait(t); status != 1 {
		t.Fatalf("the receiver was killed, and the sender: status %d\n%s", status, sender.stderr.String())
	}

	receiver = receive()
	sender = send(receiver)
	waitForPartial(t, to, big/2)
	sender.Process.Kill()
	sender.wait(t)
	had := waitForPartial(t, to, big/2)

	sender = send(receiver)
	if status := sender.wait(t); status != 0 {
		t.Fatalf("the third run: status %d\n%s", status, sender.stderr.String())
	}
	third := sentTotal(t, sender.stdout.String())
	if most := big - had + big/20; third.Wire > most {
		t.Errorf("the third run sends %d bytes, of a file of %d of which %d were there", third.Wire, big, had)
	}
	// The session of the killed sender is still there, and has its part of the file. It ends with the receiver.
	receiver.Process.Signal(syscall.SIGTERM)
	if status := receiver.wait(t); status != 0 {
		t.Errorf("the receiver: status %d\n%s", status, receiver.stderr.String())
	}
	wantSameFolders(t, from, to)
	t.Logf("third run: %+v; %d bytes of the large file were there", third, had)
	n.changeOne(t, from, to, receive, send)
}

// changeOne changes a little, and looks at what crosses.
func (n night) changeOne(t *testing.T, from, to string, receive func(...string) *process, send func(*process) *process) {
	content, err := os.ReadFile(filepath.Join(from, "big"))
	if err != nil {
		t.Fatal(err)
	}
	middle := len(content) / 2
	content = append(content[:middle:middle], append([]byte("a line more\n"), content[middle:]...)...)
	writeFile(t, filepath.Join(from, "big"), content)
	receiver := receive("--overwrite")
	sender := send(receiver)
	if status := sender.wait(t); status != 0 {
		t.Fatalf("the fourth run: status %d\n%s", status, sender.stderr.String())
	}
	fourth := sentTotal(t, sender.stdout.String())
	if fourth.Stored != 1 || fourth.Wire < 12 || fourth.Wire > 600_000 {
		t.Errorf("the fourth run: %+v", fourth)
	}
	wantSameFolders(t, from, to)
	t.Logf("fourth run: %+v", fourth)
	receiver.Process.Signal(syscall.SIGTERM)
	receiver.wait(t)
}

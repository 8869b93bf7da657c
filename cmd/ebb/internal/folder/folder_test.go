package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/cmd/ebb/internal/tree"
)

// countingConn counts what crosses a connection.
type countingConn struct {
	net.Conn
	mu          sync.Mutex
	sent, heard int64
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent += int64(n)
	return n, err
}

func (c *countingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard += int64(n)
	return n, err
}

func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// run is one session from folders to a directory.
type run struct {
	Sender
	Receiver
	follow               bool
	sendErr, receiveErr  error
	sent, received       Totals
	outcomes             map[string]Outcome // the sender's
	deleted              []string
	wire                 int64 // bytes both ways
	sendCtx, receiverCtx context.Context
}

func (r *run) over(t *testing.T, client, server net.Conn, to string, from ...string) *run {
	t.Helper()
	root, err := os.OpenRoot(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var sources []*tree.Source
	for _, path := range from {
		s, err := tree.Open(path, r.follow)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		sources = append(sources, s)
	}
	r.outcomes = make(map[string]Outcome)
	counted := &countingConn{Conn: client}
	r.Receiver.Root, r.Receiver.Meter, r.Sender.Meter = root, &Meter{}, &Meter{}
	r.Receiver.Timeout = 20 * time.Second
	r.Sender.Report = func(o Outcome) {
		if o.Deleted {
			r.deleted = append(r.deleted, string(o.Path))
			return
		}
		r.outcomes[string(o.Path)] = o
	}
	done := make(chan error, 1)
	go func() {
		err := r.Receive(orBackground(r.receiverCtx), server)
		server.Close()
		done <- err
	}()
	r.sendErr = r.Send(orBackground(r.sendCtx), counted, sources)
	client.Close()
	r.receiveErr = <-done
	r.sent, r.received, r.wire = r.Sender.Meter.Totals(), r.Receiver.Meter.Totals(), counted.sent+counted.heard
	return r
}

func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// transfer is a session over TCP that must go well.
func (r *run) transfer(t *testing.T, to string, from ...string) *run {
	t.Helper()
	client, server := tcpPair(t)
	r.over(t, client, server, to, from...)
	if r.sendErr != nil || r.receiveErr != nil {
		t.Fatalf("send: %v, receive: %v", r.sendErr, r.receiveErr)
	}
	return r
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

func write(t *testing.T, path string, content []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// describe is everything below a directory: kinds, modes, times, contents.
func describe(t *testing.T, dir string) map[string]string {
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
		what := fmt.Sprint(info.Mode(), " ", info.ModTime().UnixNano())
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path)
			what = "link to " + target
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %d %x", len(content), content[:min(len(content), 32)])
		}
		all[name] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(all, ".")
	return all
}

// wantSame checks that two folders are the same in everything that is sent.
func wantSame(t *testing.T, from, to string) {
	t.Helper()
	if diff := cmp.Diff(describe(t, from), describe(t, to)); diff != "" {
		t.Errorf("the folders differ (-sent +received):\n%s", diff)
	}
}

// oddTree makes a folder with what folders have.
func oddTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	write(t, filepath.Join(dir, "plain.txt"), []byte("hello"))
	write(t, filepath.Join(dir, "empty"), nil)
	write(t, filepath.Join(dir, "deep/er/file"), randomBytes(5000))
	write(t, filepath.Join(dir, "Ünïcödé/日本語"), randomBytes(70_000))
	write(t, filepath.Join(dir, "big"), randomBytes(3_000_000))
	os.MkdirAll(filepath.Join(dir, "nothing in it/nor here"), 0o755)
	if runtime.GOOS != "windows" {
		write(t, filepath.Join(dir, "two\nlines"), []byte("x"))
		write(t, filepath.Join(dir, "-rf"), []byte("x"))
		write(t, filepath.Join(dir, "aux.c"), []byte("x"))
		write(t, filepath.Join(dir, `back\slash`), []byte("x"))
		if runtime.GOOS == "linux" {
			write(t, filepath.Join(dir, "latin-1 \xe9"), []byte("x"))
		}
		os.Symlink("plain.txt", filepath.Join(dir, "link"))
		os.Symlink("../../data/big", filepath.Join(dir, "deep/up"))
		os.Symlink("nowhere", filepath.Join(dir, "dangling"))
		os.Symlink("deep", filepath.Join(dir, "link to a folder"))
		os.Chmod(filepath.Join(dir, "plain.txt"), 0o640)
		os.Chmod(filepath.Join(dir, "empty"), 0o400)
		os.Chmod(filepath.Join(dir, "deep/er"), 0o555)
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, "deep/er"), 0o755) })
	}
	old := time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	for _, name := range []string{"plain.txt", "deep/er/file", "deep/er", "nothing in it"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Everything in a folder arrives, with its mode and time; a second session sends nothing of it.
func TestFolderArrivesOnce(t *testing.T) {
	from, to := oddTree(t), t.TempDir()
	first := new(run).transfer(t, to, from)
	wantSame(t, from, filepath.Join(to, "data"))
	if first.sent != first.received || first.sent.Kept != 0 || first.sent.Stored != first.sent.Entries {
		t.Errorf("the sender says %+v, the receiver %+v", first.sent, first.received)
	}
	second := new(run).transfer(t, to, from)
	wantSame(t, from, filepath.Join(to, "data"))
	if second.sent.Stored != 0 || second.sent.Wire != 0 || second.sent.Kept != first.sent.Stored || second.wire > 3000 {
		t.Errorf("the second session: %+v, %d bytes on the wire", second.sent, second.wire)
	}
	if second.sent.Bytes != first.sent.Bytes || second.sent.Files != first.sent.Files {
		t.Errorf("the second session: %+v, the first %+v", second.sent, first.sent)
	}
	checked := (&run{Sender: Sender{Checksum: true}}).transfer(t, to, from)
	if checked.sent.Stored != 0 || checked.sent.Wire != 0 {
		t.Errorf("with checksums: %+v", checked.sent)
	}
	wantSame(t, from, filepath.Join(to, "data"))
}

// Of a large file that has changed a little, little is sent.
func TestOnlyChangedParts(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "d"), t.TempDir()
	content := randomBytes(8 << 20)
	path := write(t, filepath.Join(from, "big"), content)
	write(t, filepath.Join(from, "other"), randomBytes(100_000))
	new(run).transfer(t, to, from)
	content = append(content[:4<<20:4<<20], append([]byte("inserted"), content[4<<20:]...)...)
	write(t, path, content)
	r := (&run{Receiver: Receiver{Overwrite: true}}).transfer(t, to, from)
	wantSame(t, from, filepath.Join(to, "d"))
	if r.sent.Stored != 1 || r.sent.Wire < 1 || r.sent.Wire > 600_000 || r.received.Wire != r.sent.Wire || r.wire > 620_000 {
		t.Errorf("%+v, %d bytes on the wire", r.sent, r.wire)
	}
	// Without permission it stays.
	write(t, path, content[1:])
	client, server := tcpPair(t)
	r = new(run).over(t, client, server, to, from)
	var incomplete *IncompleteError
	if !errors.As(r.sendErr, &incomplete) || !errors.As(r.receiveErr, &incomplete) || r.outcomes["d/big"].Code != CodeTaken {
		t.Errorf("without --overwrite: send %v, receive %v, %+v", r.sendErr, r.receiveErr, r.outcomes)
	}
	if got, _ := os.ReadFile(filepath.Join(to, "d/big")); !bytes.Equal(got, content) {
		t.Error("without --overwrite the file has changed")
	}
}

// A file that was touched has its time set, and its content is not sent; the content decides with Checksum.
func TestTouchedAndHidden(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "d"), t.TempDir()
	a := write(t, filepath.Join(from, "a"), randomBytes(200_000))
	b := write(t, filepath.Join(from, "b"), randomBytes(300_000))
	new(run).transfer(t, to, from)
	when := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	os.Chtimes(a, when, when)
	info, _ := os.Stat(b)
	write(t, b, randomBytes(300_001)[1:]) // the same size
	os.Chtimes(b, info.ModTime(), info.ModTime())
	r := (&run{Receiver: Receiver{Overwrite: true}}).transfer(t, to, from)
	if r.sent.Wire != 0 || r.outcomes["d/a"].Code != CodeTouched || r.outcomes["d/b"].Code != CodeKept {
		t.Errorf("%+v, %+v", r.sent, r.outcomes)
	}
	r = (&run{Sender: Sender{Checksum: true}, Receiver: Receiver{Overwrite: true}}).transfer(t, to, from)
	if r.outcomes["d/a"].Code != CodeKept || r.outcomes["d/b"].Code != CodeStored {
		t.Errorf("with checksums: %+v, %+v", r.sent, r.outcomes)
	}
	wantSame(t, from, filepath.Join(to, "d"))
}

func TestDeleteAndDryRun(t *testing.T) {
	from, to := oddTree(t), t.TempDir()
	new(run).transfer(t, to, from)
	write(t, filepath.Join(to, "data/extra/below/it"), []byte("x"))
	write(t, filepath.Join(to, "data/gone"), []byte("x"))
	write(t, filepath.Join(to, "beside"), []byte("x"))
	write(t, filepath.Join(from, "new folder/new"), []byte("x"))
	write(t, filepath.Join(from, "plain.txt"), []byte("jello"))
	before := describe(t, to)

	r := (&run{Sender: Sender{Delete: true, DryRun: true}, Receiver: Receiver{Overwrite: true, Delete: true}}).transfer(t, to, from)
	if diff := cmp.Diff(before, describe(t, to)); diff != "" {
		t.Errorf("a dry run changed:\n%s", diff)
	}
	wantDeleted := []string{"data/extra", "data/gone"}
	if diff := cmp.Diff(wantDeleted, r.deleted); diff != "" || r.sent.Stored != 3 || r.outcomes["data/plain.txt"].Code != CodeWould {
		t.Errorf("a dry run says %+v and deletes (-want +got):\n%s", r.sent, diff)
	}
	client, server := tcpPair(t)
	r = (&run{Sender: Sender{Delete: true}}).over(t, client, server, to, from)
	var remote *RemoteError
	if !errors.As(r.sendErr, &remote) || remote.Code != CodeDelete {
		t.Errorf("a receiver without --delete: %v", r.sendErr)
	}
	if diff := cmp.Diff(before, describe(t, to)); diff != "" {
		t.Errorf("a session that is refused changed:\n%s", diff)
	}
	r = (&run{Sender: Sender{Delete: true}, Receiver: Receiver{Overwrite: true, Delete: true}}).transfer(t, to, from)
	if diff := cmp.Diff(wantDeleted, r.deleted); diff != "" || r.sent.Stored != 3 || r.sent.Deleted != 2 {
		t.Errorf("%+v, deleted (-want +got):\n%s", r.sent, diff)
	}
	wantSame(t, from, filepath.Join(to, "data"))
	if _, err := os.Stat(filepath.Join(to, "beside")); err != nil {
		t.Error("what is beside the folder was deleted")
	}
}

// What is no file, folder or link is reported and left out, and so is what cannot be read; the rest arrives.
func TestOddEntriesAreSkipped(t *testing.T) {
	from, to := oddTree(t), t.TempDir()
	if runtime.GOOS == "windows" {
		t.Skip("no sockets in folders on Windows")
	}
	ln, err := net.Listen("unix", filepath.Join(from, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	want := []string{"data/socket"}
	os.Symlink("/etc/passwd", filepath.Join(from, "outside"))
	want = append(want, "data/outside")
	if os.Getuid() != 0 {
		write(t, filepath.Join(from, "secret"), []byte("x"))
		os.Chmod(filepath.Join(from, "secret"), 0)
		os.Mkdir(filepath.Join(from, "closed"), 0)
		want = append(want, "data/secret", "data/closed")
	}
	client, server := tcpPair(t)
	r := new(run).over(t, client, server, to, from)
	var incomplete *IncompleteError
	if !errors.As(r.sendErr, &incomplete) || incomplete.Failed != int64(len(want)) {
		t.Fatalf("send: %v, receive: %v", r.sendErr, r.receiveErr)
	}
	for _, name := range want {
		if o, ok := r.outcomes[name]; !ok || o.Err == nil {
			t.Errorf("%s: %+v", name, o)
		}
		os.Remove(filepath.Join(from, strings.TrimPrefix(name, "data/")))
	}
	(&run{Receiver: Receiver{Overwrite: true}}).transfer(t, to, from) // the folder's time has changed
	wantSame(t, from, filepath.Join(to, "data"))
}

func TestFollow(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege on Windows")
	}
	from, to, outside := filepath.Join(t.TempDir(), "d"), t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "a"), []byte("a"))
	write(t, filepath.Join(outside, "b/c"), []byte("c"))
	os.Symlink(filepath.Join(outside, "b"), filepath.Join(from, "b"))
	os.Symlink("..", filepath.Join(outside, "b/around"))
	os.Symlink(from, filepath.Join(from, "itself"))
	r := (&run{follow: true}).transferIncomplete(t, to, from)
	if got, err := os.ReadFile(filepath.Join(to, "d/b/c")); err != nil || string(got) != "c" {
		t.Errorf("what a link leads to: %q, %v", got, err)
	}
	if o := r.outcomes["d/itself"]; o.Err == nil {
		t.Errorf("a loop: %+v", r.outcomes)
	}
}

// transferIncomplete is a session that leaves something behind.
func (r *run) transferIncomplete(t *testing.T, to string, from ...string) *run {
	t.Helper()
	client, server := tcpPair(t)
	r.over(t, client, server, to, from...)
	var incomplete *IncompleteError
	if !errors.As(r.sendErr, &incomplete) {
		t.Fatalf("send: %v, receive: %v", r.sendErr, r.receiveErr)
	}
	return r
}

package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// tcpPair is both ends of a connection over loopback.
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

// overEach runs a test over a pipe, where every write waits for its read, and
// over a connection with buffers.
func overEach(t *testing.T, run func(t *testing.T, client, server net.Conn)) {
	t.Run("pipe", func(t *testing.T) {
		client, server := net.Pipe()
		t.Cleanup(func() { client.Close(); server.Close() })
		run(t, client, server)
	})
	t.Run("tcp", func(t *testing.T) {
		client, server := tcpPair(t)
		run(t, client, server)
	})
}

// results collects what is reported.
type results struct {
	mu  sync.Mutex
	all []Result
}

func (r *results) add(result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, result)
}

// session runs one sender and one receiver to their ends.
type session struct {
	sent, received       results
	sendErr, receiveErr  error
	overwrite            bool
	progressed           int
	sendCtx, receiverCtx context.Context
}

func (s *session) run(t *testing.T, client, server net.Conn, files []File, dir string) {
	t.Helper()
	receiver := &Receiver{Root: openRoot(t, dir), Overwrite: s.overwrite, Timeout: 20 * time.Second, Report: s.received.add}
	done := make(chan error, 1)
	go func() {
		err := receiver.Receive(orBackground(s.receiverCtx), server)
		server.Close()
		done <- err
	}()
	sender := &Sender{Timeout: 20 * time.Second, Report: s.sent.add, Progress: func(_ string, n int) { s.progressed += n }}
	s.sendErr = sender.Send(orBackground(s.sendCtx), client, files)
	client.Close()
	s.receiveErr = <-done
}

func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

// randomBytes is n bytes that do not repeat.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

func writeFile(t *testing.T, path string, content []byte, mode fs.FileMode) File {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	file, err := Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// names lists a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not in 10 s: %s", what)
		}
	}
}

func TestContentArrivesWhole(t *testing.T) {
	sizes := []int{0, 1, 4095, 4096, bufferSize - 1, bufferSize, bufferSize + 1, 3*bufferSize + 17, 5 << 20}
	overEach(t, func(t *testing.T, client, server net.Conn) {
		from, to := t.TempDir(), t.TempDir()
		var files []File
		total := 0
		for _, size := range sizes {
			files = append(files, writeFile(t, filepath.Join(from, fmt.Sprint(size, " bytes")), randomBytes(size), 0o644))
			total += size
		}
		var s session
		s.run(t, client, server, files, to)
		if s.sendErr != nil || s.receiveErr != nil {
			t.Fatalf("send: %v, receive: %v", s.sendErr, s.receiveErr)
		}
		if s.progressed != total {
			t.Errorf("progress of %d bytes, want %d", s.progressed, total)
		}
		for i, f := range files {
			want := randomBytes(sizes[i])
			if got, err := os.ReadFile(filepath.Join(to, f.Name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes that differ, error %v", f.Name, len(got), err)
			}
			for side, r := range map[string]Result{"sender": s.sent.all[i], "receiver": s.received.all[i]} {
				if string(r.Name) != f.Name || r.Size != int64(sizes[i]) || r.Sum != sha256.Sum256(want) || r.Err != nil {
					t.Errorf("the %s reports %+v for %s", side, r, f.Name)
				}
			}
		}
		if got := names(t, to); len(got) != len(files) {
			t.Errorf("the directory has %q", got)
		}
	})
}

func TestManyFilesTakeSeveralBatches(t *testing.T) {
	client, server := tcpPair(t)
	from, to := t.TempDir(), t.TempDir()
	files := make([]File, maxBatch+3)
	for i := range files {
		files[i] = writeFile(t, filepath.Join(from, fmt.Sprintf("%04d", i)), fmt.Append(nil, i), 0o600)
	}
	var s session
	s.run(t, client, server, files, to)
	if s.sendErr != nil || s.receiveErr != nil {
		t.Fatalf("send: %v, receive: %v", s.sendErr, s.receiveErr)
	}
	for i, f := range files {
		if got, err := os.ReadFile(filepath.Join(to, f.Name)); string(got) != fmt.Sprint(i) {
			t.Fatalf("%s has %q, error %v", f.Name, got, err)
		}
	}
}

func TestModeBitsAreKept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	client, server := net.Pipe()
	from, to := t.TempDir(), t.TempDir()
	modes := []fs.FileMode{0o400, 0o600, 0o644, 0o755, 0o666}
	var files []File
	for _, mode := range modes {
		files = append(files, writeFile(t, filepath.Join(from, fmt.Sprintf("%o", mode)), nil, mode))
	}
	files[4].Mode |= fs.ModeSetuid // not a permission bit: it stays behind
	var s session
	s.run(t, client, server, files, to)
	for i, f := range files {
		info, err := os.Stat(filepath.Join(to, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != modes[i] {
			t.Errorf("%s arrived with %v", f.Name, info.Mode())
		}
	}
}

func TestTakenNames(t *testing.T) {
	tests := []struct {
		name      string
		overwrite bool
		directory bool
		want      string // content under the name afterwards
		code      Code
	}{
		{name: "a file stays", want: "old", code: CodeExists},
		{name: "a file is replaced", overwrite: true, want: "new"},
		{name: "a directory stays", directory: true, overwrite: true, code: CodeExists},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			overEach(t, func(t *testing.T, client, server net.Conn) {
				from, to := t.TempDir(), t.TempDir()
				path := filepath.Join(to, "a")
				if test.directory {
					os.Mkdir(path, 0o755)
				} else {
					os.WriteFile(path, []byte("old"), 0o644)
				}
				files := []File{
					writeFile(t, filepath.Join(from, "a"), []byte("new"), 0o644),
					writeFile(t, filepath.Join(from, "b"), []byte("other"), 0o644),
				}
				s := session{overwrite: test.overwrite}
				s.run(t, client, server, files, to)
				if !test.directory {
					if got, _ := os.ReadFile(path); string(got) != test.want {
						t.Errorf("the name has %q, want %q", got, test.want)
					}
				}
				if got, _ := os.ReadFile(filepath.Join(to, "b")); string(got) != "other" {
					t.Errorf("the next file has %q", got)
				}
				if got := names(t, to); len(got) != 2 {
					t.Errorf("the directory has %q", got)
				}
				checkCode(t, s.sent.all[0].Err, test.code)
				if failed := test.code != CodeOK; (s.sendErr != nil) != failed || (s.receiveErr != nil) != failed {
					t.Errorf("send: %v, receive: %v", s.sendErr, s.receiveErr)
				}
			})
		})
	}
}

func checkCode(t *testing.T, err error, want Code) {
	t.Helper()
	var remote *RemoteError
	switch {
	case want == CodeOK && err != nil:
		t.Errorf("error %v, want none", err)
	case want != CodeOK && (!errors.As(err, &remote) || remote.Code != want):
		t.Errorf("error %v, want code %d of the receiver", err, want)
	}
}

// A name that is taken between the decision and the end of the content is not
// overwritten: two files of one name in a batch are the same race.
func TestNameTakenMeanwhile(t *testing.T) {
	overEach(t, func(t *testing.T, client, server net.Conn) {
		one, two, to := t.TempDir(), t.TempDir(), t.TempDir()
		files := []File{
			writeFile(t, filepath.Join(one, "a"), []byte("first"), 0o644),
			writeFile(t, filepath.Join(two, "a"), []byte("second"), 0o644),
		}
		var s session
		s.run(t, client, server, files, to)
		if got, _ := os.ReadFile(filepath.Join(to, "a")); string(got) != "first" {
			t.Errorf("the name has %q", got)
		}
		checkCode(t, s.sent.all[0].Err, CodeOK)
		checkCode(t, s.sent.all[1].Err, CodeExists)
		if got := names(t, to); len(got) != 1 {
			t.Errorf("the directory has %q", got)
		}
	})
}

// claim is the way for file systems without hard links.
func TestClaimNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	root := openRoot(t, dir)
	for i, want := range []error{nil, fs.ErrExist} {
		p, err := newPartial(root)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(p, "content ", i)
		if err := claim(root, p.name, "a"); !errors.Is(err, want) {
			t.Errorf("claim %d: %v, want %v", i, err, want)
		}
		if err := p.discard(); err != nil {
			t.Error(err)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "a")); string(got) != "content 0" {
		t.Errorf("the name has %q", got)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("the directory has %q", got)
	}
}

// A file that changes after it was offered, before or while it is sent, never
// arrives.
func TestFileThatChanges(t *testing.T) {
	shorten := func(path string) error { return os.Truncate(path, 10) }
	lengthen := func(path string) error { return os.Truncate(path, changingSize+1) }
	rewrite := func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) }
	tests := []struct {
		name   string
		late   bool // change it once bytes have moved
		change func(path string) error
		ends   bool // the session cannot go on
	}{
		{name: "shorter before", change: shorten},
		{name: "longer before", change: lengthen},
		{name: "gone before", change: os.Remove},
		{name: "rewritten before", change: rewrite},
		{name: "shorter", late: true, ends: true, change: shorten},
		{name: "longer", late: true, change: lengthen},
		{name: "rewritten", late: true, change: rewrite},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var sent results
			stored, err := sendChanging(t, test.late, test.change, &sent)
			want := []string{"before", "behind"}
			if test.ends {
				want = want[:1]
				if !strings.Contains(err.Error(), "changed while being sent") {
					t.Errorf("the session ended with %v", err)
				}
			} else if r := sent.all[1]; r.Err == nil || r.Name != "changing" {
				t.Errorf("the sender reports %+v", r)
			}
			if !slices.Equal(stored, want) {
				t.Errorf("the directory has %q, want %q", stored, want)
			}
		})
	}
}

// changingSize is more bytes than fit between the two ends.
const changingSize = 8 << 20

// sendChanging sends a file that changes between two that do not, and returns what
// was stored and the sender's error.
func sendChanging(t *testing.T, late bool, change func(path string) error, sent *results) ([]string, error) {
	client, server := tcpPair(t)
	from, to := t.TempDir(), t.TempDir()
	changing := writeFile(t, filepath.Join(from, "changing"), randomBytes(changingSize), 0o644)
	files := []File{
		writeFile(t, filepath.Join(from, "before"), []byte("before"), 0o644),
		changing,
		writeFile(t, filepath.Join(from, "behind"), []byte("behind"), 0o644),
	}
	receiver := &Receiver{Root: openRoot(t, to)}
	done := make(chan error, 1)
	go func() { done <- receiver.Receive(context.Background(), server); server.Close() }()

	changeOnce := sync.OnceFunc(func() {
		if err := change(changing.Path); err != nil {
			t.Error(err)
		}
	})
	if !late {
		changeOnce()
	}
	sender := &Sender{Report: sent.add, Progress: func(name string, _ int) {
		if name == "changing" {
			changeOnce()
		}
	}}
	err := sender.Send(context.Background(), client, files)
	client.Close()
	if receiveErr := <-done; err == nil || receiveErr == nil {
		t.Fatalf("a changed file was sent: send %v, receive %v", err, receiveErr)
	}
	return names(t, to), err
}

func TestStatRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing"), os.DevNull} {
		if _, err := Stat(path); err == nil {
			t.Errorf("Stat(%s) succeeds", path)
		}
	}
	if runtime.GOOS != "windows" {
		path := filepath.Join(dir, "nul.txt")
		os.WriteFile(path, nil, 0o644)
		if _, err := Stat(path); err == nil {
			t.Error("a name that receivers refuse is not refused by Stat")
		}
	}
}

// What the disk refuses is told to the sender with the name of the file, and with a word for what was tried.
func TestRefusalsOfTheDiskNameTheFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no folder that is open can be removed here")
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "photo"), []byte("x"), 0o644)
	dir := filepath.Join(t.TempDir(), "inbox")
	os.Mkdir(dir, 0o755)
	receiver := &Receiver{Root: openRoot(t, dir)}
	os.Remove(dir)
	client, server := tcpPair(t)
	received := make(chan error, 1)
	go func() { received <- receiver.Receive(context.Background(), server) }()
	err := new(Sender).Send(context.Background(), client, []File{file})
	if want := "the receiver says: photo cannot be stored: open: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("the sender says %q, want %q", err, want)
	}
	if err := <-received; err == nil || err.Error() != "cannot store it: open: no such file or directory" {
		t.Errorf("the receiver says %q", err)
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "mkdirat", Path: "d", Err: fs.ErrPermission}, "mkdir: permission denied"},
		{&fs.PathError{Op: "statat", Path: "d", Err: fs.ErrPermission}, "stat: permission denied"},
		{&fs.PathError{Op: "lstat", Path: "d", Err: fs.ErrPermission}, "lstat: permission denied"},
		{&os.LinkError{Op: "linkat", Old: "a", New: "b", Err: fs.ErrExist}, "link: file already exists"},
		{&fs.PathError{Op: "write", Path: "d", Err: fs.ErrInvalid}, "write: invalid argument"},
	} {
		if got := Reason(test.err); got != test.want {
			t.Errorf("%v is told as %q, want %q", test.err, got, test.want)
		}
	}
}

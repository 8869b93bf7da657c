package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"example.com/ebb/internal/untrusted"
)

// receiverOf runs a receiver at the other end of the returned connection. wait
// closes it, waits for the receiver and returns its error.
func receiverOf(t *testing.T, ctx context.Context, dir string, got *results) (conn net.Conn, wait func() error) {
	t.Helper()
	conn, server := tcpPair(t)
	receiver := &Receiver{Root: openRoot(t, dir), Timeout: 20 * time.Second, Report: got.add}
	done := make(chan error, 1)
	go func() {
		err := receiver.Receive(ctx, server)
		server.Close()
		done <- err
	}()
	return conn, func() error { conn.Close(); return <-done }
}

// offered is what a sender sends up to the body of its one file.
func offered(e entry) []byte { return appendBatch(appendGreeting(nil), []entry{e}) }

// body is a file's body as it should be.
func body(content []byte) []byte {
	sum := sha256.Sum256(content)
	b := append([]byte{markGoesOn}, content...)
	return append(append(b, markGoesOn), sum[:]...)
}

// wantReplies reads the receiver's greeting and count replies.
func wantReplies(t *testing.T, r io.Reader, want ...Code) {
	t.Helper()
	if err := readGreeting(r); err != nil {
		t.Fatal(err)
	}
	for i, code := range want {
		got, err := readReply(r)
		if err != nil {
			t.Fatalf("reply %d: %v", i, err)
		}
		if got.code != code {
			t.Fatalf("reply %d is %d %q, want %d", i, got.code, got.message, code)
		}
		if code != CodeOK && got.message == "" {
			t.Errorf("reply %d says no and not why", i)
		}
	}
}

func TestReceiverRefusesNames(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "inbox")
	os.Mkdir(dir, 0o755)
	bad := []string{"", "..", "../escaped", "/tmp/escaped", `..\escaped`, "a\x00b", "NUL", "\xff\xfe", "\x1b[31m"}
	var batch []entry
	want := []Code{}
	for _, name := range bad {
		batch = append(batch, entry{name: untrusted.Text(name), size: 1, mode: 0o644})
		want = append(want, CodeName)
	}
	batch = append(batch, entry{name: "good", size: 1, mode: 0o644})
	want = append(want, CodeOK, CodeOK)

	var got results
	conn, wait := receiverOf(t, context.Background(), dir, &got)
	conn.Write(appendBatch(appendGreeting(nil), batch))
	conn.Write(body([]byte("x")))
	wantReplies(t, conn, want...)
	conn.Write(appendBatch(nil, nil))
	if err := wait(); err == nil || !strings.Contains(err.Error(), fmt.Sprint(len(bad))) {
		t.Errorf("the session ends with %v", err)
	}
	if n := names(t, parent); !slices.Equal(n, []string{"inbox"}) {
		t.Errorf("beside the directory: %q", n)
	}
	if n := names(t, dir); !slices.Equal(n, []string{"good"}) {
		t.Errorf("in the directory: %q", n)
	}
	for _, r := range got.all[:len(bad)] {
		shown := fmt.Sprintf("%v: %v", r.Name, r.Err)
		if r.Err == nil || !utf8.ValidString(shown) || strings.ContainsAny(shown, "\x00\x1b") {
			t.Errorf("reported: %q", shown)
		}
	}
}

func TestReceiverDoesNotFollowLinks(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "inbox")
	os.Mkdir(dir, 0o755)
	target := filepath.Join(parent, "target")
	os.WriteFile(target, []byte("old"), 0o644)
	if err := os.Symlink(target, filepath.Join(dir, "a")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for _, overwrite := range []bool{false, true} {
		client, server := tcpPair(t)
		s := session{overwrite: overwrite}
		s.run(t, client, server, []File{writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("new"), 0o644)}, dir)
		if (s.sendErr == nil) != overwrite {
			t.Errorf("overwrite %v: %v", overwrite, s.sendErr)
		}
		if got, _ := os.ReadFile(target); string(got) != "old" {
			t.Errorf("overwrite %v wrote through the link: %q", overwrite, got)
		}
	}
}

func TestCorruptedContentIsNotStored(t *testing.T) {
	dir := t.TempDir()
	content := randomBytes(bufferSize + 100)
	for _, at := range []int{1, 1 + bufferSize, 1 + len(content) + 1} { // content, content, hash
		var got results
		conn, wait := receiverOf(t, context.Background(), dir, &got)
		conn.Write(offered(entry{name: "a", size: int64(len(content)), mode: 0o644}))
		b := body(content)
		b[at] ^= 1
		conn.Write(b)
		wantReplies(t, conn, CodeOK, CodeHash)
		conn.Write(appendBatch(nil, nil))
		if err := wait(); err == nil {
			t.Errorf("byte %d changed and the session ended well", at)
		}
		if n := names(t, dir); len(n) != 0 {
			t.Errorf("byte %d changed: the directory has %q", at, n)
		}
	}
}

// However early the stream ends, nothing is left behind.
func TestTruncatedStream(t *testing.T) {
	dir := t.TempDir()
	content := randomBytes(3 * bufferSize)
	whole := append(offered(entry{name: "a", size: int64(len(content)), mode: 0o644}), body(content)...)
	head := len(whole) - len(body(content))
	cuts := []int{0, 1, greetingSize, greetingSize + 1, head - 1, head, head + 1, head + 2, head + 1 + bufferSize,
		head + 1 + len(content), head + 2 + len(content), len(whole) - 1}
	for _, cut := range cuts {
		var got results
		conn, wait := receiverOf(t, context.Background(), dir, &got)
		conn.Write(whole[:cut])
		if err := wait(); err == nil {
			t.Errorf("cut after %d bytes: no error", cut)
		} else if (cut < greetingSize) != errors.Is(err, ErrGreeting) {
			t.Errorf("cut after %d bytes: %v", cut, err)
		}
		if n := names(t, dir); len(n) != 0 {
			t.Errorf("cut after %d bytes: the directory has %q", cut, n)
		}
	}
	// The same bytes uncut are a file, even if the session ends without a word.
	var got results
	conn, wait := receiverOf(t, context.Background(), dir, &got)
	conn.Write(whole)
	wantReplies(t, conn, CodeOK, CodeOK)
	wait()
	if b, _ := os.ReadFile(filepath.Join(dir, "a")); !bytes.Equal(b, content) {
		t.Error("the whole stream did not become a file")
	}
}

// A receiver that is told to stop in the middle of a file removes it.
func TestInterruptedReceiver(t *testing.T) {
	dir := t.TempDir()
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(context.Background())
	var got results
	conn, wait := receiverOf(t, ctx, dir, &got)
	conn.Write(append(offered(entry{name: "a", size: 1 << 30, mode: 0o644}), markGoesOn, 'x'))
	eventually(t, "a temporary file", func() bool {
		n := names(t, dir)
		return len(n) == 1 && strings.HasSuffix(n[0], PartialSuffix)
	})
	cancel(interrupted)
	if err := wait(); err != interrupted {
		t.Errorf("Receive returns %v", err)
	}
	if n := names(t, dir); len(n) != 0 {
		t.Errorf("the directory has %q", n)
	}
}

// A sender that is told to stop makes the receiver remove the file.
func TestInterruptedSender(t *testing.T) {
	overEach(t, func(t *testing.T, client, server net.Conn) {
		from, to := t.TempDir(), t.TempDir()
		file := writeFile(t, filepath.Join(from, "a"), randomBytes(16<<20), 0o644)
		interrupted := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(context.Background())
		var got results
		receiver := &Receiver{Root: openRoot(t, to), Report: got.add}
		done := make(chan error, 1)
		go func() { done <- receiver.Receive(context.Background(), server) }()
		sender := &Sender{Progress: func(string, int) { cancel(interrupted) }}
		if err := sender.Send(ctx, client, []File{file}); err != interrupted {
			t.Errorf("Send returns %v", err)
		}
		if err := <-done; err == nil {
			t.Error("the receiver noticed nothing")
		}
		if n := names(t, to); len(n) != 0 {
			t.Errorf("the directory has %q", n)
		}
	})
}

func TestReceiverEndsBrokenProtocol(t *testing.T) {
	tests := []struct {
		name string
		send []byte
	}{
		{"too many files", append(appendGreeting(nil), 0xff, 0xff)},
		{"more than permission bits", offered(entry{name: "a", mode: 0o4755})},
		{"a size beyond 63 bits", offered(entry{name: "a", size: math.MinInt64})},
		{"no mark", append(offered(entry{name: "a"}), 9)},
		{"no mark behind the content", append(offered(entry{name: "a", size: 1}), markGoesOn, 'x', 0)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			var got results
			conn, wait := receiverOf(t, context.Background(), dir, &got)
			conn.Write(test.send)
			if err := readGreeting(conn); err != nil {
				t.Fatal(err)
			}
			last := reply{}
			for !last.final() {
				var err error
				if last, err = readReply(conn); err != nil {
					t.Fatal(err)
				}
			}
			if last.code&^codeFinal != CodeProtocol {
				t.Errorf("the session ends with code %d %q", last.code, last.message)
			}
			if wait() == nil {
				t.Error("no error at the receiver")
			}
			if n := names(t, dir); len(n) != 0 {
				t.Errorf("the directory has %q", n)
			}
		})
	}
}

func TestStrangersAreNotSenders(t *testing.T) {
	for _, greeting := range []string{"GET / HTTP/1.1\r\n\r\n", "ebbf\x02", "ebbf\x00", "\x16\x03\x01\x02\x00"} {
		var got results
		conn, wait := receiverOf(t, context.Background(), t.TempDir(), &got)
		conn.Write([]byte(greeting))
		if err := readGreeting(conn); err != nil {
			t.Errorf("no greeting for %q: %v", greeting, err)
		}
		if err := wait(); !errors.Is(err, ErrGreeting) {
			t.Errorf("%q: %v", greeting, err)
		}
	}
}

// A peer that announces a lot and sends nothing costs no memory for it.
func TestAnnouncementsAllocateNothing(t *testing.T) {
	batch := appendGreeting(nil)
	batch = binary.BigEndian.AppendUint16(batch, 1)
	batch = append(batch, appendBatch(nil, []entry{{name: "huge", size: math.MaxInt64, mode: 0o600}})[2:]...)
	dir := t.TempDir()
	var got results
	conn, wait := receiverOf(t, context.Background(), dir, &got)
	conn.Write(append(batch, markGoesOn))
	wantReplies(t, conn, CodeOK)
	eventually(t, "a temporary file", func() bool { return len(names(t, dir)) == 1 })
	info, err := os.Stat(filepath.Join(dir, names(t, dir)[0]))
	if err != nil || info.Size() != 0 {
		t.Errorf("%d bytes were set aside, error %v", info.Size(), err)
	}
	if wait() == nil {
		t.Error("no error")
	}
}

func TestReceiverGivesUpSilentSenders(t *testing.T) {
	dir := t.TempDir()
	root := openRoot(t, dir)
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		done := make(chan error, 1)
		receiver := &Receiver{Root: root, Timeout: time.Minute}
		began := time.Now()
		go func() { done <- receiver.Receive(context.Background(), server) }()
		go io.Copy(io.Discard, client)
		client.Write(append(offered(entry{name: "a", size: 100}), markGoesOn))
		for range 3 { // each byte buys another minute
			time.Sleep(50 * time.Second)
			client.Write([]byte{'x'})
		}
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Receive returns %v", err)
		}
		if took := time.Since(began); took != 3*50*time.Second+time.Minute {
			t.Errorf("given up after %v", took)
		}
		client.Close()
	})
	if n := names(t, dir); len(n) != 0 {
		t.Errorf("the directory has %q", n)
	}
}

// senderTo runs a sender against the returned connection.
func senderTo(t *testing.T, files []File, got *results) (conn net.Conn, wait func() error) {
	t.Helper()
	client, conn := tcpPair(t)
	done := make(chan error, 1)
	go func() {
		sender := &Sender{Timeout: 20 * time.Second, Report: got.add}
		err := sender.Send(context.Background(), client, files)
		client.Close()
		done <- err
	}()
	return conn, func() error { return <-done }
}

// A receiver whose disk is full in the middle of a file says so and reads no
// more. The sender stops at once and repeats the reason.
func TestSenderHearsFinalReply(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), randomBytes(32<<20), 0o644)
	var got results
	conn, wait := senderTo(t, []File{file}, &got)
	var b bytes.Buffer
	b.Write(appendGreeting(nil))
	b.Write([]byte{0, 0, 0})
	b.Write([]byte{byte(codeFinal | CodeStorage), 0, 9})
	b.WriteString("disk full")
	conn.Write(b.Bytes())
	err := wait()
	checkCode(t, err, CodeStorage)
	if !strings.Contains(err.Error(), "disk full") {
		t.Errorf("the sender says %v", err)
	}
	if len(got.all) != 0 {
		t.Errorf("reported: %+v", got.all)
	}
}

func TestSenderAgainstHostileReceivers(t *testing.T) {
	greeting := string(appendGreeting(nil))
	tests := []struct {
		name, send string
		want       string // in the error
	}{
		{"nothing", "", "no greeting"},
		{"another protocol", "HTTP/1.1 400 Bad Request\r\n", "HTTP"},
		{"another version", "ebbf\x07", "version 7"},
		{"a huge message", greeting + "\x01\xff\xff", "message of 65535 bytes"},
		{"half a reply", greeting + "\x01\x00", "unexpected EOF"},
		{"an escape sequence", greeting + "\x84\x00\x05\x1b[31m", `\u001b[31m`},
		{"no verdict", greeting + "\x00\x00\x00", "unexpected EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("content"), 0o644)
			var got results
			conn, wait := senderTo(t, []File{file}, &got)
			conn.Write([]byte(test.send))
			conn.(*net.TCPConn).CloseWrite()
			err := wait()
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("Send returns %v, want something with %q", err, test.want)
			}
			if len(got.all) != 0 {
				t.Errorf("reported: %+v", got.all)
			}
		})
	}
}

func TestMessagesFitTheirLimit(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain", "plain"},
		{strings.Repeat("ü", 300), strings.Repeat("ü", 256)},
		{"x" + strings.Repeat("ü", 300), "x" + strings.Repeat("ü", 255)},
	}
	for _, test := range tests {
		if got := clipped(test.in); got != test.want {
			t.Errorf("clipped(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/cmd/ebb/internal/patient"
	"example.com/ebb/internal/untrusted"
)

// inBubble runs a receiver in virtual time against a peer that does what drive says, and returns how long the
// receiver took, and its error.
func inBubble(t *testing.T, receiver *Receiver, drive func(conn net.Conn)) (took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		driven := make(chan struct{})
		began := time.Now()
		go io.Copy(io.Discard, client)
		go func() { defer close(driven); drive(client) }()
		err = receiver.Receive(context.Background(), server)
		took = time.Since(began)
		server.Close()
		client.Close()
		<-driven
	})
	return took, err
}

// trickle writes b in pieces, one every so often, until the peer has had enough.
func trickle(conn net.Conn, b []byte, piece int, every time.Duration) {
	for part := range slices.Chunk(b, piece) {
		if _, err := conn.Write(part); err != nil {
			return
		}
		time.Sleep(every)
	}
}

// A greeting and an offer have their time as a whole: a byte now and then does not prolong it.
func TestAGreetingTakesItsTimeOnce(t *testing.T) {
	receiver := &Receiver{Root: openRoot(t, t.TempDir()), Greeting: 30 * time.Second, Timeout: time.Hour}
	for name, b := range map[string][]byte{
		"silence":  nil,
		"greeting": appendGreeting(nil),
		"offer":    offered(entry{name: "a", size: 100}),
	} {
		took, err := inBubble(t, receiver, func(conn net.Conn) { trickle(conn, b, 1, 9*time.Second) })
		if took != 30*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, ErrNoSender) {
			t.Errorf("%s: after %v: %v", name, took, err)
		}
	}
}

// Content has to come at the least rate over each minute, however evenly it comes.
func TestContentHasALeastRate(t *testing.T) {
	content := randomBytes(600_000)
	for _, test := range []struct {
		piece int // bytes each second
		want  time.Duration
	}{
		{999, time.Minute},
		{1, time.Minute},
		{1100, 0}, // a minute has 59 or 60 pieces
		{2000, 0},
	} {
		dir := t.TempDir()
		receiver := &Receiver{Root: openRoot(t, dir), MinRate: 1000, Timeout: 2 * time.Minute}
		took, err := inBubble(t, receiver, func(conn net.Conn) {
			conn.Write(offered(entry{name: "a", size: int64(len(content)), mode: 0o600}))
			trickle(conn, append([]byte{markGoesOn}, content...), test.piece, time.Second)
			sum := sha256.Sum256(content)
			conn.Write(append([]byte{markGoesOn}, sum[:]...))
			conn.Write(appendBatch(nil, nil))
		})
		var slow *patient.SlowError
		switch {
		case test.want == 0 && (err != nil || len(names(t, dir)) != 1):
			t.Errorf("%d bytes/s: after %v: %v", test.piece, took, err)
		case test.want > 0 && (!errors.As(err, &slow) || took != test.want || len(names(t, dir)) != 0):
			t.Errorf("%d bytes/s: after %v: %v; the directory has %q", test.piece, took, err, names(t, dir))
		}
	}
}

// A quota counts what is stored, by all sessions together, and gets back what is not.
func TestQuota(t *testing.T) {
	dir := t.TempDir()
	quota := NewQuota(3, 10)
	session := func(want []Code, bodies []byte, entries ...entry) {
		t.Helper()
		conn, server := tcpPair(t)
		receiver := &Receiver{Root: openRoot(t, dir), Timeout: 20 * time.Second, Quota: quota}
		done := make(chan struct{})
		go func() { receiver.Receive(context.Background(), server); server.Close(); close(done) }()
		conn.Write(append(appendBatch(appendGreeting(nil), entries), bodies...))
		wantReplies(t, conn, want...)
		conn.Close()
		<-done
	}
	file := func(name string, size int64) entry { return entry{name: untrusted.Text(name), size: size, mode: 0o600} }
	// Eleven bytes are too many, ten are not; they do not come, and are given back.
	session([]Code{CodeQuota, CodeOK, CodeQuota}, nil, file("a", 11), file("b", 10), file("c", 1))
	// A body whose hash is wrong, and one that is withdrawn, are given back.
	wrong := append(body([]byte("0123456789")), markWithdrawn)
	wrong[len(wrong)-2] ^= 1
	session([]Code{CodeOK, CodeOK, CodeHash, CodeWithdrawn}, wrong, file("a", 10), file("b", 0))
	session([]Code{CodeOK, CodeOK, CodeOK, CodeQuota, CodeOK, CodeOK, CodeOK},
		slices.Concat(body([]byte("01234")), body(nil), body([]byte("56789"))),
		file("a", 5), file("b", 0), file("c", 5), file("d", 0))
	session([]Code{CodeQuota}, nil, file("d", 0))
	if n := names(t, dir); !slices.Equal(n, []string{"a", "b", "c"}) {
		t.Errorf("the directory has %q", n)
	}
}

// A stored file has no permission that the receiver's mask takes away.
func TestUmask(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no permission bits")
	}
	dir := t.TempDir()
	conn, server := tcpPair(t)
	receiver := &Receiver{Root: openRoot(t, dir), Timeout: 20 * time.Second, Umask: 0o027}
	done := make(chan error, 1)
	go func() { done <- receiver.Receive(context.Background(), server) }()
	conn.Write(slices.Concat(offered(entry{name: "a", mode: 0o777}), body(nil), appendBatch(nil, nil)))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil || info.Mode() != 0o750 {
		t.Errorf("the file has %v, error %v, want %v", info.Mode(), err, fs.FileMode(0o750))
	}
	if mask := Umask(); mask != Umask() {
		t.Errorf("the mask of the process was %v, and is another after it was asked for", mask)
	}
}

// A sender that is refused hears why.
func TestRefusedSendersHearWhy(t *testing.T) {
	conn, server := tcpPair(t)
	done := make(chan struct{})
	go func() { Refuse(server, "come back later"); server.Close(); close(done) }()
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"), 0o600)
	err := new(Sender).Send(context.Background(), conn, []File{file})
	conn.Close()
	<-done
	var remote *RemoteError
	if !errors.As(err, &remote) || remote.Code != CodeBusy || fmt.Sprint(remote.Message) != "come back later" {
		t.Errorf("Send returns %v", err)
	}
}

// What no sender does marks the error of a session; what may happen to one does not.
func TestWhoIsNoSender(t *testing.T) {
	one := entry{name: "a", size: 3, mode: 0o600}
	for name, test := range map[string]struct {
		says     []byte
		stranger bool
	}{
		"nothing":               {nil, true},
		"another protocol":      {[]byte("GET / HTTP/1.1\r\n"), true},
		"a greeting":            {appendGreeting(nil), true},
		"a bad name":            {offered(entry{name: "..", size: 3}), true},
		"rubbish in its place":  {append(offered(one), "rubbish"...), true},
		"half a file":           {append(offered(one), markGoesOn, 'x'), false},
		"an end in order":       {appendBatch(appendGreeting(nil), nil), false},
		"a file that is broken": {append(append(offered(one), markGoesOn, 'x', 'y', 'z', markGoesOn), make([]byte, 34)...), false},
	} {
		conn, server := tcpPair(t)
		receiver := &Receiver{Root: openRoot(t, t.TempDir()), Timeout: 20 * time.Second}
		done := make(chan error, 1)
		go func() { done <- receiver.Receive(context.Background(), server) }()
		conn.Write(test.says)
		ends.CloseWrite(conn)
		go io.Copy(io.Discard, conn)
		if err := <-done; errors.Is(err, ErrNoSender) != test.stranger {
			t.Errorf("%s: %v", name, err)
		}
	}
}

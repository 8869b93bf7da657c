package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ebb/limits"
)

// dialled is a connection to a receiver over TCP that closes with the test.
func dialled(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// Whatever a stranger says, receive --once waits for a sender, and serves it while strangers are silent.
func TestOnceWaitsForASender(t *testing.T) {
	to := t.TempDir()
	receiver := start(t, prepare(t, "tcp", "receive", "--once", "127.0.0.1:0", to), true)
	dialled(t, receiver.address) // says nothing
	for _, rubbish := range []string{
		"GET / HTTP/1.0\r\n\r\n",
		"ebbf\x01",
		"ebbf\x01\xff\xff",
		offer("../etc"),
		offer("b") + "rubbish",
	} {
		conn := dialled(t, receiver.address)
		fmt.Fprint(conn, rubbish)
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	if status, _, stderr := execute(t, "tcp", "send", file, receiver.address); status != 0 {
		t.Errorf("the sender: status %d\n%s", status, stderr)
	}
	if status := receiver.wait(t); status != 0 {
		t.Errorf("the receiver: status %d\n%s", status, receiver.stderr.String())
	}
	if names := listDir(t, to); !slices.Equal(names, []string{"a"}) {
		t.Errorf("the directory has %q", names)
	}
}

// Silent senders of one host leave places to others; one more of theirs hears why it is refused.
func TestSilentSendersLeavePlaces(t *testing.T) {
	to := t.TempDir()
	receiver := start(t, prepare(t, "tcp", "receive", "--max-senders", "9", "--max-senders-per-host", "8", "127.0.0.1:0", to), true)
	for range 8 {
		dialled(t, receiver.address)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	status, _, stderr := execute(t, "tcp", "send", file, receiver.address)
	if status != 1 || !strings.Contains(stderr, "8 of 8 places of your address") {
		t.Errorf("one sender more: status %d, says %q", status, stderr)
	}
	receiver.Process.Signal(os.Interrupt)
	receiver.wait(t)
}

// Only the networks of --from are served, and the quotas hold for all.
func TestFromAndQuotas(t *testing.T) {
	to := t.TempDir()
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("xyz"))
	for _, test := range []struct {
		flags  []string
		status int
		sender string // says so
	}{
		{[]string{"--from", "192.0.2.0/24", "--from", "2001:db8::/32"}, 1, ""},
		{[]string{"--max-size", "2"}, 1, "quota"},
		{[]string{"--from", "192.0.2.1", "--from", "127.0.0.0/8", "--max-size", "3B", "--max-files", "1"}, 0, ""},
	} {
		receiver := start(t, prepare(t, "tcp", slices.Concat([]string{"receive"}, test.flags, []string{"127.0.0.1:0", to})...), true)
		status, _, stderr := execute(t, "tcp", "send", file, receiver.address)
		if status != test.status || !strings.Contains(stderr, test.sender) {
			t.Errorf("%q: the sender has status %d and says %q", test.flags, status, stderr)
		}
		receiver.Process.Signal(os.Interrupt)
		receiver.wait(t)
	}
	if names := listDir(t, to); !slices.Equal(names, []string{"a"}) {
		t.Errorf("the directory has %q", names)
	}
}

// What refused files and broken sessions write is bounded, whatever they offer.
func TestGrumblingIsBounded(t *testing.T) {
	var out bytes.Buffer
	g := newGrumbler(&out, "receive")
	now := time.Now()
	for range 100_000 {
		g.printf(now, "a line of twenty bytes\n")
		now = now.Add(time.Millisecond)
	}
	g.flush()
	lines := strings.Count(out.String(), "\n")
	if most := 2 * (grumbleBurst + 100*grumbleRate + 1); lines > most {
		t.Errorf("%d lines in 100 s, at most %d are wanted", lines, most)
	}
	if !strings.Contains(out.String(), "were left out") {
		t.Error("nothing says that lines were left out")
	}
}

// Places are given per host and in all, and come back.
func TestPlaces(t *testing.T) {
	p := newPlaces(3, 2)
	addr := netip.MustParseAddr
	var release []func()
	for _, test := range []struct {
		from string
		ok   bool
	}{
		{"2001:db8:0:1::1", true}, {"2001:db8:0:ff::2", true}, {"2001:db8:0:2::3", false}, // one /56
		{"2001:db8:0:100::1", true}, {"192.0.2.1", false}, // all are taken
	} {
		r, err := p.take(limits.PeerOf(addr(test.from)), "address")
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.from, err)
		}
		if err == nil {
			release = append(release, r)
		}
	}
	for _, r := range release {
		r()
	}
	if p.taken != 0 || len(p.ofHost) != 0 {
		t.Errorf("after all are released %d places are taken, by %d hosts", p.taken, len(p.ofHost))
	}
}

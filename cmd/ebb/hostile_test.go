package main

import (
	"crypto/sha256"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"example.com/ebb/internal/hostile"
)

const (
	nasty      = "\x1b]0;owned\x07\x1b[2J\rall is well\nfdp.\u202egnp \u009b1m\u2028"
	nastyShown = `\u001b]0;owned\u0007\u001b[2J\u000dall is well\u000afdp.\u202egnp \u009b1m\u2028`
)

// hostilePeer is a peer on loopback that is not one of ours; use is what it does.
func hostilePeer(t *testing.T, p *hostile.Peer, use func()) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Conn = conn
	var group sync.WaitGroup
	group.Go(use)
	t.Cleanup(func() { conn.Close(); group.Wait() })
	return conn.LocalAddr().String()
}

// wantSafe checks that a terminal gets nothing but lines of printable text, and the words.
func wantSafe(t *testing.T, output string, words ...string) {
	t.Helper()
	if strings.ContainsFunc(output, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) {
		t.Errorf("a terminal gets %q", output)
	}
	for _, word := range words {
		if !strings.Contains(output, word) {
			t.Errorf("a terminal gets %q, without %q", output, word)
		}
	}
}

// offer is what a sender says to offer one file of one byte.
func offer(name string) string {
	return "ebbf\x01" + "\x00\x01" + "\x01\xa4" + "\x00\x00\x00\x00\x00\x00\x00\x01" + string([]byte{byte(len(name))}) + name
}

// The reasons that a peer gives reach the terminal escaped, whatever the command and the role.
func TestReasonsOfAPeerAreEscaped(t *testing.T) {
	file := writeFile(t, filepath.Join(t.TempDir(), "a"), []byte("x"))
	for _, refuse := range []bool{true, false} {
		peer := &hostile.Peer{Refuse: refuse, Reason: nasty}
		address := hostilePeer(t, peer, peer.Serve)
		status, stdout, stderr := execute(t, "plain", "send", "-v", file, address)
		if status != 1 {
			t.Errorf("send: status %d", status)
		}
		wantSafe(t, stdout+stderr, nastyShown)

		p := start(t, prepare(t, "plain", "pipe", "-v", address), false)
		p.stdin.Write([]byte("x"))
		if status := p.wait(t); status != 1 {
			t.Errorf("pipe: status %d", status)
		}
		wantSafe(t, p.stdout.String()+p.stderr.String(), nastyShown)
	}
	for _, args := range [][]string{
		{"receive", "--once", "-v", "127.0.0.1:0", t.TempDir()},
		{"pipe", "-l", "-v", "127.0.0.1:0"},
	} {
		p := start(t, prepare(t, "plain", args...), true)
		address, err := net.ResolveUDPAddr("udp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		p.stdin.Write([]byte("x"))
		peer := &hostile.Peer{Reason: nasty, Say: []byte(offer("photo\u00a0"))}
		hostilePeer(t, peer, func() { peer.Dial(address) })
		if status := p.wait(t); status != 1 {
			t.Errorf("%s: status %d", args[0], status)
		}
		stdout := strings.ReplaceAll(p.stdout.String(), string(peer.Say), "") // pipe carries what comes
		wantSafe(t, stdout+p.stderr.String(), nastyShown)
	}
}

// Names and messages of the transfer's protocol reach the terminal escaped. No name that could deceive
// who reads it gets onto the disk.
func TestNamesAndMessagesOfAPeerAreEscaped(t *testing.T) {
	to := t.TempDir()
	sum := sha256.Sum256([]byte("x"))
	const end = "\x00\x00"
	for _, test := range []struct{ name, shown, rest string }{
		{"photo\u00a0名", `photo\u00a0名`, "\x01x\x01" + string(sum[:]) + end},
		{"photo\u00a0", `photo\u00a0`, "\x01x\x01" + strings.Repeat("h", 32) + end},
		{"fdp.\u202egnp\u00a0\u200b", `fdp.\u202egnp\u00a0\u200b`, end},
		{"-rf\u2028", `-rf\u2028`, end},
		{"\x1b[2J\r", `\u001b[2J\u000d`, end},
		{"\xff\n", `\xff\u000a`, end},
	} {
		receiver := start(t, prepare(t, "tcp", "receive", "127.0.0.1:0", to), true)
		conn, err := net.Dial("tcp", receiver.address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(offer(test.name) + test.rest))
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn) // until the receiver is done with it
		receiver.Process.Signal(os.Interrupt)
		receiver.wait(t)
		conn.Close()
		wantSafe(t, receiver.stdout.String()+receiver.stderr.String(), test.shown)
	}
	if got := listDir(t, to); !slices.Equal(got, []string{"photo\u00a0名"}) {
		t.Errorf("on the disk: %q", got)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file := writeFile(t, filepath.Join(t.TempDir(), "photo\u00a0"), []byte("x"))
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		conn.Write([]byte("ebbf\x01" + "\x02" + "\x00" + string([]byte{byte(len(nasty))}) + nasty))
		conn.Read(make([]byte, 1))
		conn.(*net.TCPConn).CloseWrite()
	}()
	status, stdout, stderr := execute(t, "tcp", "send", file, ln.Addr().String())
	if status != 1 {
		t.Errorf("send: status %d", status)
	}
	wantSafe(t, stdout+stderr, nastyShown, `photo\u00a0`)
}

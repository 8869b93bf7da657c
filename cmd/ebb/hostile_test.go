package main

import (
	"crypto/sha256"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
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

// What is on the command line, and names of files that stand there for "*", reach the terminal escaped, whichever command it is.
func TestWordsOfTheCommandLineAreEscaped(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file can have such a name here")
	}
	dir := t.TempDir()
	t.Chdir(dir)
	const name = "x\x1b]0;pwn\x07\x1b[31m\u009b1m\xff"
	file, folder, missing := writeFile(t, "f"+name, []byte("hi")), "d"+name, "m"+name
	for _, made := range []string{folder, "inbox", "traces" + name} {
		if err := os.Mkdir(made, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, folder+"/in"+name, []byte("hi"))
	writeFile(t, "traces"+name+"/bad"+name+".up", []byte("no number"))
	for _, args := range [][]string{
		{"send", file, "127.0.0.1:1"}, {"send", missing, "127.0.0.1:1"}, {"send", folder, "127.0.0.1:1"},
		{"send", file, "./" + file, "127.0.0.1:1"}, {"send", "inbox/../" + file, folder + "/in" + name, "host" + name + ":1"},
		{"send", "-r", missing, "127.0.0.1:1"}, {"send", "-r", folder, folder, "127.0.0.1:1"},
		{"send", "-r", folder, name + "@127.0.0.1:1"}, {"send", "--key", file, file, somebody + "@127.0.0.1:1"},
		{"receive", "127.0.0.1:0", missing}, {"receive", "127.0.0.1:0", file}, {"receive", name, "inbox"},
		{"receive", "127.0.0.1:" + name, "inbox"}, {"receive", "127.0.0.1:0", "inbox", name},
		{"receive", "--debug=unix:" + missing + "/x", "127.0.0.1:0", "inbox"}, {"receive", "--debug=" + name, "127.0.0.1:0", "inbox"},
		{"receive", "--max-size", name, "127.0.0.1:0", "inbox"}, {"receive", "--max-files", name, "127.0.0.1:0", "inbox"},
		{"receive", "--from", name, "127.0.0.1:0", "inbox"}, {"receive", "--peer", name, "127.0.0.1:0", "inbox"},
		{"receive", "--keep-partial", name, "127.0.0.1:0", "inbox"}, {"receive", "--once=" + name, "127.0.0.1:0", "inbox"},
		{"receive", "--config", missing, "127.0.0.1:0", "inbox"}, {"receive", "--config", folder, "127.0.0.1:0", "inbox"},
		{"receive", "--config", file, "127.0.0.1:0", "inbox"}, {"receive", "--preset", name, "127.0.0.1:0", "inbox"},
		{"receive", "--" + name, "127.0.0.1:0", "inbox"}, {"receive", "-" + name, "127.0.0.1:0", "inbox"},
		{"pipe", "--bandwidth-limit", name, "127.0.0.1:1"}, {"pipe", "--congestion-control", name, "127.0.0.1:1"}, {"pipe", name},
		{"tunnel", "--accept", "127.0.0.1:0", "--forward", name}, {"tunnel", "--accept", "127.0.0.1:0", "--forward-any", name},
		{"top", missing}, {"top", file}, {"top", "http://" + name}, {"top", "http://127.0.0.1:1/" + name}, {"top", "--interval", name},
		{"id", "--key", file}, {"id", "--key", file + "/key"}, {"id", name},
		{"bench", "--only", name}, {"bench", "--rounds", name}, {"bench", "--picture", missing + "/x"},
		{"kernel", "--netlab", missing}, {"kernel", "--report", "--results", missing}, {"kernel", "--tsv", missing + "/x"}, {"kernel", name}, {"kernel", "--traces", missing},
		{"sim", name}, {"sim", "--case", name}, {"sim", "--traces", missing}, {"sim", "--traces", "traces" + name},
		{"sim", "4", "--pictures", file},
		{"perf", "--over", name, somebody + "@127.0.0.1:1"}, {"perf", name}, {"perf", "--seconds", name, "127.0.0.1:1"},
		{"qlog", missing}, {"qlog", file}, {"qlog", folder}, {"completion", name}, {name}, {"help", name}, {"version", name},
	} {
		status, stdout, stderr := execute(t, "plain", args...)
		if status == 0 || stderr == "" {
			t.Errorf("%q: status %d, standard error %q", args, status, stderr)
		}
		wantSafe(t, stdout+stderr)
	}
	status, stdout, stderr := execute(t, "plain", "id", "--key", missing)
	if status != 0 {
		t.Errorf("id: status %d", status)
	}
	wantSafe(t, stdout+stderr, `created a key in mx\u001b]0;pwn\u0007\u001b[31m\u009b1m\xff`)
	receiver := start(t, prepare(t, "plain", "receive", "--debug=unix:"+folder+"/s", "127.0.0.1:0", "inbox"), true)
	receiver.Process.Signal(os.Interrupt)
	receiver.wait(t)
	wantSafe(t, receiver.stdout.String()+receiver.stderr.String(), `dx\u001b]0;pwn`)
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

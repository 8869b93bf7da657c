package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// The end of standard input ends one direction only: the answer to everything
// that was sent comes back.
func TestPipeHalfClose(t *testing.T) {
	overNetworks(t, func(t *testing.T, network string) {
		asked, w := io.Pipe()
		cmd := prepare(t, network, "pipe", "-l", "127.0.0.1:0")
		cmd.Stdout = w
		server := start(t, cmd, true)
		client := start(t, prepare(t, network, "pipe", "-v", server.address), false)
		io.WriteString(client.stdin, "question")
		client.stdin.Close()
		// The answer is written only when the question is there, and its end sent.
		question := make([]byte, len("question"))
		if _, err := io.ReadFull(asked, question); err != nil || string(question) != "question" {
			t.Fatalf("the listener got %q, error %v", question, err)
		}
		io.WriteString(server.stdin, "answer")
		if status := server.wait(t); status != 0 {
			t.Errorf("the listener: status %d\n%s", status, server.stderr.String())
		}
		if status := client.wait(t); status != 0 {
			t.Errorf("the dialler: status %d\n%s", status, client.stderr.String())
		}
		if got := client.stdout.String(); got != "answer" {
			t.Errorf("the dialler got %q", got)
		}
		if network == "tcp" && !strings.Contains(client.stderr.String(), "plain TCP") {
			t.Errorf("-v prints %q", client.stderr.String())
		}
	})
}

// Each side sends what does not fit between the two, at once.
func TestPipeCarriesBothWays(t *testing.T) {
	overNetworks(t, func(t *testing.T, network string) {
		up, down := randomBytes(24_000_001), randomBytes(20_000_002)
		server := start(t, prepare(t, network, "pipe", "-l", "--bandwidth-limit", "unlimited", "127.0.0.1:0"), true)
		client := start(t, prepare(t, network, "pipe", "--bandwidth-limit", "unlimited", server.address), false)
		go func() { server.stdin.Write(down); server.stdin.Close() }()
		client.stdin.Write(up)
		if status := client.wait(t); status != 0 {
			t.Errorf("the dialler: status %d\n%s", status, client.stderr.String())
		}
		if status := server.wait(t); status != 0 {
			t.Errorf("the listener: status %d\n%s", status, server.stderr.String())
		}
		if !bytes.Equal(server.stdout.Bytes(), up) || !bytes.Equal(client.stdout.Bytes(), down) {
			t.Errorf("%d of %d and %d of %d bytes, or others", server.stdout.Len(), len(up), client.stdout.Len(), len(down))
		}
	})
}

func TestJoinEndsWithThePeerOnATerminal(t *testing.T) {
	conn, peer := net.Pipe()
	in, typing := io.Pipe() // a person who types nothing
	defer typing.Close()
	go func() {
		io.WriteString(peer, "bye")
		peer.Close()
	}()
	var out bytes.Buffer
	if err := join(conn, in, &out, false); err != nil || out.String() != "bye" {
		t.Errorf("%q, error %v", out.String(), err)
	}
}

func TestJoinReportsFailures(t *testing.T) {
	broken := errors.New("broken")
	conn, _ := net.Pipe()
	in, w := io.Pipe()
	w.CloseWithError(broken)
	if err := join(conn, in, io.Discard, true); !errors.Is(err, broken) {
		t.Errorf("input fails: %v", err)
	}
	conn, peer := net.Pipe()
	in, _ = io.Pipe()
	out, w2 := io.Pipe()
	out.CloseWithError(broken)
	go io.WriteString(peer, "x")
	if err := join(conn, in, w2, true); !errors.Is(err, broken) {
		t.Errorf("output fails: %v", err)
	}
}

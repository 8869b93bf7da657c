package peer

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"
)

// TestPeersMoveBytes sends a megabyte through every peer and back, and then
// short messages.
func TestPeersMoveBytes(t *testing.T) {
	for _, p := range All() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			transport, err := p.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer transport.Close()
			ln, err := transport.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go echoOne(ln)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			c, err := transport.Dial(ctx, ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			exchange(t, c, 1<<20)
			for range 20 {
				exchange(t, c, 64)
			}
		})
	}
}

func echoOne(ln net.Listener) {
	c, err := ln.Accept()
	if err != nil {
		return
	}
	io.Copy(c, onlyReader{c})
	c.Close()
}

// onlyReader hides what else a connection can do, so that the copy goes
// through Read and Write.
type onlyReader struct{ io.Reader }

func exchange(t *testing.T, c net.Conn, n int) {
	t.Helper()
	out, back := make([]byte, n), make([]byte, n)
	random := rand.NewChaCha8([32]byte{byte(n)})
	random.Read(out)
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(out)
		written <- err
	}()
	if _, err := io.ReadFull(c, back); err != nil {
		t.Fatalf("reading %d bytes back: %v", n, err)
	}
	if err := <-written; err != nil {
		t.Fatalf("writing %d bytes: %v", n, err)
	}
	if !bytes.Equal(out, back) {
		t.Fatalf("%d bytes came back changed", n)
	}
}

func TestSelect(t *testing.T) {
	for _, tc := range []struct {
		names string
		want  int // -1: an error
	}{
		{"", len(All())},
		{"ebb", 1},
		{"ebb, tcp-bbr,tls", 3},
		{"carrier-pigeon", -1},
		{"ebb,", -1},
	} {
		got, err := Select(tc.names)
		if (err != nil) != (tc.want < 0) || err == nil && len(got) != tc.want {
			t.Errorf("Select(%q) = %d peers, %v; want %d", tc.names, len(got), err, tc.want)
		}
	}
}

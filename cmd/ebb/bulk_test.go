package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/internal/lab/simnet"
)

var transferBytes = flag.Int64("transfer-bytes", 16<<20, "size of the file that the tests over bad networks send")

// writeNoise makes a file of n bytes that do not repeat and returns its hash.
func writeNoise(t *testing.T, path string, n int64) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, hash), rand.NewChaCha8([32]byte{1}), n); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// hashOf is the hash of a file.
func hashOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// TestTransferOverLoopback: a file arrives whole from ebb send to ebb receive, each in a
// process of its own.
func TestTransferOverLoopback(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	path := filepath.Join(from, "file")
	want := writeNoise(t, path, *transferBytes)
	receiver := start(t, prepare(t, "ebb", "receive", "--once", "127.0.0.1:0", to), true)
	status, stdout, stderr := execute(t, "ebb", "send", "--bandwidth-limit", "unlimited", path, receiver.address)
	if status != 0 {
		t.Errorf("the sender: status %d\n%s", status, stderr)
	}
	if status := receiver.wait(t); status != 0 {
		t.Errorf("the receiver: status %d\n%s", status, receiver.stderr.String())
	}
	if got := hashOf(t, filepath.Join(to, "file")); got != want {
		t.Errorf("sha256 %s, want %s", got, want)
	}
	t.Log(strings.TrimSpace(stdout))
}

// TestTransferOverBadNetwork: a file arrives whole at 50 ms of round trip with 2 % loss,
// 2 % reordering and 1 % duplicates, in virtual time.
func TestTransferOverBadNetwork(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	path := filepath.Join(from, "file")
	want := writeNoise(t, path, *transferBytes)
	synctest.Test(t, func(t *testing.T) { sendOverSimnet(t, path, to) })
	if got := hashOf(t, filepath.Join(to, "file")); got != want {
		t.Errorf("sha256 %s, want %s", got, want)
	}
}

func sendOverSimnet(t *testing.T, path, dir string) {
	bad := simnet.LinkConfig{Delay: 25 * time.Millisecond, Loss: 0.02, Reorder: 0.02, Duplicate: 0.01}
	n := simnet.NewNetwork(1)
	defer n.Close()
	a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
	n.Connect(a, b, bad, bad)
	config := &ebb.Config{BandwidthLimit: ebb.Unlimited}
	server, client := simEndpoint(t, b, config), simEndpoint(t, a, config)
	defer server.Close()
	defer client.Close()
	l, err := server.Listen()
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan error, 1)
	go func() { received <- receiveOne(l, dir) }()

	start := time.Now()
	conn, err := client.DialAddr(t.Context(), server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	describe := newDescription(conn.Info)
	file, err := transfer.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&transfer.Sender{}).Send(t.Context(), conn, []transfer.File{file}); err != nil {
		t.Errorf("send: %v", err)
	}
	t.Logf("%d bytes in %v of virtual time: %s", file.Size, time.Since(start).Round(time.Millisecond), describe())
	conn.Close()
	if err := <-received; err != nil {
		t.Errorf("receive: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := ebb.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
}

func simEndpoint(t *testing.T, h *simnet.Host, config *ebb.Config) *ebb.Endpoint {
	t.Helper()
	pc, err := h.ListenPacket(0)
	if err != nil {
		t.Fatal(err)
	}
	pc.SetReadBuffer(4 << 20)
	e, err := ebb.NewEndpoint(pc, config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func receiveOne(l *ebb.Listener, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	return (&transfer.Receiver{Root: root}).Receive(context.Background(), conn)
}

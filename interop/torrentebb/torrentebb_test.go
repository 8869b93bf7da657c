package torrentebb_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/storage"

	"example.com/ebb/internal/lab/lossy"
	"example.com/ebb/interop/torrentebb"
)

var loss = flag.Float64("loss", 0, "the part of the packets that is lost in each direction, 0 to 1")

// patience is how long what has to happen may take.
const patience = 2 * time.Minute

// settings are those of a client that knows no way to a peer but Ebb.
func settings(dir string) *torrent.ClientConfig {
	c := torrent.NewDefaultClientConfig()
	c.DisableTCP, c.DisableUTP, c.NoDHT, c.DisableTrackers, c.DisableWebtorrent = true, true, true, true, true
	c.NoDefaultPortForwarding = true
	c.DefaultStorage = storage.NewFileOpts(storage.NewFileClientOpts{
		ClientBaseDir:   dir,
		PieceCompletion: storage.NewMapPieceCompletion(), // not a database, which waits for the disk
	})
	c.Seed = true
	// As much as the peer may ask for at once: 1024 blocks of 16 KiB. With less, as by default, this version stands still after a while,
	// over the kernel's TCP as over Ebb: it hands memory to requests in the order in which they came, waits for that of any one of them,
	// and does not answer those that have theirs.
	c.MaxAllocPeerRequestDataPerConn = 1024 * 16 << 10
	return c
}

// client is one with a socket of the network's.
func client(t *testing.T, n *lossy.Network) (c *torrent.Client, dir string) {
	t.Helper()
	dir = t.TempDir()
	c, err := torrent.NewClient(settings(dir))
	if err != nil {
		t.Fatal(err)
	}
	l := n.Listen()
	t.Cleanup(func() {
		for _, err := range c.Close() {
			t.Error(err)
		}
		l.Close()
	})
	torrentebb.New(l, n.Dialer(nil)).Attach(c)
	return c, dir
}

// digest is a file in short.
func digest(t *testing.T, file string) (sum [32]byte, size int64) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil)), size
}

// described is a file of noise and what a torrent says of it.
func described(t *testing.T, file string, size int) *metainfo.MetaInfo {
	t.Helper()
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(b)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	info := metainfo.Info{PieceLength: 128 << 10}
	if err := info.BuildFromFilePath(file); err != nil {
		t.Fatal(err)
	}
	encoded, err := bencode.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	return &metainfo.MetaInfo{InfoBytes: encoded}
}

// complete waits for all of a torrent.
func complete(t *testing.T, tor *torrent.Torrent) {
	t.Helper()
	select {
	case <-tor.Complete().On():
	case <-time.After(patience):
		t.Fatalf("%d bytes are missing after %s: %+v", tor.BytesMissing(), patience, tor.Stats().TorrentGauges)
	}
}

// TestTransfer: a client that has a file, and one that has only its description, gets it from the first, and shows it to a third.
func TestTransfer(t *testing.T) {
	size := 64 << 20
	if testing.Short() {
		size = 8 << 20
	}
	n := lossy.New(t, *loss, nil)
	first, dir := client(t, n)
	described := described(t, filepath.Join(dir, "file"), size)
	seed, err := first.AddTorrent(described)
	if err != nil {
		t.Fatal(err)
	}
	complete(t, seed)
	want, _ := digest(t, filepath.Join(dir, "file"))
	from := first
	for range 2 {
		next, dir := client(t, n)
		got, err := next.AddTorrent(described)
		if err != nil {
			t.Fatal(err)
		}
		if got.AddClientPeer(from) != 1 {
			t.Fatal("the peer has no address")
		}
		got.DownloadAll()
		complete(t, got)
		if sum, n := sum(t, dir); n != int64(size) || sum != want {
			t.Errorf("%d bytes of %d arrived, not the same", n, size)
		}
		from = next
	}
}

func sum(t *testing.T, dir string) ([32]byte, int64) { return digest(t, filepath.Join(dir, "file")) }

// TestDial: a socket that Listen has made is dialled by another, and errors are the dialler's.
func TestDial(t *testing.T) {
	lossy.New(t, 0, nil)
	a, err := torrentebb.Listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := torrentebb.Listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := b.Dial(t.Context(), a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := a.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, addr := range []net.Addr{a.Addr(), c.RemoteAddr(), s.RemoteAddr()} {
		if addr.Network() != b.DialerNetwork() {
			t.Errorf("%s is of network %s, want %s", addr, addr.Network(), b.DialerNetwork())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := b.Dial(ctx, a.Addr().String()); err == nil {
		c.Close()
		t.Error("a dial that was cancelled: no error")
	}
}

package libp2pebb_test

import (
	"context"
	"crypto/rand"
	"flag"
	"net"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	testsuite "github.com/libp2p/go-libp2p/p2p/transport/testsuite"
	ma "github.com/multiformats/go-multiaddr"

	"example.com/ebb"
	"example.com/ebb/internal/lab/lossy"
	"example.com/ebb/interop/libp2pebb"
)

var loss = flag.Float64("loss", 0, "the part of the packets that is lost in each direction, 0 to 1")

// anyPort is where listeners of tests listen.
const anyPort = "/ip4/127.0.0.1/udp/0/ebb"

// lossyListens listens on a lossy network's sockets, whatever the address.
type lossyListens struct{ n *lossy.Network }

func (l lossyListens) Listen(context.Context, string, string) (net.Listener, error) {
	return l.n.Listen(), nil
}

// options has a transport use a network that loses packets, if that is asked for; without it the transport is used as it is.
func options(t *testing.T) []libp2pebb.Option {
	n := lossy.New(t, *loss, nil)
	if *loss == 0 {
		return nil
	}
	return []libp2pebb.Option{libp2pebb.WithDialer(n.Dialer(nil)), libp2pebb.WithListenConfig(lossyListens{n})}
}

// identity is a new peer.
func identity(t *testing.T) (peer.ID, crypto.PrivKey) {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id, key
}

// upgrades is Noise and yamux for the peer that has the key.
func upgrades(t *testing.T, key crypto.PrivKey) transport.Upgrader {
	t.Helper()
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	security, err := noise.New(noise.ID, key, muxers)
	if err != nil {
		t.Fatal(err)
	}
	u, err := upgrader.New([]sec.SecureTransport{security}, muxers, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// party is a peer with a transport.
func party(t *testing.T, options ...libp2pebb.Option) (peer.ID, *libp2pebb.Transport) {
	t.Helper()
	id, key := identity(t)
	tr, err := libp2pebb.New(upgrades(t, key), nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return id, tr
}

// TestTransportSuite: libp2p's own suite of transports, whole, with Noise and yamux, and nothing but default settings.
func TestTransportSuite(t *testing.T) {
	o := options(t)
	id, a := party(t, o...)
	_, b := party(t, o...)
	testsuite.SubtestTransport(t, a, b, anyPort, id)
}

func TestAddresses(t *testing.T) {
	_, tr := party(t)
	for addr, can := range map[string]bool{
		"/ip4/192.0.2.1/udp/4001/ebb":   true,
		"/ip6/2001:db8::1/udp/4001/ebb": true,
		"/ip4/192.0.2.1/udp/4001":       false,
		"/ip4/192.0.2.1/tcp/4001":       false,
		"/ip4/192.0.2.1/udp/1/quic-v1":  false,
		"/dns4/example.com/udp/1/ebb":   false, // libp2p looks names up before
	} {
		m := ma.StringCast(addr)
		if got := tr.CanDial(m); got != can {
			t.Errorf("CanDial(%s) = %v, want %v", addr, got, can)
		}
		if !can {
			if l, err := tr.Listen(m); err == nil {
				l.Close()
				t.Errorf("Listen(%s): no error", addr)
			}
			if _, err := tr.Dial(t.Context(), m, ""); err == nil {
				t.Errorf("Dial(%s): no error", addr)
			}
		}
	}
	if _, err := libp2pebb.New(nil, nil); err == nil {
		t.Error("New without an upgrader: no error")
	}
}

// TestConnection: the addresses of both sides are those that the other dials, and connections are what WithConfig says.
func TestConnection(t *testing.T) {
	lossy.New(t, 0, nil)
	id, a := party(t, libp2pebb.WithConfig(&ebb.Config{BandwidthLimit: 1e6}))
	_, b := party(t)
	l, err := a.Listen(ma.StringCast(anyPort))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan transport.CapableConn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	c, err := b.Dial(t.Context(), l.Multiaddr(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := <-accepted
	if s == nil {
		return
	}
	defer s.Close()
	if !c.RemoteMultiaddr().Equal(l.Multiaddr()) || !s.RemoteMultiaddr().Equal(c.LocalMultiaddr()) || !b.CanDial(s.RemoteMultiaddr()) {
		t.Errorf("the client is %s and sees %s; the server is %s and sees %s",
			c.LocalMultiaddr(), c.RemoteMultiaddr(), l.Multiaddr(), s.RemoteMultiaddr())
	}
	if c.RemotePeer() != id || c.Transport() != transport.Transport(b) {
		t.Errorf("the peer is %s by %v, want %s", c.RemotePeer(), c.Transport(), id)
	}
}

// refuses is a resource manager that admits nothing.
type refuses struct{ *network.NullResourceManager }

func (refuses) OpenConnection(network.Direction, bool, ma.Multiaddr) (network.ConnManagementScope, error) {
	return nil, network.ErrResourceLimitExceeded
}

// TestResourceManager: a connection that the resource manager refuses is not dialled.
func TestResourceManager(t *testing.T) {
	_, key := identity(t)
	tr, err := libp2pebb.New(upgrades(t, key), refuses{new(network.NullResourceManager)}, libp2pebb.WithDialer(forbidden{t}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Dial(t.Context(), ma.StringCast("/ip4/127.0.0.1/udp/9/ebb"), "p"); err != network.ErrResourceLimitExceeded {
		t.Errorf("Dial: %v, want %v", err, network.ErrResourceLimitExceeded)
	}
}

// forbidden is a dialer that must not be used.
type forbidden struct{ t *testing.T }

func (f forbidden) DialContext(_ context.Context, _, address string) (net.Conn, error) {
	f.t.Errorf("%s is dialled", address)
	return nil, net.ErrClosed
}

// Package libp2pebb is a transport of go-libp2p whose peers meet over Ebb:
//
//	h, err := libp2p.New(
//		libp2p.Transport(libp2pebb.New),
//		libp2p.ListenAddrStrings("/ip4/0.0.0.0/udp/4001/ebb"),
//	)
//
// Its addresses end in /udp/PORT/ebb. Security and streams are what the host's other upgraded transports use, as over TCP: Noise or TLS, and
// yamux. The package is a module of its own, so that libp2p is no dependency of Ebb.
package libp2pebb

import (
	"context"
	"fmt"
	"net"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	ma "github.com/multiformats/go-multiaddr"
	mafmt "github.com/multiformats/go-multiaddr-fmt"
	manet "github.com/multiformats/go-multiaddr/net"

	"example.com/ebb"
)

// Code is the number of the protocol "ebb" in a multiaddr. It is of multicodec's range for private use (0x300000 to 0x3fffff): all
// peers that use this package agree on it, and nobody else has to.
const Code = 0x30ebb0

// Dialer makes connections of Ebb. *ebb.Dialer is one.
type Dialer interface {
	// DialContext connects to an address, IP and port, in a network, which is udp4 or udp6, until the context is done.
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// ListenConfig makes listeners of Ebb. *ebb.ListenConfig is one.
type ListenConfig interface {
	// Listen listens on an address, IP and port, in a network, which is udp4 or udp6.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
}

// Transport is the transport. Its methods may be called by any number of goroutines.
type Transport struct {
	upgrader transport.Upgrader
	manager  network.ResourceManager
	dialer   Dialer
	listens  ListenConfig
}

var _ transport.Transport = (*Transport)(nil)

// Option is a setting of a Transport.
type Option func(*Transport)

// WithConfig sets the configuration of connections, dialled and accepted, instead of Ebb's defaults, by which one sends at most
// 10 MB/s. Config.TLS is best left nil: libp2p protects connections itself.
func WithConfig(config *ebb.Config) Option {
	return func(t *Transport) {
		t.dialer, t.listens = &ebb.Dialer{Config: config}, &ebb.ListenConfig{Config: config}
	}
}

// WithDialer sets what dials, for instance an *ebb.Dialer with an Endpoint that the program has for other things too.
func WithDialer(d Dialer) Option { return func(t *Transport) { t.dialer = d } }

// WithListenConfig sets what listens.
func WithListenConfig(lc ListenConfig) Option { return func(t *Transport) { t.listens = lc } }

// New makes a transport. It is what libp2p.Transport takes, with options after it. manager may be nil: then nothing is limited.
func New(upgrader transport.Upgrader, manager network.ResourceManager, options ...Option) (*Transport, error) {
	if upgrader == nil {
		return nil, fmt.Errorf("libp2pebb: no upgrader: Ebb's connections need one for security and streams")
	}
	if manager == nil {
		manager = &network.NullResourceManager{}
	}
	t := &Transport{upgrader: upgrader, manager: manager, dialer: new(ebb.Dialer), listens: new(ebb.ListenConfig)}
	for _, o := range options {
		o(t)
	}
	return t, nil
}

// addresses are those that the transport knows: an IP address, a port of UDP, and ebb.
var addresses = mafmt.And(mafmt.IP, mafmt.Base(ma.P_UDP), mafmt.Base(Code))

// suffix is what follows the port.
var suffix = register()

// register makes "ebb" known to package multiaddr, whose table has no lock: it is called before any goroutine of a program runs.
func register() ma.Multiaddr {
	if p := ma.ProtocolWithCode(Code); p.Code == 0 {
		if err := ma.AddProtocol(ma.Protocol{Name: "ebb", Code: Code, VCode: ma.CodeToVarint(Code)}); err != nil {
			panic(fmt.Sprintf("BUG: libp2pebb: %v", err))
		}
	}
	return ma.StringCast("/ebb")
}

// CanDial reports whether addr is an IP address, a port of UDP, and ebb.
func (t *Transport) CanDial(addr ma.Multiaddr) bool { return addresses.Matches(addr) }

// Protocols returns Code.
func (t *Transport) Protocols() []int { return []int{Code} }

// Proxy returns false.
func (t *Transport) Proxy() bool { return false }

// String returns "Ebb".
func (t *Transport) String() string { return "Ebb" }

// Dial connects to a peer, which proves that it is p.
func (t *Transport) Dial(ctx context.Context, addr ma.Multiaddr, p peer.ID) (transport.CapableConn, error) {
	scope, err := t.manager.OpenConnection(network.DirOutbound, true, addr)
	if err != nil {
		return nil, err
	}
	c, err := t.dial(ctx, addr, p, scope)
	if err != nil {
		scope.Done()
		return nil, err
	}
	return c, nil
}

func (t *Transport) dial(ctx context.Context, addr ma.Multiaddr, p peer.ID, scope network.ConnManagementScope) (transport.CapableConn, error) {
	if err := scope.SetPeer(p); err != nil {
		return nil, err
	}
	netname, host, err := endpoint(addr)
	if err != nil {
		return nil, err
	}
	c, err := t.dialer.DialContext(ctx, netname, host)
	if err != nil {
		return nil, err
	}
	mc, err := wrap(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	direction := network.DirOutbound
	if both, client, _ := network.GetSimultaneousConnect(ctx); both && !client {
		direction = network.DirInbound
	}
	return t.upgrader.Upgrade(ctx, t, mc, direction, p, scope) // closes mc if it fails
}

// Listen listens on addr, whose port may be 0.
func (t *Transport) Listen(addr ma.Multiaddr) (transport.Listener, error) {
	netname, host, err := endpoint(addr)
	if err != nil {
		return nil, err
	}
	l, err := t.listens.Listen(context.Background(), netname, host)
	if err != nil {
		return nil, err
	}
	own, err := named(l.Addr())
	if err != nil {
		l.Close()
		return nil, err
	}
	return t.upgrader.UpgradeGatedMaListener(t, t.upgrader.GateMaListener(&listener{l, own})), nil
}

// endpoint is an address as package ebb takes it.
func endpoint(addr ma.Multiaddr) (netname, host string, err error) {
	if !addresses.Matches(addr) {
		return "", "", fmt.Errorf("libp2pebb: %s is no address of Ebb's, want /ip4/ADDRESS/udp/PORT/ebb or ip6", addr)
	}
	return manet.DialArgs(addr.Decapsulate(suffix))
}

// named is an address of a socket as a multiaddr.
func named(a net.Addr) (ma.Multiaddr, error) {
	if tcp, ok := a.(*net.TCPAddr); ok { // of somebody's own dialer, whose network is tcp
		a = &net.UDPAddr{IP: tcp.IP, Port: tcp.Port, Zone: tcp.Zone}
	}
	m, err := manet.FromNetAddr(a)
	if err != nil {
		return nil, fmt.Errorf("libp2pebb: the address %s: %w", a, err)
	}
	return m.Encapsulate(suffix), nil
}

// conn is a connection with its addresses.
type conn struct {
	net.Conn
	local, remote ma.Multiaddr
}

var _ manet.Conn = (*conn)(nil)

func wrap(c net.Conn) (*conn, error) {
	local, err := named(c.LocalAddr())
	if err != nil {
		return nil, err
	}
	remote, err := named(c.RemoteAddr())
	if err != nil {
		return nil, err
	}
	return &conn{c, local, remote}, nil
}

func (c *conn) LocalMultiaddr() ma.Multiaddr  { return c.local }
func (c *conn) RemoteMultiaddr() ma.Multiaddr { return c.remote }

// listener is a listener with its address.
type listener struct {
	net.Listener
	own ma.Multiaddr
}

var _ manet.Listener = (*listener)(nil)

func (l *listener) Multiaddr() ma.Multiaddr { return l.own }

func (l *listener) Accept() (manet.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	mc, err := wrap(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	return mc, nil
}

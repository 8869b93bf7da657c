package ebb

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/udp"
)

// Dial connects to an address, as net.Dial does. Networks are udp, udp4, udp6
// and, meaning the same, tcp, tcp4 and tcp6. The connection is a *Conn and has
// a socket of its own.
func Dial(network, address string) (net.Conn, error) {
	return new(Dialer).Dial(network, address)
}

// DialTimeout is Dial with a bound on the time it takes.
func DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	d := Dialer{Timeout: timeout}
	return d.Dial(network, address)
}

// DialContext is Dial until the context is done; the connection does not
// depend on it. The function fits http.Transport.DialContext.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return new(Dialer).DialContext(ctx, network, address)
}

// Dialer is the options of Dial. It may be used by any number of goroutines.
type Dialer struct {
	// Config is the settings of the connections; nil for the defaults. With
	// Endpoint it is ignored: an endpoint's connections have its own.
	Config *Config
	// LocalAddr is where to dial from, a *net.UDPAddr or *net.TCPAddr whatever the network; nil for
	// any address and port. With Endpoint it is ignored.
	LocalAddr net.Addr
	// Timeout bounds a dial, all addresses of a name together; 0 for none.
	// Config.HandshakeTimeout bounds each address.
	Timeout time.Duration
	// Endpoint is the socket to dial from. nil: each connection has its own,
	// which closes with it.
	Endpoint *Endpoint
}

// Dial connects to an address.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to an address until the context is done. The addresses
// of a name are tried in turn, each for its share of the time that is left.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	udpNetwork, err := networkOf(network)
	if err != nil {
		return nil, d.opError(network, err)
	}
	if d.Endpoint != nil {
		udpNetwork = d.Endpoint.reach(udpNetwork)
	}
	cfg, err := d.Config.resolved()
	if err != nil {
		return nil, d.opError(network, err)
	}
	local, err := d.localAddr()
	if err != nil {
		return nil, d.opError(network, err)
	}
	addrs, err := resolveRemote(ctx, udpNetwork, address, local)
	if err != nil {
		return nil, d.opError(network, err)
	}
	var first error
	for i, remote := range addrs {
		c, err := d.dialOne(share(ctx, len(addrs)-i), network, udpNetwork, local, remote, cfg)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// dialOne tries one address.
func (d *Dialer) dialOne(s sharedContext, network, udpNetwork string, local *net.UDPAddr, remote netip.AddrPort, cfg Config) (net.Conn, error) {
	defer s.cancel()
	failed := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Source: d.LocalAddr, Addr: nameOf(network).addr(remote), Err: err}
	}
	switch {
	case s.Err() != nil:
		return nil, failed(cancelled(s))
	case remote.Port() == 0: // where no TCP can listen either
		return nil, failed(os.NewSyscallError(callConnect, syscall.ECONNREFUSED))
	}
	e := d.shared()
	if e == nil {
		sock, err := udp.Dial(udpNetwork, local, net.UDPAddrFromAddrPort(remote), cfg.socketOptions())
		if err != nil {
			return nil, failed(inner(err))
		}
		e = startEndpoint([]*udp.Socket{sock}, network, cfg, true)
	}
	c, err := e.dial(s, network, remote)
	runtime.KeepAlive(d.Endpoint)
	if err != nil {
		if d.Endpoint == nil {
			e.Close() // if it has not closed itself
			<-e.freed
			err = failed(inner(err)) // whose socket's address means nothing
		}
		return nil, err
	}
	return c.handle(), nil
}

// shared is the endpoint to dial from; nil: there is none.
func (d *Dialer) shared() *endpoint {
	if d.Endpoint == nil {
		return nil
	}
	return d.Endpoint.endpoint
}

func (d *Dialer) localAddr() (*net.UDPAddr, error) {
	a, ok := udpAddrOf(d.LocalAddr)
	if !ok {
		return nil, &net.AddrError{Err: "Dialer.LocalAddr is neither a *net.UDPAddr nor a *net.TCPAddr", Addr: d.LocalAddr.String()}
	}
	return a, nil
}

func (d *Dialer) opError(network string, err error) error {
	return &net.OpError{Op: "dial", Net: network, Source: d.LocalAddr, Err: err}
}

// sharedContext is a context with the end of one attempt.
type sharedContext struct {
	context.Context
	cancel context.CancelFunc
}

// share bounds one of n attempts that have to be made in the time left. Two
// seconds are tried in any case: a shorter attempt fails too often.
func share(ctx context.Context, n int) sharedContext {
	if deadline, ok := ctx.Deadline(); ok && n > 1 {
		attempt, cancel := context.WithTimeout(ctx, max(time.Until(deadline)/time.Duration(n), 2*time.Second))
		return sharedContext{attempt, cancel}
	}
	return sharedContext{ctx, func() {}}
}

// dialling is a dial that somebody waits for. It is guarded by endpoint.mu.
type dialling struct {
	ready chan struct{} // closed when the books say what became of it; nil: nobody dials
	conn  *conn         // what the dial returns; nil: it failed, or was given up
}

// dial connects to an address and waits for the handshake. Its network is what
// errors call it.
func (e *endpoint) dial(ctx context.Context, network string, remote netip.AddrPort) (*conn, error) {
	failed := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Source: e.addrOn(nameOf(network)), Addr: nameOf(network).addr(remote), Err: err}
	}
	c, err := e.startDial(network, remote)
	if err != nil {
		return nil, failed(err)
	}
	select {
	case <-c.dial.ready:
	case <-ctx.Done():
	}
	e.mu.Lock()
	gaveUp := e.books.GiveUp(c.id())
	got := c.dial.conn
	c.dial = dialling{}
	e.mu.Unlock()
	switch {
	case got != nil:
		got.showAs(nameOf(network))
		return got, nil
	case gaveUp:
		c.Abort()
		return nil, failed(cancelled(ctx))
	}
	c.mu.Lock()
	err = c.driver.Conn.Err()
	c.mu.Unlock()
	return nil, failed(explained(callConnect, err))
}

// startDial makes a connection and sends its INITIAL.
func (e *endpoint) startDial(network string, remote netip.AddrPort) (*conn, error) {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return nil, net.ErrClosed
	}
	s := e.sockets[e.random.Uint64()%uint64(len(e.sockets))]
	now, path := e.now(), core.Path{Local: e.local, Remote: remote}
	c := newConn(e, s, path)
	c.network.Store(uint32(nameOf(network)))
	c.dial.ready = make(chan struct{})
	c.driver.Start(now, e.books.Dial(now, &c.settings.core, path, c))
	e.mu.Unlock()
	e.recallReader(s)
	if s.Interruptible() {
		e.report(c, c.begin())
		return c, nil
	}
	e.goroutines.start(func() { // a PacketConn may wait, but the dial has its context
		t := c.begin()
		e.goroutines.outside(func() { e.report(c, t) })
	})
	return c, nil
}

// begin sends the INITIAL of a dial, and returns what is to be reported.
func (c *conn) begin() core.Topic {
	c.mu.Lock()
	return c.step(c.endpoint.now())
}

// reach narrows a network to the addresses that the endpoint's socket can send
// to.
func (e *endpoint) reach(udpNetwork string) string {
	switch a := e.local.Addr(); {
	case udpNetwork != "udp":
	case a.Is4():
		return "udp4"
	case !a.IsUnspecified():
		return "udp6"
	}
	return udpNetwork
}

// resolveLocal is the address to listen on; no host means all of them.
func resolveLocal(ctx context.Context, udpNetwork, address string) (*net.UDPAddr, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, udpNetwork, service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		return &net.UDPAddr{Port: port}, nil
	}
	addrs, err := lookUp(ctx, udpNetwork, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs { // as net.Listen does, IPv4 if there is a choice
		if a.Is4() {
			return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port))), nil
		}
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrs[0], uint16(port))), nil
}

// resolveRemote is the addresses to dial, in order, at least one. No host, or an
// unspecified one, means this machine.
func resolveRemote(ctx context.Context, udpNetwork, address string, local *net.UDPAddr) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, udpNetwork, service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "127.0.0.1"
		if strings.HasSuffix(udpNetwork, "6") {
			host = "::1"
		}
	}
	addrs, err := lookUp(ctx, udpNetwork, host)
	if err != nil {
		return nil, err
	}
	var remotes []netip.AddrPort
	for _, a := range addrs {
		switch {
		case a == netip.IPv4Unspecified():
			a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case a == netip.IPv6Unspecified():
			a = netip.IPv6Loopback()
		}
		if local == nil || local.IP == nil || local.IP.IsUnspecified() || a.Is4() == (local.IP.To4() != nil) {
			remotes = append(remotes, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(remotes) == 0 {
		return nil, &net.AddrError{Err: "no address of the family of Dialer.LocalAddr", Addr: address}
	}
	return remotes, nil
}

// lookUp is the addresses of a host that the network can reach, at least one.
func lookUp(ctx context.Context, udpNetwork, host string) ([]netip.Addr, error) {
	found, err := net.DefaultResolver.LookupIPAddr(ctx, host) // LookupNetIP would drop the zone
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, f := range found {
		a, ok := netip.AddrFromSlice(f.IP)
		if !ok {
			continue
		}
		a = udp.Canonical(netip.AddrPortFrom(a.Unmap().WithZone(f.Zone), 0)).Addr()
		if udpNetwork == "udp" || a.Is4() == strings.HasSuffix(udpNetwork, "4") {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, &net.AddrError{Err: "no suitable address for " + udpNetwork, Addr: host}
	}
	return addrs, nil
}

package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"example.com/ebb"
	"example.com/ebb/internal/untrusted"
	"example.com/ebb/limits"
	"example.com/ebb/peerid"
)

// places are the peers that are served at once: so many in all, and so many of one host, or of one identity if who may come is
// listed: anybody can make up identities, but not those. Methods may be called from any number of goroutines.
type places struct {
	total, perHost int // limits
	listed         bool

	mu     sync.Mutex
	taken  int
	ofHost map[limits.Peer]int // none that are 0
}

func newPlaces(total, perHost int) *places {
	return &places{total: total, perHost: perHost, ofHost: make(map[limits.Peer]int)}
}

// takeFor gives the peer of a connection a place, or says why there is none. Each place is released once.
func (p *places) takeFor(conn net.Conn) (release func(), err error) {
	if secure, ok := conn.(*ebb.SecureConn); ok && p.listed {
		if id, err := peerid.Of(secure.ConnectionState()); err == nil {
			return p.take(limits.IdentityOf(id), "identity")
		}
	}
	return p.take(limits.PeerOf(addrOf(conn.RemoteAddr())), "address")
}

// take is takeFor a peer. kind is what it is told by.
func (p *places) take(host limits.Peer, kind string) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ofHost[host] >= p.perHost:
		return nil, fmt.Errorf("%d of %d places of your %s are taken: try again later", p.ofHost[host], p.perHost, kind)
	case p.taken >= p.total:
		return nil, fmt.Errorf("%d of %d places are taken: try again later", p.taken, p.total)
	}
	p.taken++
	p.ofHost[host]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		if p.ofHost[host]--; p.ofHost[host] == 0 {
			delete(p.ofHost, host)
		}
	}, nil
}

// addrOf is the IP address of a peer; not valid if it has none.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// networks is an allow-list: the flag --from.
type networks []netip.Prefix

// Type implements pflag.Value.
func (n *networks) Type() string { return "network" }

// String implements pflag.Value.
func (n *networks) String() string {
	if len(*n) == 0 {
		return ""
	}
	return fmt.Sprint([]netip.Prefix(*n))
}

// Set implements pflag.Value: it adds a network such as 192.0.2.0/24, or an address.
func (n *networks) Set(text string) error {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap()
		*n = append(*n, netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return fmt.Errorf("want an address or a network such as 192.0.2.0/24")
	}
	*n = append(*n, prefix.Masked())
	return nil
}

// admit reports whether an address is in one of the networks, or there are none.
func (n networks) admit(a netip.Addr) bool {
	for _, prefix := range n {
		if prefix.Contains(a.WithZone("")) {
			return true
		}
	}
	return len(n) == 0
}

const (
	// grumbleRate is how many lines about strangers' faults are written in a second, and grumbleBurst how
	// many at once, so that nobody fills a log.
	grumbleRate  = 2
	grumbleBurst = 100
)

// grumbler writes lines about what peers have done wrong, fewer than they would like. Its owner's lock guards it.
type grumbler struct {
	w       io.Writer
	command string
	limiter *rate.Limiter
	omitted int
}

func newGrumbler(w io.Writer, command string) *grumbler {
	return &grumbler{w: w, command: command, limiter: rate.NewLimiter(grumbleRate, grumbleBurst)}
}

// printf writes a line, or counts it among those that were left out.
func (g *grumbler) printf(now time.Time, format string, args ...any) {
	if !g.limiter.AllowN(now, 1) {
		g.omitted++
		return
	}
	g.flush()
	line := strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintln(g.w, untrusted.Escaped(line))
}

// flush says how many lines were left out.
func (g *grumbler) flush() {
	if g.omitted > 0 {
		fmt.Fprintf(g.w, "ebb %s: %d lines more about what was refused or has failed were left out\n", g.command, g.omitted)
		g.omitted = 0
	}
}

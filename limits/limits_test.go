package limits

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/machine"
)

// gig is a machine with 1 GiB, of which an eighth is 128 MiB.
var gig = machine.Size{Memory: 1 << 30, Descriptors: 1000}

func manager(t testing.TB, c Config) *Manager {
	t.Helper()
	if c.Allow == nil {
		c.Allow = []netip.Prefix{}
	}
	c.Seed = 1
	m, err := newManager(c, gig)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func endpoint(t testing.TB, m *Manager) *Endpoint {
	t.Helper()
	e, err := m.Endpoint("192.0.2.1:443", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// addr is the nth address of a network of its own for every 256.
func addr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(n >> 16), byte(n >> 8), byte(n)})
}

// establish makes an inbound connection that is complete.
func establish(t testing.TB, e *Endpoint, from netip.Addr) *Conn {
	t.Helper()
	c, err := e.Inbound(0, from, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Establish(0); err != nil {
		t.Fatal(err)
	}
	return c
}

// atZero fails if anything is held, or any peer is still in the table.
func atZero(t testing.TB, m *Manager) {
	t.Helper()
	s := m.Snapshot()
	if len(s.Networks)+len(s.Peers)+len(s.Identities) != 0 {
		t.Errorf("%d networks, %d peers and %d identities are left", len(s.Networks), len(s.Peers), len(s.Identities))
	}
	for _, u := range append(s.Endpoints, s.Process) {
		for r, b := range u.All() {
			if b.Used != 0 {
				t.Errorf("%s: %d %v in use, want 0", u.Scope, b.Used, r)
			}
		}
	}
	if s.Opened != s.Released {
		t.Errorf("%d connections were opened and %d released", s.Opened, s.Released)
	}
}

func TestPeersAreAddressesOrPrefixes(t *testing.T) {
	for _, c := range []struct{ addr, peer, network string }{
		{"192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		{"::ffff:192.0.2.7", "192.0.2.7", "192.0.2.0/24"},
		{"2001:db8:1:2ff::7", "2001:db8:1:200::/56", "2001:db8:1::/48"},
		{"2001:db8:1:200:ffff::1", "2001:db8:1:200::/56", "2001:db8:1::/48"},
		{"fe80::1%eth0", "fe80::/56", "fe80::/48"},
		{"::1", "::/56", "::/48"},
	} {
		p := PeerOf(netip.MustParseAddr(c.addr))
		if p.String() != c.peer || p.Network().String() != c.network {
			t.Errorf("%s is %v in %v, want %s in %s", c.addr, p, p.Network(), c.peer, c.network)
		}
		if !p.Prefix().Contains(netip.MustParseAddr(c.addr).Unmap().WithZone("")) {
			t.Errorf("%v does not contain %s", p.Prefix(), c.addr)
		}
	}
	if p := PeerOf(netip.Addr{}); p != (Peer{}) || p.String() != "nobody" || p.Network() != p || p.Prefix().IsValid() {
		t.Errorf("no address is %v in %v", p, p.Network())
	}
	id := IdentityOf([32]byte{0xab, 0xcd})
	if id.String() != "abcd000000000000" || id.Network() != (Peer{}) || !id.IsIdentity() || id.Prefix().IsValid() {
		t.Errorf("an identity is %v in %v", id, id.Network())
	}
	// In different families the same bytes are different peers.
	if a, b := PeerOf(netip.MustParseAddr("1.2.3.0")), PeerOf(netip.MustParseAddr("102:300::")); a == b || a.Compare(b) >= 0 || b.Compare(a) <= 0 {
		t.Errorf("%v and %v are one peer", a, b)
	}
}

// TestRefusalsNameScopeLimitAndUse has each limit of each scope reached.
func TestRefusalsNameScopeLimitAndUse(t *testing.T) {
	two := func(e *Endpoint, n int) error { // the nth connection, half-open
		_, err := e.Inbound(0, addr(n), true)
		return err
	}
	complete := func(e *Endpoint, n int) error {
		c, err := e.Inbound(0, addr(n), true)
		if err != nil {
			return err
		}
		return c.Establish(0)
	}
	dial := func(e *Endpoint, n int) error {
		_, err := e.Outbound(addr(n))
		return err
	}
	far, near, same := 256, 1, 0
	for _, c := range []struct {
		config  Config
		apart   int // how far the addresses are from each other
		open    func(*Endpoint, int) error
		want    string
		level   Level
		lasting bool
	}{
		{Config{Process: Limits{Inbound: 2}}, far, complete, "limits: 2 of 2 inbound connections in use (process)", LevelProcess, true},
		{Config{Process: Limits{Outbound: 2}}, far, dial, "limits: 2 of 2 outbound connections in use (process)", LevelProcess, true},
		{Config{Process: Limits{HalfOpen: 2}}, far, two, "limits: 2 of 2 half-open connections in use (process)", LevelProcess, false},
		{Config{Process: Limits{Handshakes: 2}}, far, two, "limits: more than 2 handshakes a second (process)", LevelProcess, false},
		{Config{Endpoint: Limits{Inbound: 2}}, far, complete, "limits: 2 of 2 inbound connections in use (endpoint 192.0.2.1:443)", LevelEndpoint, true},
		{Config{Network: Limits{Inbound: 2}}, near, complete, "limits: 2 of 2 inbound connections in use (network 198.0.0.0/24)", LevelNetwork, true},
		{Config{Network: Limits{Handshakes: 2}}, near, two, "limits: more than 2 handshakes a second (network 198.0.0.0/24)", LevelNetwork, false},
		{Config{Peer: Limits{Connections: 2}}, same, complete, "limits: 2 of 2 connections in use (peer 198.0.0.0)", LevelPeer, true},
		{Config{Peer: Limits{HalfOpen: 2}}, same, two, "limits: 2 of 2 half-open connections in use (peer 198.0.0.0)", LevelPeer, false},
		{Config{Peer: Limits{Handshakes: 2}}, same, two, "limits: more than 2 handshakes a second (peer 198.0.0.0)", LevelPeer, false},
		{Config{Process: Limits{Memory: 3 * Overhead, Inbound: 9, HalfOpen: 9}, Peer: unlimited(), Network: unlimited()}, far, two,
			"limits: 16384 of 24576 bytes of memory in use, 21504 for this priority (process)", LevelProcess, true},
	} {
		m := manager(t, c.config)
		e := endpoint(t, m)
		for i := range 2 {
			if err := c.open(e, i*c.apart); err != nil {
				t.Errorf("connection %d of 2 under %q: %v", i, c.want, err)
			}
		}
		err := c.open(e, 2*c.apart)
		refusal, ok := errors.AsType[*Error](err)
		if !ok || err.Error() != c.want || !errors.Is(err, ErrLimit) || refusal.Level != c.level || refusal.Lasting() != c.lasting {
			t.Errorf("the third connection: %#v, want %q", err, c.want)
			continue
		}
		s := m.Snapshot()
		if got := s.Totals[c.level].book(refusal.Resource).Refused; got != 1 {
			t.Errorf("%q: %d refusals are counted, want 1", c.want, got)
		}
	}
}

// TestAFullPeerHasNoInitialLookedAt: that there is no place for a connection is known before its handshake, and nothing is taken
// for it.
func TestAFullPeerHasNoInitialLookedAt(t *testing.T) {
	m := manager(t, Config{Peer: Limits{Connections: 1}})
	e := endpoint(t, m)
	c := establish(t, e, addr(1))
	before := m.Snapshot()
	if _, err := e.Inbound(0, addr(1), false); err == nil || !err.(*Error).Lasting() {
		t.Errorf("the second connection: %v", err)
	}
	if got := m.Snapshot(); got.Process.Memory != before.Process.Memory || got.Process.HalfOpen != before.Process.HalfOpen {
		t.Errorf("a refused INITIAL holds %+v", got.Process)
	}
	c.Release()
	establish(t, e, addr(1)).Release()
	atZero(t, m)
}

func TestAnEndpointMayHaveLimitsOfItsOwn(t *testing.T) {
	m := manager(t, Config{Endpoint: Limits{HalfOpen: 5}})
	own, err := m.Endpoint("a", Limits{HalfOpen: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Inbound(0, addr(1), true); err != nil {
		t.Fatal(err)
	}
	if _, err := own.Inbound(0, addr(2), true); err == nil {
		t.Error("an endpoint with one half-open place has two")
	}
	if got := m.Snapshot().Totals[LevelEndpoint].HalfOpen; got.Refused != 1 || got.Peak != 1 {
		t.Errorf("the totals of all endpoints: %+v", got)
	}
}

func TestDescriptors(t *testing.T) {
	m := manager(t, Config{Process: Limits{Descriptors: 3}})
	one, two := endpoint(t, m), endpoint(t, m)
	if err := one.OpenDescriptors(2); err != nil {
		t.Fatal(err)
	}
	err := two.OpenDescriptors(2)
	if want := "limits: 2 of 3 descriptors in use (process)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	one.Release()
	one.Release()
	if err := two.OpenDescriptors(2); err != nil {
		t.Error(err)
	}
	for _, err := range []error{one.OpenDescriptors(1), inboundError(one), outboundError(one)} {
		if !errors.Is(err, ErrReleased) {
			t.Errorf("of an endpoint that was released: %v", err)
		}
	}
	two.Release()
	atZero(t, m)
	if got := m.Snapshot().ReleasedAgain; got != 1 {
		t.Errorf("%d releases to no effect, want 1", got)
	}
}

func inboundError(e *Endpoint) error {
	_, err := e.Inbound(0, addr(1), true)
	return err
}

func outboundError(e *Endpoint) error {
	_, err := e.Outbound(addr(1))
	return err
}

// TestDefaultsFollowTheMachine: what Config says of its zero value.
func TestDefaultsFollowTheMachine(t *testing.T) {
	for _, c := range []struct {
		size                       machine.Size
		memory                     int64
		inbound, halfOpen, sockets int
	}{
		{gig, 128 << 20, 8192, 2048, 500},
		{machine.Size{Memory: 64 << 30, Descriptors: 1 << 20}, 8 << 30, 524288, 4096, 1 << 19},
		{machine.Size{Memory: 4 << 20}, 1 << 20, 64, 16, -1},
		{machine.Size{Memory: 1000}, 1 << 20, 64, 16, -1},
	} {
		got, err := Config{}.completed(c.size)
		if err != nil {
			t.Fatal(err)
		}
		want := Limits{
			Connections: -1, Inbound: c.inbound, Outbound: c.inbound, HalfOpen: c.halfOpen, Handshakes: -1,
			InboundStreams: -1, OutboundStreams: -1, Memory: c.memory, Descriptors: c.sockets,
		}
		if got.Process != want {
			t.Errorf("of %+v: %+v, want %+v", c.size, got.Process, want)
		}
		if got.Peer.Inbound != c.inbound/8 || got.Peer.Memory != c.memory/4 || got.Network.HalfOpen != c.halfOpen/4 || got.Identity != got.Peer {
			t.Errorf("of %+v: network %+v, peer %+v", c.size, got.Network, got.Peer)
		}
		again, err := got.completed(gig)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(got) {
			t.Errorf("complete limits are completed to others: %+v, %v", again, err)
		}
	}
}

func TestLimitsAreChecked(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Process: Limits{Memory: maxMemory + 1}}, "Config.Process has a limit of 1125899906842625 bytes of memory"},
		{Config{Peer: Limits{Handshakes: maxRate + 1}}, "Config.Peer has a limit of 1000000001 handshakes"},
		{Config{Allow: []netip.Prefix{{}}}, "Config.Allow has a prefix that is not valid"},
	} {
		if m, err := New(c.config); m != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want one that says %q", err, c.want)
		}
	}
	if _, err := manager(t, Config{}).Endpoint("", Limits{Memory: maxMemory + 1}); err == nil {
		t.Error("an endpoint has limits that are out of range")
	}
}

func TestPresets(t *testing.T) {
	for name, c := range map[string]struct { // order-free: each is on its own
		preset func() *Manager
		shared bool
	}{"Default": {Default, true}, "PeerNode": {PeerNode, false}, "Unlimited": {Unlimited, false}} {
		if one, another := c.preset(), c.preset(); (one == another) != c.shared {
			t.Errorf("two calls of %s return %p and %p", name, one, another)
		}
	}
	node := PeerNode().Config()
	if p := node.Process; p.Inbound != 1024 || p.Outbound != 512 || node.Peer.Connections != 8 || node.Identity.Connections != 8 ||
		node.Conn.InboundStreams != 128 || node.Conn.OutboundStreams != 256 || len(node.Allow) != 0 ||
		node.HealthCheck != 30*time.Second || node.StreamIdle != time.Minute {
		t.Errorf("PeerNode has %+v", node)
	}
	e := endpoint(t, Unlimited())
	for range 5000 {
		if c := establish(t, e, addr(1)); !c.Reserve(1<<30, OutOfOrder) {
			t.Fatal("Unlimited refuses memory")
		}
	}
	if m, err := New(Unlimited().Config()); err != nil || m.Config().Process.Memory != -1 {
		t.Errorf("a configuration without limits: %v", err)
	}
}

func TestSnapshotsArePlainValues(t *testing.T) {
	m := manager(t, Config{})
	e := endpoint(t, m)
	c := establish(t, e, addr(1))
	c.Reserve(100_000, FirstWindow)
	text, err := json.Marshal(m.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Level":"peer","Scope":"peer 198.0.0.1"`, `"Scope":"endpoint 192.0.2.1:443"`, `"Limit":8192`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if got := c.Usage(); got.Memory.Used != 100_000+Overhead || got.Inbound.Used != 1 || got.Connections.Used != 1 {
		t.Errorf("the connection's: %+v", got)
	}
	if got := e.Usage().Memory.Used; got < 100_000+Overhead || got > 100_000+Overhead+2*step {
		t.Errorf("the endpoint's memory: %d", got)
	}
}

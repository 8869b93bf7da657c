package limits

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"example.com/ebb/internal/machine"
)

// none is a limit that nothing reaches.
const none = math.MaxInt64

// The largest limits, besides none.
const (
	maxCount  = 1 << 40
	maxMemory = 1 << 50
	maxRate   = 1_000_000_000
)

// Limits is what one scope may hold. In each field 0 is the default, which is said at Config, and negative is no limit.
// What does not occur in a scope, such as the descriptors of a peer, is ignored there.
type Limits struct {
	Connections     int   // established, in both directions together
	Inbound         int   // established, made by peers
	Outbound        int   // made by us, from the first packet
	HalfOpen        int   // made by peers, before they are established; of a peer or network, with a proved address
	Handshakes      int   // begun by peers, a second, and as many at once; of a peer or network, with a proved address
	InboundStreams  int   // opened by peers
	OutboundStreams int   // opened by us
	Memory          int64 // bytes; see the package's documentation
	Descriptors     int   // sockets
}

// fields is the fields in the order of the resources.
func (l *Limits) fields() [resources]int64 {
	return [resources]int64{
		Connections: int64(l.Connections), Inbound: int64(l.Inbound), Outbound: int64(l.Outbound),
		HalfOpen: int64(l.HalfOpen), Handshakes: int64(l.Handshakes),
		InboundStreams: int64(l.InboundStreams), OutboundStreams: int64(l.OutboundStreams),
		Memory: l.Memory, Descriptors: int64(l.Descriptors),
	}
}

func (l *Limits) setFields(f [resources]int64) {
	*l = Limits{
		Connections: int(f[Connections]), Inbound: int(f[Inbound]), Outbound: int(f[Outbound]),
		HalfOpen: int(f[HalfOpen]), Handshakes: int(f[Handshakes]),
		InboundStreams: int(f[InboundStreams]), OutboundStreams: int(f[OutboundStreams]),
		Memory: f[Memory], Descriptors: int(f[Descriptors]),
	}
}

// bounds is complete limits as the scopes compare with them.
func (l *Limits) bounds() (b bounds) {
	for r, n := range l.fields() {
		if b[r] = n; n < 0 {
			b[r] = none
		}
	}
	return b
}

// or has every field that is 0 from d.
func (l Limits) or(d Limits) Limits {
	f, other := l.fields(), d.fields()
	for r := range f {
		if f[r] == 0 {
			f[r] = other[r]
		}
	}
	l.setFields(f)
	return l
}

// check says what is out of range.
func (l *Limits) check(scope string) error {
	for r, n := range l.fields() {
		most := int64(maxCount)
		switch Resource(r) {
		case Memory:
			most = maxMemory
		case Handshakes:
			most = maxRate
		}
		if n > most {
			return fmt.Errorf("limits: Config.%s has a limit of %d %v: want at most %d, or a negative one for none", scope, n, Resource(r), most)
		}
	}
	return nil
}

// unlimited is limits of which none limits.
func unlimited() (l Limits) {
	var f [resources]int64
	for r := range f {
		f[r] = -1
	}
	l.setFields(f)
	return l
}

// Config is the limits of every kind of scope. The zero value is what Default has: limits that follow from the memory of the
// machine (that of the container, or GOMEMLIMIT, if it is less) and from the descriptors that the process may open. M stands for
// Process.Memory.
type Config struct {
	// Process limits everything. By default Memory is an eighth of the machine's, which is taken for 1 GiB where
	// it is not known; Inbound and Outbound are one for each 16 KiB of M, HalfOpen one for each 64 KiB of it, but at most
	// 4096; Descriptors is half of what the process may open. The rest has no limit.
	Process Limits
	// Endpoint limits each endpoint and each listener, which may be given limits of their own. By default it has none.
	Endpoint Limits
	// Network limits the peers of each IPv4 /24 and IPv6 /48 together. By default they may have half of M, a
	// quarter of Process.Inbound and of Process.HalfOpen, and 1024 handshakes a second.
	Network Limits
	// Peer limits each IPv4 address and IPv6 /56. By default it may have a quarter of M, an eighth of Process.Inbound, a
	// sixteenth of Process.HalfOpen, and 256 handshakes a second. Whole companies and
	// mobile networks are one peer, behind one address.
	Peer Limits
	// Identity limits each identity that was proved, from whatever address. By default it is Peer.
	Identity Limits
	// Conn limits each connection: its streams and its memory. By default it has none.
	Conn Limits
	// Stream limits the memory of each stream. By default it has none.
	Stream Limits

	// Allow is the allowlist: addresses for which the limits of Network and Peer do not hold, nor their rate of
	// handshakes, and which have Reserve where Process or Endpoint is at its limit. Loopback is on it by default; an empty list that
	// is not nil has nobody.
	Allow []netip.Prefix
	// AllowIdentities is the same for identities. Who has one is known when its handshake is
	// nearly complete: while the list is not empty, strangers may begin handshakes though no place is left for a
	// connection, and are refused at the end.
	AllowIdentities [][32]byte
	// Reserve is what those on the allowlist may use beyond the limits of Process, and of each Endpoint. By default
	// it is an eighth of Process, and at least one of each resource. A reserve that is negative has no limit.
	Reserve Limits

	// HealthCheck is for how long a connection's applications may say nothing until the connection is checked: it
	// asks its peer for an answer, and goes on if that comes, or ends as any does whose peer does not answer.
	// It is not ebb.Config.IdleTimeout, which is about peers of which nothing is heard. Default: none.
	HealthCheck time.Duration
	// StreamIdle is for how long a stream may move no byte until it is reset. Default: none.
	StreamIdle time.Duration

	// Seed is for simulations that have to repeat: by which chance peers share a place in the table of rates. 0: a
	// random one.
	Seed uint64
}

// loopback is the default of Config.Allow.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// What a place for a connection is worth, in bytes of memory.
const (
	perConnection = 16 << 10
	perHalfOpen   = 64 << 10
	mostHalfOpen  = 4096
	leastMemory   = 256 << 10 // of a peer, by default
)

// completed returns a copy of the configuration in which nothing is left to a default, or says what is wrong with it.
func (c Config) completed(m machine.Size) (Config, error) {
	type part struct {
		name   string
		limits *Limits
	}
	for _, p := range []part{
		{"Process", &c.Process}, {"Endpoint", &c.Endpoint}, {"Network", &c.Network}, {"Peer", &c.Peer},
		{"Identity", &c.Identity}, {"Conn", &c.Conn}, {"Stream", &c.Stream}, {"Reserve", &c.Reserve},
	} {
		if err := p.limits.check(p.name); err != nil {
			return Config{}, err
		}
	}
	for _, prefix := range c.Allow {
		if !prefix.IsValid() {
			return Config{}, fmt.Errorf("limits: Config.Allow has a prefix that is not valid")
		}
	}
	c.Process = c.Process.or(machineLimits(c.Process.Memory, m)).or(unlimited())
	whole := c.Process
	c.Endpoint = c.Endpoint.or(unlimited())
	c.Network = c.Network.or(Limits{
		Inbound: share(whole.Inbound, 4), HalfOpen: share(whole.HalfOpen, 4), Handshakes: 1024, Memory: memoryShare(whole.Memory, 2),
	}).or(unlimited())
	c.Peer = c.Peer.or(Limits{
		Inbound: share(whole.Inbound, 8), HalfOpen: share(whole.HalfOpen, 16), Handshakes: 256, Memory: memoryShare(whole.Memory, 4),
	}).or(unlimited())
	c.Identity = c.Identity.or(c.Peer)
	c.Conn = c.Conn.or(unlimited())
	c.Stream = c.Stream.or(unlimited())
	c.Reserve = c.Reserve.or(eighth(whole))
	if c.Allow == nil {
		c.Allow = loopback()
	}
	c.Allow, c.AllowIdentities = slices.Clone(c.Allow), slices.Clone(c.AllowIdentities)
	return c, nil
}

// machineLimits is the limits that follow from a machine; memory is the limit of it, if one was set.
func machineLimits(memory int64, m machine.Size) Limits {
	if memory == 0 {
		memory = min(max(m.Memory/8, 1<<20), maxMemory)
	}
	l := Limits{Memory: memory, Descriptors: -1}
	if m.Descriptors > 0 {
		l.Descriptors = max(m.Descriptors/2, 1)
	}
	if memory < 0 {
		return l
	}
	l.Inbound = int(max(memory/perConnection, 1))
	l.Outbound = l.Inbound
	l.HalfOpen = int(min(max(memory/perHalfOpen, 1), mostHalfOpen))
	return l
}

// share is a part of a limit, at least 1; that of none is none.
func share[T int | int64](limit, parts T) T {
	if limit < 0 {
		return -1
	}
	return max(limit/parts, 1)
}

// memoryShare is a part of a limit of memory, in which a connection has room for a few first windows.
func memoryShare(limit, parts int64) int64 { return max(share(limit, parts), min(limit, leastMemory)) }

// eighth is the default reserve.
func eighth(whole Limits) Limits {
	f := whole.fields()
	for r := range f {
		f[r] = share(f[r], 8)
	}
	var l Limits
	l.setFields(f)
	return l
}

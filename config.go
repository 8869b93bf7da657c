package ebb

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"example.com/ebb/congestion"
	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/udp"
	"example.com/ebb/ledbat"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

const (
	// DefaultBandwidthLimit is the rate of a connection whose Config sets none,
	// in bytes per second.
	DefaultBandwidthLimit int64 = 10_000_000
	// Unlimited is a BandwidthLimit of none: only the congestion controller holds the
	// connection back, and its Pool. Any negative number means the same.
	Unlimited int64 = -1
)

// What the zero values of a Config stand for.
const (
	defaultKeepAlive        = 15 * time.Second
	defaultIdleTimeout      = 30 * time.Second
	defaultHandshakeTimeout = core.DefaultHandshakeTimeout
	defaultLingerTimeout    = 30 * time.Second
	defaultBuffer           = 16 << 20
	defaultDatagram4        = 1472 // Ethernet's 1500 bytes less the headers of IPv4 and UDP
	defaultDatagram6        = 1452 // the same with IPv6
	largestDatagram4        = 65507
	largestDatagram6        = 65527
	maxDSCP                 = 63
	defaultMaxLingering     = 16384
	maxSockets              = 64 // on one port: beyond any use, and 256 MiB of receive buffers
)

// Config is the settings of connections and of the endpoints they live on. A Config is copied
// where it is given and may be changed afterwards, to no effect on what was made from it. A nil
// *Config is the zero value.
//
// In all fields that are a number or a duration 0 is the default and negative is none: no limit,
// no timeout, no probe. Each field says what its default is, and what follows from none. A few
// cannot be none, because nothing works without them, and say so. What is out of range, such a
// negative number too, is an error of Dial, Listen and NewEndpoint.
type Config struct {
	// BandwidthLimit bounds the rate of each connection, in bytes of UDP
	// payload per second, retransmissions included. Default: DefaultBandwidthLimit, or
	// none beside a Pool. None: Unlimited.
	BandwidthLimit int64
	// TLS has the connections protected: by TLS 1.3, whatever its MinVersion says, and as much of every packet encrypted as can be.
	// It is what crypto/tls's clients and servers take: Dial needs a ServerName or takes the host that is dialled, Listen a certificate. A
	// side with TLS does not talk to one without. Session tickets resume connections as with crypto/tls; there is no early data. If
	// either side has NextProtos, they need a protocol in common. Package peerid makes one for peers that know each other by their keys. The
	// *tls.Config is cloned. nil: connections are plain.
	TLS *tls.Config
	// ResetKey has a restarted process tell its peers with TLS that their connections are gone, so that they end at once. It
	// has to be the same before and after, secret, and not shared by endpoints that are up at the same time on the same port number. nil: a random
	// one, and peers find out by silence or by ICMP.
	ResetKey *[32]byte

	// Pool is a budget that the connections share with all others that name it,
	// of whatever endpoint. It takes the place of the default BandwidthLimit; an
	// explicit one stays a ceiling. A connection is a member from the end of the
	// handshake until it has nothing left to do, which may be after Close. nil: none.
	Pool *pool.Pool
	// PoolWeight is the connections' weight in Pool, 1 to pool.MaxWeight. Default: 1. It cannot be
	// none.
	PoolWeight int

	// Congestion makes the congestion controller of each connection.
	// ledbat.Factory returns one for settings of LEDBAT, which yields; cubic.Factory, reno.Factory and
	// bbr.Factory those that compete as TCP does. Package congestion says what another has to be. Dial, Listen and NewEndpoint call it once more than there are
	// connections: they return what congestion.Check finds. Endpoints that share it may call it
	// at the same time. nil: ledbat.Factory(ledbat.Config{}).
	Congestion congestion.Factory

	// KeepAlive is the silence after which the side that dialled probes, so
	// that NATs on the way keep their bindings. Default: 15 s. None: it
	// probes only after IdleTimeout, as the other side does.
	KeepAlive time.Duration
	// IdleTimeout is how long a silence goes on despite probes until the
	// connection ends with ErrIdleTimeout. A connection whose probes are
	// answered lives for ever. Default: 30 s. None: it is never given up
	// for silence.
	IdleTimeout time.Duration
	// UserTimeout is how long what was sent may stay unacknowledged, though the peer be
	// heard, until the connection ends with ErrUserTimeout (RFC 5482): a path that lets only
	// small packets pass answers probes and carries no data. What the peer's
	// window, a limit or a Pool holds back does not count; a reader may pause for ever.
	// Default: as IdleTimeout, or 30 s if there is none. None: it may for as long as the peer is heard.
	UserTimeout time.Duration
	// HandshakeTimeout bounds the handshake, of a dial and of what a listener
	// was sent. A dial that gives way to the peer's own has as long again. Default: 10 s.
	// None: only the dial's context bounds a dial; for a listener the default stays.
	HandshakeTimeout time.Duration
	// LingerTimeout is how long a closed connection goes on without
	// progress in delivering what was written to it: 4 KiB, or all that is left. Default: 30 s. None:
	// until IdleTimeout ends it.
	LingerTimeout time.Duration

	// SendBuffer and ReceiveBuffer bound what a connection holds that the peer
	// has not acknowledged, or the application not read, in bytes. Both start
	// small and grow as the path needs. Default: 16 MiB. It cannot be none.
	SendBuffer, ReceiveBuffer int

	// MaxDatagramSize is the largest UDP payload that is tried on a path, in
	// bytes, 1200 to 65527. Every connection starts at 1200 and probes upwards. Default: 1472
	// over IPv4 and 1452 over IPv6, which is Ethernet's packet of 1500.
	// None: nothing larger than 1200 is tried. A path has to carry these 1200, which is an MTU of 1228
	// over IPv4 and 1248 over IPv6.
	MaxDatagramSize int

	// Backlog is how many established connections may wait for Accept before
	// the listener ignores new ones. A dial that was answered when the queue turns out to be full
	// goes on trying; after HandshakeTimeout the listener resets it. One that ends while
	// it waits, without an orderly end or bytes to read, leaves the queue. Each holds at most the
	// window that it offers before anything is read, 64 KiB or ReceiveBuffer, and some 8 KiB beside:
	// a full queue may cost 72 MiB by default. Default: 1024. None: any number wait.
	Backlog int
	// RetryThreshold is the number of unproven connections from which a dialler
	// has to prove its address, at the cost of a round trip, before the
	// listener spends memory on it. Default: 256. None: it never has to.
	RetryThreshold int

	// MaxHalfOpen is how many connections peers may have begun with an endpoint, whose handshake is not complete. When there are as
	// many, who has proved its address takes the place of one who has not, or has many; everybody else is met with silence, and
	// tries again. Default: 4096. None: Limits alone bound them.
	MaxHalfOpen int
	// Admit, if not nil, is asked about every connection that a peer opens, when state is about to be made for it: after all other
	// checks, and after the proof of the address if there is one. An error turns the peer away, whose dial fails with ECONNREFUSED. It is
	// asked once about a dial, however often that comes. It must return at once, and call no method of the endpoint, its listener or its
	// connections. nil: all are admitted.
	Admit func(Peer) error
	// Limits has the books of what connections may cost: how many there are, their memory, the sockets; in all, for each peer and for
	// each endpoint. A dial beyond a limit fails with a *limits.Error; a peer's is told that we are busy, or hears nothing. What a connection
	// sends and receives waits where memory is short. nil: limits.Default(), which all endpoints of the process share.
	Limits *limits.Manager
	// HealthCheck is for how long a connection may move no byte of the application's until the peer is asked for an answer. If it
	// acknowledges nothing for IdleTimeout then, the connection ends with ErrIdleTimeout: what it sends on its own is not enough. Default:
	// that of Limits, most often none. None: the peer is asked only after a silence.
	HealthCheck time.Duration
	// MaxAge is for how long a connection lives from the end of its handshake on, whatever it does. Then it ends with ErrMaxAge.
	// Default: none, it may live for ever.
	MaxAge time.Duration
	// MaxLingering is how many connections of an endpoint may be delivering what was written before their Close. When another is
	// closed, the one that was closed first gives up, with ErrNotDelivered. Default: 16384. None: any number.
	MaxLingering int

	// Sockets is how many sockets Listen binds to its port (SO_REUSEPORT), for machines with more
	// processors than one reader can use: each has a goroutine that reads it and buffers of its
	// own, and Linux spreads the peers over them by their addresses. 1 to 64; more than one is an
	// error on other systems, and for NewEndpoint. Dial ignores it. Default: 1. It cannot be none.
	Sockets int

	// NoBatch, NoGSO and NoGRO each turn off one way to move packets faster,
	// which is otherwise used where the system has it: many packets a
	// system call, leaving it to the kernel to cut up runs of packets that
	// are sent (UDP_SEGMENT), and to join those received (UDP_GRO). NoBatch
	// turns off all three. A system that refuses needs no setting: see
	// SocketInfo. They are for looking into trouble with a driver or a
	// middlebox.
	NoBatch, NoGSO, NoGRO bool
	// NoECN sends packets that are not marked as capable of explicit congestion
	// notification (RFC 3168). By default they are, where a connection finds that the
	// marks arrive; routers may then mark instead of dropping.
	NoECN bool
	// DSCP is the code point that asks routers for a service (RFC 2474), 1 to 63. It is on
	// packets with data; what opens a connection, keeps it alive or follows a timeout has none, as its network may
	// drop or starve the service. Where packets with it are lost and those without arrive, a connection goes on without it,
	// and tries again after ten minutes. Default: 1, Lower Effort (RFC 8622), if the congestion controller yields (see
	// congestion.Yielder), and none otherwise. None: best effort.
	DSCP int

	// Foreign gets what arrives and is not Ebb's, so that another protocol
	// can share the socket: STUN, a DHT. b is valid during the call, which
	// is made by the goroutine that reads the socket: it must return soon.
	// It may close the listener or the endpoint. With several Sockets calls may overlap. nil: such datagrams are counted.
	Foreign func(b []byte, from net.Addr)

	// Logger gets the beginnings and ends of connections at level Debug, dials that a listener refuses because one side has TLS and
	// the other has not at Info, one a second at most, and
	// trouble with the socket and closed connections that gave up at Warn. nil: silent.
	Logger *slog.Logger

	// Tracer is told of every connection when it begins, and returns what is to be told of each of its events: packets, losses, what
	// was measured, the states of the congestion controller. Package trace says what there is; qlog.Directory writes it to files. nil:
	// if the environment variable QLOGDIR names a directory, connections are traced there, a file each, as qlog.Directory has it; else
	// none is.
	Tracer trace.Begin
}

// Peer is who asks for a connection.
type Peer struct {
	Addr   netip.AddrPort // where its packets come from
	Proven bool           // it was seen to receive there; without load nobody is asked to show that, and the address may be forged
}

// resolved returns a copy of c in which every 0 has become its default, except MaxDatagramSize, whose
// default is the path's, or says what is wrong with c.
func (c *Config) resolved() (Config, error) {
	var r Config
	if c != nil {
		r = *c
	}
	r.BandwidthLimit = r.limit(r.BandwidthLimit)
	setDefault(&r.PoolWeight, 1)
	setDefault(&r.KeepAlive, defaultKeepAlive)
	setDefault(&r.IdleTimeout, defaultIdleTimeout)
	if r.UserTimeout == 0 {
		r.UserTimeout = r.IdleTimeout
		if r.IdleTimeout < 0 {
			r.UserTimeout = defaultIdleTimeout
		}
	}
	setDefault(&r.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&r.LingerTimeout, defaultLingerTimeout)
	setDefault(&r.SendBuffer, defaultBuffer)
	setDefault(&r.ReceiveBuffer, defaultBuffer)
	setDefault(&r.Backlog, core.DefaultBacklog)
	setDefault(&r.RetryThreshold, core.DefaultRetryAfter)
	setDefault(&r.MaxHalfOpen, core.DefaultMaxHalfOpen)
	setDefault(&r.MaxLingering, defaultMaxLingering)
	setDefault(&r.Sockets, 1)
	if r.Limits == nil {
		r.Limits = limits.Default()
	}
	setDefault(&r.HealthCheck, r.Limits.HealthCheck())
	if r.Logger == nil {
		r.Logger = silent
	}
	given := r.Congestion
	if given == nil {
		r.Congestion = adaptive
	}
	if err := r.validate(); err != nil || given == nil {
		return r, err
	}
	if err := congestion.Check(given); err != nil {
		return r, fmt.Errorf("ebb: Config.Congestion: %w", err)
	}
	return r, nil
}

// What nil stands for: values that nobody changes.
var (
	adaptive = ledbat.Factory(ledbat.Config{})
	silent   = slog.New(slog.DiscardHandler)
)

// limit is the BandwidthLimit that a number means beside the Pool: a positive one or Unlimited.
func (c *Config) limit(n int64) int64 {
	switch {
	case n < 0 || n == 0 && c.Pool != nil:
		return Unlimited
	case n == 0:
		return DefaultBandwidthLimit
	}
	return n
}

func (c *Config) validate() error {
	outOfRange := func(field string, value int, want string) error {
		return fmt.Errorf("ebb: Config.%s is %d: want %s, or 0 for the default", field, value, want)
	}
	upTo := func(least, most int) string { return fmt.Sprintf("%d to %d", least, most) }
	switch size := c.MaxDatagramSize; {
	case c.PoolWeight < 1 || c.PoolWeight > pool.MaxWeight:
		return outOfRange("PoolWeight", c.PoolWeight, upTo(1, pool.MaxWeight))
	case c.SendBuffer < 1:
		return outOfRange("SendBuffer", c.SendBuffer, "at least 1")
	case c.ReceiveBuffer < 1:
		return outOfRange("ReceiveBuffer", c.ReceiveBuffer, "at least 1")
	case size > 0 && size < wire.MinInitialSize || size > largestDatagram6:
		return outOfRange("MaxDatagramSize", size, upTo(wire.MinInitialSize, largestDatagram6)+", negative for none")
	case c.Sockets < 1 || c.Sockets > maxSockets:
		return outOfRange("Sockets", c.Sockets, upTo(1, maxSockets))
	case c.DSCP > maxDSCP:
		return outOfRange("DSCP", c.DSCP, upTo(1, maxDSCP)+", negative for none")
	}
	return nil
}

// socketOptions is the settings of the sockets.
func (c *Config) socketOptions() udp.Options {
	return udp.Options{NoBatch: c.NoBatch, NoGSO: c.NoGSO, NoGRO: c.NoGRO}
}

// maxDatagram is the largest UDP payload to try over an IP version that admits bound, and carries size over Ethernet.
func (c *Config) maxDatagram(size, bound int) int {
	switch {
	case c.MaxDatagramSize > 0:
		return min(c.MaxDatagramSize, bound)
	case c.MaxDatagramSize < 0:
		return wire.MinInitialSize
	}
	return size
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

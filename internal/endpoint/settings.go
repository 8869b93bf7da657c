package endpoint

import (
	"net/netip"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/stream"
	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// DefaultHandshakeTimeout bounds the handshake of what a peer has opened where Settings have no bound: such a connection
// has no caller who could give it up.
const DefaultHandshakeTimeout = 10 * time.Second

// Settings is what the connections of an endpoint have in common. Durations of zero or less switch off what they time.
type Settings struct {
	Congestion congestion.Factory
	// Chunks makes the allocator of a connection, whose memory is charged to held.
	Chunks func(held *limits.Conn) stream.Allocator

	SendBuffer, ReceiveBuffer int // bytes, upper bounds

	KeepAlive, IdleTimeout, UserTimeout time.Duration
	HandshakeTimeout                    time.Duration // of what peers open: 0 is DefaultHandshakeTimeout
	LingerTimeout                       time.Duration

	HealthCheck time.Duration // see engine.Params; this and the next
	MaxAge      time.Duration

	MaxDatagram4, MaxDatagram6 int // largest UDP payload to try over IPv4 and over IPv6
	BandwidthLimit             int64
	NoECN                      bool
	HoldConfirm                bool // see engine.Params: for applications that take time to begin
	DSCP                       int  // of packets with data: 1 to 63; 0 is LE where the controller yields, negative none
}

// Numbers are those of one connection that nobody may foresee.
type Numbers struct {
	Stamp      uint32 // what the receive clock shows at time 0, µs
	Seed       uint64 // the engine's
	Controller uint64 // of its congestion controller
}

// params completes the parameters of a connection that has IDs and a path.
func (s *Settings) params(p engine.Params, n Numbers, held *limits.Conn) engine.Params {
	p.MaxDatagram = s.maxDatagram(p.Path.Remote.Addr())
	p.Controller = s.Congestion(congestion.Params{MaxDatagramSize: wire.MinInitialSize, Seed: n.Controller})
	p.Chunks = s.Chunks(held)
	p.SendBuffer, p.ReceiveBuffer = s.SendBuffer, s.ReceiveBuffer
	p.KeepAlive, p.IdleTimeout, p.UserTimeout = max(s.KeepAlive, 0), max(s.IdleTimeout, 0), max(s.UserTimeout, 0)
	p.HandshakeTimeout, p.LingerTimeout = max(s.HandshakeTimeout, 0), max(s.LingerTimeout, 0)
	if !p.Client && p.HandshakeTimeout == 0 {
		p.HandshakeTimeout = DefaultHandshakeTimeout
	}
	p.HealthCheck, p.MaxAge = s.HealthCheck, s.MaxAge
	p.Rate, p.NoECN, p.HoldConfirm = s.BandwidthLimit, s.NoECN, s.HoldConfirm
	p.DSCP = s.dscp(p.Controller)
	p.Stamp, p.Seed = n.Stamp, n.Seed
	return p
}

// le is the code point of the Lower-Effort service (RFC 8622 section 5).
const le = 1

func (s *Settings) dscp(c congestion.Controller) uint8 {
	switch {
	case s.DSCP > 0:
		return uint8(s.DSCP)
	case s.DSCP == 0 && congestion.Yields(c):
		return le
	}
	return 0
}

func (s *Settings) maxDatagram(remote netip.Addr) int {
	if remote.Unmap().Is4() {
		return s.MaxDatagram4
	}
	return s.MaxDatagram6
}

// FirstWindow is how many bytes a connection may be sent before any of them is read: Bounds.Window.
func (s *Settings) FirstWindow() int { return engine.FirstWindow(s.ReceiveBuffer) }

package engine

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/pacing"
)

// maxAmplification bounds what is sent to an address that has not shown that it receives: this many times what
// came from it (RFC 9000 section 8.1).
const maxAmplification = 3

// path is what a connection knows of one pair of addresses: whether the peer is there, how far away it is, what fits
// through, and how fast. Another path begins with none of it (RFC 9000 section 9.4).
type path struct {
	Path
	validated      bool  // the peer has shown that it receives at its address
	dscp           uint8 // that packets of data are to carry; 0: none
	rateBy         Limit // whose rate is in force
	received, sent int   // bytes, until it has

	rtt    rttState
	oneWay oneWayState
	mtu    mtuState
	ecn    ecnState
	// service watches for what the path does to packets with dscp.
	service markState
	trains  trainState

	cc       congestion.Controller
	since    uint64 // the controller began anew: losses of packets below are not its affair
	prr      prrState
	delivery deliveryState

	bucket     pacing.Bucket
	rate       int64         // in force: the least of the controller's, the budget's and the own limit
	rateAt     time.Duration // when it was computed
	rateWindow int           // the window it was computed from
	rateAsked  int64         // what the controller asked for then
}

// newPath is the path that a connection begins with. A client has chosen its peer's address, and may send there.
func newPath(p *Params) path {
	n := path{Path: p.Path, validated: p.Client || p.Validated, mtu: newMTU(p.MaxDatagram), cc: p.Controller}
	n.dscp = p.DSCP
	if p.NoECN {
		n.ecn.phase = marksFailed
	}
	if p.DSCP == 0 {
		n.service.phase = marksFailed
	}
	if p.TrainsVanish > 0 {
		n.trains.known(p.TrainsVanish)
	}
	return n
}

// room is how large the next datagram may be, at most size bytes.
func (p *path) room(size int) int {
	if p.validated {
		return size
	}
	return min(size, maxAmplification*p.received-p.sent)
}

// admits reports whether a datagram of size bytes may be sent before the address is validated.
func (p *path) admits(size int) bool {
	return p.validated || p.sent+size <= maxAmplification*p.received
}

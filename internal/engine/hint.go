package engine

import (
	"time"

	"example.com/ebb/wire"
)

// HintKind is why a packet of ours has not arrived, as the network has it.
type HintKind uint8

// The kinds of hints.
const (
	HintPortUnreachable HintKind = iota + 1 // nobody listens there
	HintUnreachable                         // there is no way to the peer for now
	HintTooBig                              // a link on the way takes less
	HintProhibited                          // a firewall's no
)

// Hint is what ICMP says of a packet of ours. It may be forged: by anybody if it is not Known, otherwise by who has
// seen the packet.
type Hint struct {
	Kind  HintKind
	MTU   int  // HintTooBig: bytes of an IP packet; 0: not said
	Known bool // a packet was quoted, and it has our IDs
	Long  bool // Known: it has a long header, so that its number counts in the handshake
	// Number, if Known, is that of the packet: its low NumberLen bytes.
	Number    uint64
	NumberLen int
}

// Quote completes a hint by the header of the packet that it quotes, which is one of ours.
func (h *Hint) Quote(p wire.Header) {
	h.Known, h.Long, h.Number, h.NumberLen = true, p.Type != wire.Short, p.Number, p.NumberLen
}

// Unreachable takes a hint. One that quotes a packet which was never sent is a forgery. That nobody listens ends a
// dial. On an established connection it is a reason to ask, and only answers of its kind to what is asked end it. No
// other hint ends anything: what they report may pass.
func (c *Conn) Unreachable(now time.Duration, h Hint) {
	if c.state != stateDone {
		c.notice(now)
	}
	if c.secure != nil {
		h.Known = false // what is quoted of a sealed packet does not show its number
	}
	if h.Known && !c.hasSent(h) {
		c.stats.Unexpected++
		return
	}
	c.stats.SendErrors++
	switch {
	case h.Kind != HintPortUnreachable:
	case c.state == stateHandshake && c.params.Client:
		c.finish(&Error{Kind: KindRefused, Code: wire.CodeRefused, Reason: "port unreachable"})
	case c.state == stateEstablished:
		c.suspect(now, h)
	}
}

// hasSent reports whether the packet that a hint quotes can be one of ours.
func (c *Conn) hasSent(h Hint) bool {
	next := c.sent.next
	if h.Long {
		if c.hs == nil {
			return true // its numbers are forgotten
		}
		next = c.hs.initial.sent.next
	}
	return next > 0 && h.near(next) < next
}

// near is the number of the packet that a hint quotes, of those around next.
func (h *Hint) near(next uint64) uint64 {
	return wire.DecodeNumber(next-1, true, h.Number, h.NumberLen)
}

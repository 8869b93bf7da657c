package ebb

import (
	"errors"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/udp"
	"example.com/ebb/wire"
)

// hint tells the connections what the network says of packets of theirs, and returns what is to be reported. No lock is held.
func (e *endpoint) hint(rs []udp.Report) (events []event) {
	for i := range rs {
		h := engine.Hint{Kind: hintKinds[rs[i].Kind], MTU: rs[i].MTU}
		for _, c := range e.sendersOf(&rs[i], &h) {
			if n := c.hinted(h); n != 0 {
				events = append(events, event{c, n})
			}
		}
	}
	return events
}

// hintKinds is what a socket's reports mean to the engine.
var hintKinds = [...]engine.HintKind{
	udp.PortUnreachable: engine.HintPortUnreachable,
	udp.Unreachable:     engine.HintUnreachable,
	udp.TooBig:          engine.HintTooBig,
	udp.Prohibited:      engine.HintProhibited,
}

// sendersOf is the connections that may have sent the packet that a report is about, and completes the hint by what is
// quoted of the packet. A report that does not quote enough to tell is believed on a socket with one peer
// alone, where the system has compared the addresses.
func (e *endpoint) sendersOf(r *udp.Report, h *engine.Hint) (conns []*conn) {
	packet, err := wire.ParsePrefix(r.Quoted)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil:
		if c, ok := e.router.Sender(r.Remote, packet); ok {
			h.Quote(packet)
			conns = append(conns, c)
		}
	case e.connected && (len(r.Quoted) == 0 || errors.Is(err, wire.ErrTruncated)):
		conns = e.living()
	}
	return conns
}

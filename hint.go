package ebb

import (
	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/udp"
)

// hint tells the connections what the network says of packets of theirs, and returns what is to be reported. No lock is held.
func (e *endpoint) hint(rs []udp.Report) (events []event) {
	for i := range rs {
		r := &rs[i]
		e.mu.Lock()
		h, senders := e.books.Unreachable(hintKinds[r.Kind], r.MTU, r.Remote, r.Quoted)
		e.mu.Unlock()
		for _, c := range senders {
			if t := c.hinted(h); t != 0 {
				events = e.noteWithin(c, t, events)
			}
		}
	}
	return events
}

// hintKinds is what a socket's reports mean to the engine.
var hintKinds = [...]core.HintKind{
	udp.PortUnreachable: core.PortUnreachable,
	udp.Unreachable:     core.Unreachable,
	udp.TooBig:          core.TooBig,
	udp.Prohibited:      core.Prohibited,
}

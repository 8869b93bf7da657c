package router

import (
	"net/netip"

	"example.com/ebb/wire"
)

// Sender finds the connection of ours that has sent a packet to remote, by its header as ICMP quotes it. Who has not
// seen such a packet would have to guess an ID.
func (r *Router[C]) Sender(remote netip.AddrPort, h wire.Header) (c C, ok bool) {
	e := r.pairs[pair{remote, h.Dst}]
	if h.Type != wire.Short {
		e = r.conns[h.Src]
	}
	if e == nil || e.remote != remote {
		return c, false
	}
	return e.conn, true
}

package simnet

import "net/netip"

// SimNAT is an address translator of a Sim, with one public address and stations behind it. It translates as a NAT
// does, takes no time and loses nothing of its own.
type SimNAT struct {
	translator
	sim    *Sim
	addr   netip.Addr
	inside map[netip.AddrPort]*Station
	next   ephemeral
}

// NewNAT adds a NAT with a public address that no station has.
func (s *Sim) NewNAT(cfg NATConfig, addr string) *SimNAT {
	n := &SimNAT{sim: s, addr: netip.MustParseAddr(addr), inside: make(map[netip.AddrPort]*Station), next: firstEphemeral}
	n.translator = newTranslator(cfg, func() uint16 {
		return n.next.take(func(port uint16) bool { return n.ports[port] != nil })
	})
	return n
}

// Rebind forgets all bindings, as a restarted NAT does.
func (n *SimNAT) Rebind() { n.rebind() }

// Stats is what has happened so far.
func (n *SimNAT) Stats() NATStats { return n.stats }

// Behind puts the station behind a NAT, before anything is routed to it. Links to and from it end at the NAT, where
// others see it; a link to another station behind the same NAT is inside, and what is sent to the NAT's
// own address comes back at once (hairpin).
func (st *Station) Behind(n *SimNAT) {
	st.nat = n
	n.inside[st.Addr] = st
}

// source is the source that a datagram of a station has outside. It is not valid if no port is free.
func (n *SimNAT) source(st *Station, dst netip.AddrPort) netip.AddrPort {
	port := n.outbound(n.sim.now, st.Addr, dst)
	if port == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(n.addr, port)
}

// admit hands what has come from outside to its station, if it may come in. The packet is the NAT's from here on.
func (n *SimNAT) admit(p *simPacket) {
	inside := n.inbound(n.sim.now, p.from, p.dst.Port())
	if !inside.IsValid() {
		n.sim.recycle(p)
		return
	}
	n.inside[inside].arrive(p)
}

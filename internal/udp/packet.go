package udp

import (
	"net"
	"net/netip"
)

// packetLink moves datagrams through any net.PacketConn, one at a time. It knows
// nothing of ECN, and of the local address no more than the PacketConn's own.
type packetLink struct {
	socket *Socket
	// The last remote address in the form WriteTo wants. It is replaced,
	// never changed, as a simulated network may keep it.
	addr   *net.UDPAddr
	addrOf netip.AddrPort
	// The last sender with a zone, as it was told and in the canonical form.
	sender, canonical netip.AddrPort
}

func (l *packetLink) receive(r Receiver) error { return l.socket.receiveOneByOne(l, r) }

func (l *packetLink) read(ms []Message) (int, error) {
	s, m := l.socket, &ms[0]
	n, a, err := s.pc.ReadFrom(m.Buf)
	if err != nil {
		return 0, err
	}
	remote, err := addrPort(a)
	if err != nil {
		return 0, err
	}
	if remote.Addr().Zone() != "" {
		if remote != l.sender {
			l.sender, l.canonical = remote, Canonical(remote)
		}
		remote = l.canonical
	}
	m.received(n, remote, s.ownAddr())
	s.arrivals.read(s.clocks)
	m.At = s.arrivals.arrived(0)
	s.counters.received.add(1, m.N)
	return 1, nil
}

func (l *packetLink) write(ms []Message) (n int, err error) {
	for n = range ms {
		m := &ms[n]
		for m.Sent < m.N {
			p := m.segment(m.Sent)
			if err := l.send(p, m.Remote); err != nil {
				return n, err
			}
			m.Sent += len(p)
			l.socket.counters.sent.add(1, len(p))
		}
	}
	return len(ms), nil
}

func (l *packetLink) send(p []byte, remote netip.AddrPort) error {
	s := l.socket
	if s.remote.IsValid() {
		_, err := s.pc.(net.Conn).Write(p)
		return err
	}
	if l.addr == nil || l.addrOf != remote {
		l.addr, l.addrOf = net.UDPAddrFromAddrPort(remote), remote
	}
	_, err := s.pc.WriteTo(p, l.addr)
	return err
}

package udp

import (
	"net"
	"net/netip"
)

// singleLink moves one datagram a system call, with control messages where
// the system has them.
type singleLink struct {
	socket  *Socket
	conn    *net.UDPConn
	in, out [controlSpace]byte
}

func (l *singleLink) receive(r Receiver) error { return l.socket.receiveOneByOne(l, r) }

func (l *singleLink) read(ms []Message) (int, error) {
	s, m := l.socket, &ms[0]
	var n, nn, flags int
	var remote netip.AddrPort
	var err error
	if controlSpace > 0 {
		n, nn, flags, remote, err = l.conn.ReadMsgUDPAddrPort(m.Buf, l.in[:])
	} else {
		n, remote, err = l.conn.ReadFromUDPAddrPort(m.Buf)
	}
	if err != nil {
		return 0, err
	}
	m.received(n, remote, s.ownAddr())
	s.arrivals.read(s.clocks)
	m.At = s.arrivals.arrived(s.parseControl(m, l.in[:nn]))
	if truncated(flags) {
		s.counters.truncated.Add(1)
	}
	s.counters.received.add(1, m.N)
	return 1, nil
}

func (l *singleLink) write(ms []Message) (n int, err error) {
	for n = range ms {
		m := &ms[n]
		for m.Sent < m.N {
			p := m.segment(m.Sent)
			if err := l.send(p, m); err != nil {
				return n, err
			}
			m.Sent += len(p)
			l.socket.counters.sent.add(1, len(p))
		}
	}
	return len(ms), nil
}

// send sends one datagram of m.
func (l *singleLink) send(p []byte, m *Message) (err error) {
	connected := l.socket.remote.IsValid()
	control := l.socket.appendControl(l.out[:0], m)
	switch {
	case connected && len(control) == 0:
		_, err = l.conn.Write(p)
	case connected:
		_, _, err = l.conn.WriteMsgUDP(p, control, nil)
	case len(control) == 0:
		_, err = l.conn.WriteToUDPAddrPort(p, m.Remote)
	default:
		_, _, err = l.conn.WriteMsgUDPAddrPort(p, control, m.Remote)
	}
	return err
}

package udp

import (
	"errors"
	"net/netip"
	"syscall"
)

// A Report is what ICMP says of a datagram that the socket has sent. It proves nothing: the system has compared
// addresses and ports, which others may know.
type Report struct {
	// Remote is where the datagram was sent.
	Remote netip.AddrPort
	Kind   ReportKind
	// MTU, of TooBig, is what the link takes, in bytes of an IP packet; 0 if that was not said.
	MTU int
	// Quoted is the first bytes of the datagram's payload, of a train that of the one datagram, as
	// far as they were quoted: often all that count, sometimes none. It is borrowed.
	Quoted []byte
}

// ReportKind is why a datagram has not arrived.
type ReportKind uint8

// The kinds of reports.
const (
	PortUnreachable ReportKind = iota + 1 // the host is there, and nobody listens
	Unreachable                           // there is no way to the host for now
	TooBig                                // a link on the way takes less
	Prohibited                            // a firewall's no
)

// undelivered is what the error of a PacketConn may be that knows which datagram it is about.
type undelivered interface {
	error
	// Undelivered returns where the datagram was sent, and the first bytes of it that are known.
	Undelivered() (remote netip.AddrPort, quoted []byte)
}

// reportOf is the report that the error of a read stands for: of a PacketConn that says so, and on a connected
// socket of a system that makes an error of ICMP's word that nobody listens.
func (s *Socket) reportOf(err error) (r Report, ok bool) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return r, false
	}
	var u undelivered
	kind := kindOf(errno)
	switch {
	case errors.As(err, &u):
		r.Remote, r.Quoted = u.Undelivered()
	case kind == kindRefused && s.remote.IsValid():
		r.Remote = s.remote
	default:
		return r, false
	}
	switch kind {
	case kindRefused:
		r.Kind = PortUnreachable
	case kindUnreachable:
		r.Kind = Unreachable
	case kindTooBig:
		r.Kind = TooBig
	case kindForbidden:
		r.Kind = Prohibited
	}
	return r, r.Kind != 0
}

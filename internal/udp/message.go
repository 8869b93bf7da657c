package udp

import (
	"errors"
	"net/netip"
	"syscall"
	"time"
)

// A Message is one datagram, or a train: datagrams of one size, all but the
// last, laid end to end in one buffer, to or from one address.
type Message struct {
	// Buf holds the payload, Buf[:N]. A Read fills all of Buf if it can; a
	// longer datagram is cut off, and counted in Info.Truncated. Where
	// Info.GRO is true a Read may return trains, and wants MaxTrain bytes
	// of room.
	Buf []byte
	// N is the number of bytes in Buf that count.
	N int
	// SegmentSize is the size in bytes of every datagram of a train but the
	// last, which may be shorter. 0, or anything from N up, is a single
	// datagram.
	SegmentSize int
	// Sent is how many bytes of Buf[:N] have left already. Write starts there
	// and moves it, so that a Write cut short is continued by passing
	// the same message again. It is 0 in a new message, and after a Read.
	Sent int
	// Remote is the peer. IPv4 addresses are never in their IPv6-mapped form
	// after a Read, and a link-local address has its zone. On a connected
	// socket a Write needs none, and accepts no other than the socket's
	// peer.
	Remote netip.AddrPort
	// Local is the address of this machine that the peer spoke to, and on a
	// Write the one to answer from. It is invalid after a Read if the
	// system does not tell, and has no zone. On a socket bound to one
	// address Write ignores it.
	Local netip.Addr
	// ECN is the codepoint of the IP header, 0 to 3 (RFC 3168 section 5).
	// Where Info.ECN is false it is 0 after a Read and ignored by a Write.
	ECN uint8
	// DSCP is the code point of the service that is asked of routers, 0 to 63: the upper six bits of the same byte (RFC 2474).
	// It is read and written where ECN is.
	DSCP uint8
	// At is, after a Read, when the datagram arrived at this machine, by the monotonic clock since Socket.Epoch. Where
	// Info.Stamps is true it is the kernel's word, however late the Read; for a train that the kernel has joined it is when
	// it was complete. Otherwise it is the time of the Read. It never goes back on a socket. A Write ignores it.
	At time.Duration
}

// MaxTrain is the largest train that a Read returns, in bytes: as long as UDP's
// largest datagram.
const MaxTrain = 65535

var (
	errMessage   = errors.New("udp: message with a size out of range")
	errECN       = errors.New("udp: no such ECN codepoint")
	errDSCP      = errors.New("udp: no such DSCP")
	errNoRemote  = errors.New("udp: message without a remote address")
	errNotRemote = errors.New("udp: message to another address than the connected one")
)

// Skip passes over the datagram at Sent, one that the network refused, and
// reports whether the message still has something to send.
func (m *Message) Skip() bool {
	m.Sent += len(m.segment(m.Sent))
	return m.Sent < m.N
}

// train returns the datagrams from offset off on that are within the bounds, the
// first in any case, and their number.
func (m *Message) train(off, maxDatagrams, maxBytes int) (p []byte, datagrams int) {
	p = m.segment(off)
	size := len(p)
	if size == 0 || size < m.SegmentSize {
		return p, 1
	}
	n := max(1, min(maxDatagrams, maxBytes/size))
	end := min(off+n*size, m.N)
	return m.Buf[off:end], (end - off + size - 1) / size
}

// datagrams is the number of datagrams in a message, sent or not.
func (m *Message) datagrams() int {
	if m.SegmentSize <= 0 || m.SegmentSize >= m.N {
		return 1
	}
	return (m.N + m.SegmentSize - 1) / m.SegmentSize
}

// segment returns the datagram that begins at offset off, empty at the end.
func (m *Message) segment(off int) []byte {
	end := m.N
	if m.SegmentSize > 0 && m.N-off > m.SegmentSize {
		end = off + m.SegmentSize
	}
	return m.Buf[off:end]
}

// check says what is wrong with a message to be sent on a socket connected to
// remote, if that is valid.
func (m *Message) check(remote netip.AddrPort) error {
	switch {
	case m.N < 0 || m.N > len(m.Buf) || m.Sent < 0 || m.Sent > m.N || m.SegmentSize < 0:
		return errMessage
	case m.ECN > 3:
		return errECN
	case m.DSCP > 63:
		return errDSCP
	case remote.IsValid():
		if m.Remote.IsValid() && m.Remote != remote {
			return errNotRemote
		}
	case !m.Remote.IsValid():
		return errNoRemote
	default:
		remote = m.Remote
	}
	if len(m.segment(m.Sent)) > largestPayload(remote) {
		return syscall.EMSGSIZE
	}
	return nil
}

// largestPayload is what fits into a datagram whose headers count too (IPv4) or whose
// IP header does not (IPv6). Kernels do not agree on refusing more.
func largestPayload(remote netip.AddrPort) int {
	const udpHeader, ipv4Header = 8, 20
	if remote.Addr().Unmap().Is4() {
		return 65535 - udpHeader - ipv4Header
	}
	return 65535 - udpHeader
}

// received describes a message just read. Local, ECN, DSCP and SegmentSize are
// whatever the control messages say, and are set after this.
func (m *Message) received(n int, remote netip.AddrPort, local netip.Addr) {
	m.N = min(n, len(m.Buf))
	m.SegmentSize = 0
	m.Sent = 0
	m.Remote = unmap(remote)
	m.Local = local
	m.setTOS(0)
}

// tos is the byte of the IP header that DSCP and ECN share: TOS in IPv4, the traffic class in IPv6.
func (m *Message) tos() uint8 { return m.DSCP<<2 | m.ECN }

// setTOS takes it apart.
func (m *Message) setTOS(b uint8) { m.DSCP, m.ECN = b>>2, b&3 }

// unmap returns the address with an IPv4 address in its own form.
func unmap(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4In6() {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return a
}

package simnet

import (
	"fmt"
	"net/netip"
	"syscall"

	"example.com/ebb/internal/endpoint"
)

// ICMPCode is why a datagram could not be delivered (RFC 792, destination unreachable). 0 is none.
type ICMPCode uint8

// The codes that a simulated network reports.
const (
	NetUnreachable  ICMPCode = iota + 1 // a router has no way to the network
	HostUnreachable                     // the last router cannot reach the host
	PortUnreachable                     // the host has no socket on the port
)

// String implements fmt.Stringer.
func (c ICMPCode) String() string {
	switch c {
	case NetUnreachable:
		return "network unreachable"
	case HostUnreachable:
		return "host unreachable"
	case PortUnreachable:
		return "port unreachable"
	}
	return fmt.Sprintf("ICMPCode(%d)", uint8(c))
}

// quoteLimit is how many bytes of a datagram's payload a report quotes: the report has at most 576 bytes (RFC
// 1812 section 4.3.2.3), of which two IP headers, its own and that of UDP take 56.
const quoteLimit = 520

// Unreachable is the news that a datagram could not be delivered. As an error it matches the one of the
// system.
type Unreachable struct {
	Code   ICMPCode
	To     netip.AddrPort // where the datagram was sent to
	Quoted []byte         // what it began with, at most 520 bytes
}

// Error implements error.
func (u *Unreachable) Error() string { return u.Unwrap().Error() }

// Unwrap is the error number with which Linux tells a socket.
func (u *Unreachable) Unwrap() error {
	switch u.Code {
	case NetUnreachable:
		return syscall.ENETUNREACH
	case HostUnreachable:
		return syscall.EHOSTUNREACH
	}
	return syscall.ECONNREFUSED
}

// Undelivered returns where the datagram was sent to and what it began with, for package udp.
func (u *Unreachable) Undelivered() (remote netip.AddrPort, quoted []byte) { return u.To, u.Quoted }

// handleReport tells the flow whose datagram could not be delivered. It is to be flushed.
func (st *Station) handleReport(u Unreachable) *Flow {
	if st.Unreachable != nil {
		st.Unreachable(u)
	}
	kind := endpoint.Unreachable
	if u.Code == PortUnreachable {
		kind = endpoint.PortUnreachable
	}
	h, senders := st.endpoint.Unreachable(kind, 0, u.To, u.Quoted)
	if len(senders) == 0 {
		return nil
	}
	senders[0].Hint(st.clock(), h)
	return senders[0]
}

// quote is what a report says of a datagram. It borrows b.
func quote(b []byte) []byte { return b[:min(len(b), quoteLimit)] }

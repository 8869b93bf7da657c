package udp

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// Info is what a socket is and what it has done.
type Info struct {
	// Batch says that a system call moves many datagrams.
	Batch bool
	// GSO says that the kernel cuts up the trains that are sent, which saves
	// most of what a datagram costs. It turns false when the kernel
	// refuses a train.
	GSO bool
	// GRO says that a Read may return trains: see Message.Buf.
	GRO bool
	// DontFragment says that datagrams leave whole or are refused with
	// EMSGSIZE, as finding the path's MTU needs (RFC 8899 section 3).
	DontFragment bool
	// ECN says that ECN's codepoints and DSCPs are read and written.
	ECN bool
	// PacketInfo says that a wildcard socket tells the address it was
	// spoken to and can answer from it.
	PacketInfo bool
	// Stamps says that the kernel tells when a datagram arrived: see Message.At. A socket that is bound to an address of
	// loopback does not ask.
	Stamps bool
	// Reports says that Receivers get what ICMP says of datagrams to any peer.
	Reports bool
	// ReceiveBuffer and SendBuffer are what the system granted, in bytes, in
	// the measure in which it was asked, or 0 if unknown. (Linux books
	// twice that, for its own overhead.)
	ReceiveBuffer, SendBuffer int

	Received, Sent Traffic
	// Truncated counts datagrams that were longer than their buffer.
	Truncated uint64
	// Dropped counts datagrams that the system threw away for want of
	// room in the receive buffer, as of the last datagram read; a train that
	// the system had joined counts once. It is always 0 where the system
	// does not say, and starts anew after 2^32.
	Dropped uint64
	// ReceiveErrors counts the errors of Read.
	ReceiveErrors uint64
	SendErrors    SendErrors
	// Receives counts the calls of Receive. Each begins with a system call more than it brings batches.
	Receives uint64
	// Reported counts what Receivers got of ICMP's reports.
	Reported uint64
}

// Traffic counts what went one way.
type Traffic struct {
	Calls     uint64 // system calls that moved something
	Datagrams uint64
	Bytes     uint64 // of UDP payload
}

// SendErrors counts the errors of Write by what they mean.
type SendErrors struct {
	WouldBlock  uint64 // the send buffer was full
	NoBuffers   uint64 // ENOBUFS: a queue of the system was full
	Unreachable uint64 // no route, or none that works for now
	Refused     uint64 // ICMP said that nobody listens
	TooBig      uint64 // EMSGSIZE
	Forbidden   uint64 // EPERM, EACCES: most often a firewall
	Other       uint64
}

// Info describes the socket as of now.
func (s *Socket) Info() Info {
	i := Info{
		Batch:         s.batch,
		GSO:           s.gso.Load(),
		GRO:           s.features.gro,
		DontFragment:  s.features.dontFragment,
		ECN:           s.features.ecn,
		PacketInfo:    s.features.packetInfo,
		Stamps:        s.features.stamps,
		Reports:       s.features.reports,
		Received:      s.counters.received.load(),
		Sent:          s.counters.sent.load(),
		Truncated:     s.counters.truncated.Load(),
		Dropped:       uint64(s.counters.dropped.Load()),
		ReceiveErrors: s.counters.receiveErrors.Load(),
		Receives:      s.counters.receives.Load(),
		SendErrors:    s.counters.sendErrors.load(),
		Reported:      s.counters.reports.Load(),
	}
	if s.raw != nil {
		i.ReceiveBuffer, i.SendBuffer = bufferSizes(s.raw)
	}
	return i
}

// counters are Info's numbers while they grow.
type counters struct {
	received, sent           trafficCounter
	truncated, receiveErrors atomic.Uint64
	receives                 atomic.Uint64
	reports                  atomic.Uint64
	dropped                  atomic.Uint32 // as the system counts
	sendErrors               sendErrorCounter
}

// trafficCounter counts Traffic.
type trafficCounter struct {
	calls, datagrams, bytes atomic.Uint64
}

// add counts one system call.
func (c *trafficCounter) add(datagrams, bytes int) {
	c.calls.Add(1)
	c.datagrams.Add(uint64(datagrams))
	c.bytes.Add(uint64(bytes))
}

func (c *trafficCounter) load() Traffic {
	return Traffic{Calls: c.calls.Load(), Datagrams: c.datagrams.Load(), Bytes: c.bytes.Load()}
}

// sendErrorCounter counts SendErrors, by errorKind.
type sendErrorCounter [kindForbidden + 1]atomic.Uint64

// add counts an error; the end of the socket is none.
func (c *sendErrorCounter) add(err error) {
	kind := kindOther
	var errno syscall.Errno
	switch {
	case errors.Is(err, net.ErrClosed):
		return
	case errors.Is(err, ErrWouldBlock):
		kind = kindWouldBlock
	case errors.As(err, &errno):
		kind = kindOf(errno)
	}
	c[kind].Add(1)
}

func (c *sendErrorCounter) load() SendErrors {
	return SendErrors{
		WouldBlock:  c[kindWouldBlock].Load(),
		NoBuffers:   c[kindNoBuffers].Load(),
		Unreachable: c[kindUnreachable].Load(),
		Refused:     c[kindRefused].Load(),
		TooBig:      c[kindTooBig].Load(),
		Forbidden:   c[kindForbidden].Load(),
		Other:       c[kindOther].Load(),
	}
}

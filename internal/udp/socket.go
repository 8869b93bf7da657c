// Package udp is a UDP socket that moves batches.
//
// A Socket receives and writes slices of Messages. Beneath it is the best that the
// system and the socket allow: on Linux many datagrams a system call
// (recvmmsg and sendmmsg), on other systems one, and any net.PacketConn will do,
// a simulated one included. Which it is shows in Info, not in the interface.
//
// A Message may be a train, several datagrams of one size in one buffer. Linux
// carries it through most of its network stack as one (UDP_SEGMENT and
// UDP_GRO), at little more than the cost of a single datagram; elsewhere the
// socket cuts it up.
package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// DefaultBuffer is what is asked of the system for each of the socket's
// buffers, in bytes, unless Options say otherwise.
const DefaultBuffer = 4 << 20

// Options are a socket's settings. The zero value is good.
type Options struct {
	// ReadBuffer and WriteBuffer are the sizes, in bytes, to ask of the
	// system for the socket's buffers. 0 asks for DefaultBuffer and
	// never makes a buffer smaller; a negative number leaves it alone. The
	// system may grant less: see Info.
	ReadBuffer, WriteBuffer int
	// NoBatch moves one datagram a system call, by the portable path, even
	// where there is a better one. On that path a Write may wait for room,
	// where the system has sends that wait.
	NoBatch bool
	// NoGSO cuts trains up before the kernel has them, even where it could.
	// NoBatch implies it.
	NoGSO bool
	// NoGRO reads single datagrams, even where the kernel could put trains
	// together. NoBatch implies it.
	NoGRO bool
	// NoReports leaves what ICMP says of datagrams to the system, even where it would tell of those to
	// any peer. NoBatch implies it.
	NoReports bool
}

// A Socket is a UDP socket. Its methods may be called by any number of
// goroutines; those that receive take turns, and so do writes.
type Socket struct {
	pc       net.PacketConn
	raw      syscall.RawConn // nil unless pc is a *net.UDPConn
	link     link
	local    netip.AddrPort
	remote   netip.AddrPort // invalid unless connected
	features features
	batch    bool
	gso      atomic.Bool // trains go to the kernel whole
	counters counters
	closed   atomic.Bool
	epoch    time.Time // when it was made

	interrupted atomic.Bool // by Interrupt, since a Receive was last ended by it

	readMu   sync.Mutex   // held over a Receive
	arrivals arrivalClock // guarded by readMu
	writeMu  sync.Mutex   // held over a write, not over a wait
	// waiters is the number of calls in WaitWritable, guarded by
	// writeMu. Each holds the descriptor's write lock, on which a
	// system call to send would wait.
	waiters int
	marking marking // guarded by writeMu
}

// marking is what a socket knows of the bytes with DSCP and ECN that it sends.
type marking struct {
	own   uint8 // of datagrams that ask for none
	asked uint8 // by the last message
	row   int   // how many messages in a row have asked for it, while own is another
}

// A link moves messages, complete and valid ones, by one way or another.
// The socket makes its calls one at a time in each direction.
type link interface {
	// receive hands over what arrives until the receiver has enough or a read fails.
	receive(r Receiver) error
	// write sends what it can, moves Sent of each message, and returns the
	// number of messages it completed.
	write(ms []Message) (n int, err error)
}

// features is what the system agreed to do for a socket.
type features struct {
	dontFragment bool // datagrams leave whole or not at all
	gro          bool // reads return trains
	reports      bool // what ICMP says is told, whoever a datagram was sent to
	ecn          bool // ECN codepoints are told and set
	packetInfo   bool // local addresses are told and set
	stamps       bool // the times of arrivals are told
	is4, is6     bool // what the socket can carry: one of the IPv6 family perhaps both
	loose4       bool // an IPv6 socket takes IPv4's control messages to an IPv4 peer
}

// Listen opens a socket bound to a local address, any if nil. Network is udp,
// udp4 or udp6; udp and a wildcard address make one socket for IPv4 and IPv6, as
// net.ListenUDP does.
func Listen(network string, local *net.UDPAddr, opt Options) (*Socket, error) {
	c, err := net.ListenUDP(network, local)
	if err != nil {
		return nil, err
	}
	return own(c, opt)
}

// Dial opens a socket connected to remote: it receives from there alone, and
// the system reports on it what ICMP says, such as ECONNREFUSED.
func Dial(network string, local, remote *net.UDPAddr, opt Options) (*Socket, error) {
	c, err := net.DialUDP(network, local, remote)
	if err != nil {
		return nil, err
	}
	return own(c, opt)
}

// own makes a socket of a connection that nobody else will close.
func own(c *net.UDPConn, opt Options) (*Socket, error) {
	s, err := New(c, opt)
	if err != nil {
		c.Close()
	}
	return s, err
}

// New makes a socket of a net.PacketConn whose addresses are those of UDP. The
// socket owns pc from here on, unless New fails. A *net.UDPConn has everything
// that the system offers; another is read and written a datagram at a time,
// and its WriteTo should not wait.
func New(pc net.PacketConn, opt Options) (*Socket, error) {
	s := &Socket{pc: pc, epoch: time.Now()}
	s.arrivals = newArrivalClock(s.clocks())
	var err error
	if s.local, err = addrPort(pc.LocalAddr()); err != nil {
		return nil, fmt.Errorf("udp: local address: %w", err)
	}
	s.local = Canonical(s.local)
	if c, ok := pc.(net.Conn); ok {
		if a := c.RemoteAddr(); a != nil {
			if s.remote, err = addrPort(a); err != nil {
				return nil, fmt.Errorf("udp: remote address: %w", err)
			}
			s.remote = Canonical(s.remote)
		}
	}
	uc, ok := pc.(*net.UDPConn)
	if !ok {
		s.link = &packetLink{socket: s}
		resizePacketConn(pc, opt)
		return s, nil
	}
	if s.raw, err = uc.SyscallConn(); err != nil {
		return nil, err
	}
	if s.features, err = configure(s.raw, s.wildcard()); err != nil {
		return nil, err
	}
	resize(uc, s.raw, opt)
	if !opt.NoBatch {
		s.link = newBatchLink(s, uc, opt)
	}
	if s.batch = s.link != nil; !s.batch {
		s.link = &singleLink{socket: s, conn: uc}
	}
	return s, nil
}

// A Receiver deals with what a socket receives.
type Receiver interface {
	// Lend returns messages to read into, at least one. Where the socket can, it asks only
	// when something has arrived, so that a silent one needs no buffers.
	Lend() []Message
	// Take returns all messages that were lent last. The first n are filled; n is 0 if there
	// was nothing after all. It reports whether to go on.
	Take(n int) bool
	// Report gets what ICMP says of datagrams that the socket has sent, a few at a time, while no
	// messages are lent. They and what they quote are borrowed. It reports whether to go on.
	Report(rs []Report) bool
}

// Receive hands over what arrives until the receiver has enough, which is no error, or a read
// fails. What ICMP said of earlier sends is no error but a report: of those to any peer where Info.Reports is
// true, of those that were refused by the peer of a connected socket anywhere. After Interrupt it is ErrInterrupted, after Close
// net.ErrClosed. The receiver must not call Close.
func (s *Socket) Receive(r Receiver) error {
	s.counters.receives.Add(1)
	s.readMu.Lock()
	err := net.ErrClosed
	if !s.closed.Load() {
		err = s.link.receive(r)
		for err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			if err = s.forgetInterrupt(); err == nil { // it was a nudge
				err = s.link.receive(r)
			}
		}
	}
	s.readMu.Unlock()
	if err != nil {
		err = s.sanitize(err)
		if err != net.ErrClosed && err != ErrInterrupted {
			s.counters.receiveErrors.Add(1)
		}
	}
	return err
}

// Interruptible reports whether Interrupt may be called.
func (s *Socket) Interruptible() bool { return s.raw != nil }

// Interrupt ends the current Receive, or else the next one, unless something else ends that first.
func (s *Socket) Interrupt() {
	s.interrupted.Store(true)
	s.pc.SetReadDeadline(past)
}

// nudge makes the Receive that is on, or else the next, look at everything once more.
func (s *Socket) nudge() { s.pc.SetReadDeadline(past) }

// past is a deadline that ends a wait.
var past = time.Unix(1, 0)

// forgetInterrupt lets a Receive wait again. The error is nil if nobody has asked for an end.
func (s *Socket) forgetInterrupt() error {
	s.pc.SetReadDeadline(time.Time{}) // before the look, or one that is set between the two would be lost
	if s.interrupted.Swap(false) {
		return ErrInterrupted
	}
	return nil
}

// oneByOne is a link that reads one datagram a call.
type oneByOne interface {
	// read waits for a datagram and describes it in the first message.
	read(ms []Message) (n int, err error)
}

// receiveOneByOne is receive of a oneByOne.
func (s *Socket) receiveOneByOne(l oneByOne, r Receiver) error {
	for {
		if s.raw != nil {
			if err := waitReadable(s.raw); err != nil {
				return err
			}
		}
		n, err := l.read(r.Lend())
		more := r.Take(n)
		if err != nil {
			report, ok := s.reportOf(err)
			if !ok {
				return err
			}
			s.counters.reports.Add(1)
			more = r.Report([]Report{report}) && more
		}
		if !more {
			return nil
		}
	}
}

// Write sends messages in order without waiting, and returns how many are
// complete. If that is not all of them, err says why, ms[n].Sent points to the
// datagram that did not leave, and Write(ms[n:]) continues exactly there. With
// ErrWouldBlock the socket has no room for now. Other errors that
// IsTemporary accepts concern that datagram or, on a connected socket where Info.Reports is false,
// an earlier one; whoever gives the datagram up calls Skip. A message
// with nothing left to send counts as complete.
func (s *Socket) Write(ms []Message) (n int, err error) {
	good := len(ms)
	var bad error
	for i := range ms {
		if bad = ms[i].check(s.remote); bad != nil {
			good = i
			break
		}
	}
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	if s.waiters > 0 {
		err = ErrWouldBlock
	} else {
		n, err = s.link.write(ms[:good])
	}
	if err != nil {
		err = s.sanitize(err)
		if err == net.ErrClosed && s.raw == nil && !s.closed.Load() {
			s.pc.Close() // whoever waits in ReadFrom learns of it too
		}
		s.counters.sendErrors.add(err)
		return n, err
	}
	if bad == syscall.EMSGSIZE {
		s.counters.sendErrors.add(bad)
	}
	return n, bad
}

// WaitWritable waits until there is room after ErrWouldBlock. Until it
// returns, every Write ends in ErrWouldBlock. After Close the error is
// net.ErrClosed.
func (s *Socket) WaitWritable() error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	if s.raw == nil {
		return nil
	}
	s.writeMu.Lock()
	s.waiters++
	s.writeMu.Unlock()
	err := waitWritable(s.raw)
	s.writeMu.Lock()
	s.waiters--
	s.writeMu.Unlock()
	if err != nil {
		return s.sanitize(err)
	}
	return nil
}

// disableGSO makes Write cut trains up itself from now on, because the kernel has
// refused one.
func (s *Socket) disableGSO() { s.gso.Store(false) }

// LocalAddr returns the address that the socket is bound to.
func (s *Socket) LocalAddr() *net.UDPAddr { return net.UDPAddrFromAddrPort(s.local) }

// Remote returns the address that the socket is connected to; it is invalid if
// the socket is not connected.
func (s *Socket) Remote() netip.AddrPort { return s.remote }

// Epoch is when the socket was made, from which Message.At counts.
func (s *Socket) Epoch() time.Time { return s.epoch }

// Close closes the socket, wakes whoever waits in it, and waits for a Receive to return: then the port is free. A
// second Close returns net.ErrClosed.
func (s *Socket) Close() error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	return s.pc.Close()
}

// clocks is what time it is.
func (s *Socket) clocks() moment {
	now := time.Now()
	return moment{wall: now.UnixNano(), mono: now.Sub(s.epoch)}
}

// wildcard reports whether datagrams to any address of the machine arrive.
func (s *Socket) wildcard() bool { return s.local.Addr().IsUnspecified() }

// ownAddr returns the address that every datagram was sent to, if there is only
// one.
func (s *Socket) ownAddr() netip.Addr {
	if s.wildcard() {
		return netip.Addr{}
	}
	return s.local.Addr().WithZone("")
}

// sanitize reduces an error to what callers may rely on: net.ErrClosed once
// the socket is closed, and no net.OpError, which they put around it
// themselves.
func (s *Socket) sanitize(err error) error {
	if s.closed.Load() || errors.Is(err, net.ErrClosed) {
		return net.ErrClosed
	}
	for {
		op, ok := err.(*net.OpError)
		if !ok {
			return err
		}
		err = op.Err
	}
}

// addrPort returns a UDP address as a value.
func addrPort(a net.Addr) (netip.AddrPort, error) {
	switch a := a.(type) {
	case *net.UDPAddr:
		if ap := unmap(a.AddrPort()); ap.IsValid() {
			return ap, nil
		}
		// A UDPAddr without an address stands for any.
		return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(a.Port)), nil
	case interface{ AddrPort() netip.AddrPort }:
		return unmap(a.AddrPort()), nil
	case nil:
		return netip.AddrPort{}, errors.New("none")
	}
	ap, err := netip.ParseAddrPort(a.String())
	return unmap(ap), err
}

package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reader is the part of a batchLink that reads. It calls recvmmsg itself, as
// package ipv4 allocates an address for every datagram. Socket.readMu guards it.
type reader struct {
	receiver Receiver           // during a receive
	errno    syscall.Errno      // what ended it
	woken    bool               // it has waited
	drain    func(uintptr) bool // readAll as a func value, made once
	zones    zones
}

// receive lets the receiver deal with each batch within the callback of RawConn.Read. The
// runtime forgets a readiness event only when such a Read begins. So whatever arrives after
// the read that emptied the socket ends the wait that follows. That makes one system call a
// batch, none to ask whether there is something, and no buffers during the wait.
func (l *batchLink) receive(r Receiver) error {
	l.receiver, l.reader.errno, l.reader.woken = r, 0, false
	err := l.socket.raw.Read(l.drain)
	for l.errors.on && err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		err = l.receiveBeside()
	}
	l.receiver = nil
	if err == nil && l.reader.errno != 0 {
		err = l.reader.errno
	}
	return err
}

// receiveBeside goes on with a receive that the runtime refuses: an error that comes while there is neither anything
// to read nor room to write makes it take the descriptor for one that cannot be waited for, until
// the next event.
func (l *batchLink) receiveBeside() error {
	const patience = 10 // ms, in which the runtime may have changed its mind
	over := false
	err := l.socket.raw.Control(func(fd uintptr) {
		unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, patience)
		over = l.readAll(fd)
	})
	if err != nil || over {
		return err
	}
	return l.socket.raw.Read(l.drain)
}

// readAll reads until the socket is empty, and reports whether the receive is over.
func (l *batchLink) readAll(fd uintptr) (over bool) {
	for {
		ms := l.receiver.Lend()
		want := min(len(ms), batchSize)
		got, errno := l.readBatch(fd, ms[:want])
		more := l.receiver.Take(got)
		reported := false
		if got == 0 || l.errors.filled.Load() {
			errno, reported, more = l.lookForErrors(fd, errno, more)
		}
		switch {
		case l.socket.closed.Load():
			l.reader.errno = unix.EBADF
			return true
		case errno != 0 && errno != unix.EAGAIN:
			l.reader.errno = errno
			return true
		case !more:
			return true
		case got < want && !reported:
			l.reader.woken = true // when it is called again
			return false
		}
	}
}

// lookForErrors looks into the error queue if a read gives reason to. It returns the error
// that is left, whether the socket is to be read once more, and whether the receiver wants to go on.
func (l *batchLink) lookForErrors(fd uintptr, errno syscall.Errno, more bool) (left syscall.Errno, again, goOn bool) {
	if !l.errors.on {
		if errno == unix.EAGAIN {
			return errno, false, more
		}
		if r, ok := l.socket.reportOf(errno); ok {
			l.socket.counters.reports.Add(1)
			return 0, true, l.receiver.Report([]Report{r}) && more
		}
		return errno, false, more
	}
	pending := causedByICMP(errno)
	if !pending && !l.reader.woken && !l.errors.filled.Load() {
		return errno, false, more
	}
	found, wanted := l.report(fd)
	if pending {
		errno = 0
	}
	return errno, pending || found, more && wanted
}

// readBatch reads what is there.
func (l *batchLink) readBatch(fd uintptr, ms []Message) (int, syscall.Errno) {
	in := inboxes.Get().(*inbox)
	defer in.release(len(ms))
	in.lay(ms)
	got, errno := recvmmsg(fd, in, len(ms))
	if errno != 0 {
		return 0, errno
	}
	s := l.socket
	s.arrivals.read(s.clocks)
	bytes, datagrams := 0, 0
	for i := range got {
		m, h := &ms[i], &in.headers[i]
		m.received(int(h.n), l.sender(&in.names[i], h.hdr.Namelen), s.ownAddr())
		m.At = s.arrivals.arrived(s.parseControl(m, in.control[i][:h.hdr.Controllen]))
		if h.hdr.Flags&unix.MSG_TRUNC != 0 {
			s.counters.truncated.Add(1)
		}
		bytes += m.N
		datagrams += m.datagrams()
	}
	s.counters.received.add(datagrams, bytes)
	return got, 0
}

// recvmmsg reads up to n messages without waiting.
func recvmmsg(fd uintptr, in *inbox, n int) (int, syscall.Errno) {
	for {
		got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd,
			uintptr(unsafe.Pointer(&in.headers[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(got), errno
		}
	}
}

// sender returns the address that a message came from.
func (l *batchLink) sender(name *unix.RawSockaddrInet6, size uint32) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	switch {
	case name.Family == unix.AF_INET && size >= unix.SizeofSockaddrInet4:
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(name4.Addr), port)
	case name.Family == unix.AF_INET6 && size >= unix.SizeofSockaddrInet6:
		a := netip.AddrFrom16(name.Addr)
		if name.Scope_id != 0 {
			a = a.WithZone(l.reader.zones.name(name.Scope_id))
		}
		return netip.AddrPortFrom(a, port)
	}
	return l.socket.remote
}

// inbox is the scratch of one recvmmsg, pooled as an outbox is.
type inbox struct {
	headers [batchSize]mmsghdr
	vectors [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet6 // large enough for IPv4's
	control [batchSize][controlSpace]byte
}

var inboxes = sync.Pool{New: func() any {
	in := new(inbox)
	for i := range in.headers {
		h := &in.headers[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&in.names[i]))
		h.Iov = &in.vectors[i]
		h.SetIovlen(1)
		h.Control = &in.control[i][0]
	}
	return in
}}

// lay sets the inbox up to fill the messages' buffers.
func (in *inbox) lay(ms []Message) {
	for i := range ms {
		h := &in.headers[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSpace)
		in.vectors[i].Base = unsafe.SliceData(ms[i].Buf)
		in.vectors[i].SetLen(len(ms[i].Buf))
	}
}

// release forgets the buffers, k at most, which are the caller's, and returns the inbox to the
// pool.
func (in *inbox) release(k int) {
	for i := range k {
		in.vectors[i].Base = nil
	}
	inboxes.Put(in)
}

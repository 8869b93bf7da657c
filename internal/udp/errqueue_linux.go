package udp

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Linux keeps what ICMP says of a socket's datagrams in an error queue (IP_RECVERR), for sockets that are not connected
// too. Beside that it makes the next call on the socket fail, whatever the call is for: with the error of the
// last ICMP message, and after each that was taken from the queue with that of the next one. So neither a read
// nor a write believes an error that ICMP can cause. A read looks into the queue instead, and a write is repeated.
//
// The queue is looked into when a read fails or was woken for nothing. A write that has met such an error makes the
// reader look too, which may have been woken by it and have found something else. Otherwise nobody asks.

const (
	// maxReports bounds how many messages are taken from the queue before the socket is read again.
	maxReports = 16
	// maxQuoted is how many bytes of a datagram are of interest.
	maxQuoted = 64
	// maxRepeats is how often a write is repeated. The first time it may meet the error that a read has left by
	// taking from the queue; after that, while nobody takes, only that of a message that came within the last few
	// microseconds.
	maxRepeats = 3
)

// errorQueue is a batchLink's view of the socket's error queue.
type errorQueue struct {
	on     bool        // the system fills it
	mu     sync.Mutex  // held while somebody takes from it, or must not
	filled atomic.Bool // a write has met an error: there may be something of which no read is told
	cut    bool        // the last write sent some of its messages and not all; writeMu guards it
}

// receiveErrors makes the system fill the error queue, and reports whether it does.
func receiveErrors(raw syscall.RawConn, f *features) (ok bool) {
	err := raw.Control(func(fd uintptr) {
		o := socketOptions{fd: int(fd), is4: f.is4, is6: f.is6}
		ok = o.set(option{unix.IP_RECVERR, 1}, option{unix.IPV6_RECVERR, 1})
	})
	return ok && err == nil
}

// causedByICMP reports whether an error may be an ICMP message's.
func causedByICMP(errno syscall.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENONET, unix.ENOPROTOOPT,
		unix.EOPNOTSUPP, unix.EPROTO, unix.EMSGSIZE, unix.EACCES:
		return true
	}
	return false
}

// sendOff sends what is laid out, and makes of the result what it is for a socket without an error queue.
func (l *batchLink) sendOff() error {
	err := l.socket.raw.Write(l.push)
	if err != nil || !l.errors.on {
		return err
	}
	switch {
	case causedByICMP(l.writer.errno):
		err = l.sendAgain()
	case l.errors.cut && l.writer.errno != unix.EAGAIN:
		// The last call stopped in between, and not because the buffer was full: at an error that is told to nobody.
		l.tellReader()
	}
	l.errors.cut = l.writer.errno == 0 && l.sent < l.count
	if l.writer.errno == unix.ENOBUFS {
		// A queue behind the socket has dropped the first message, which other sockets are not told: it has left.
		l.socket.counters.sendErrors.add(unix.ENOBUFS)
		l.sent, l.writer.errno = 1, 0
	}
	return err
}

// sendAgain repeats a write whose error may be that of an earlier datagram, whoever it went to. It is
// believed if it comes again and again.
func (l *batchLink) sendAgain() (err error) {
	l.errors.mu.Lock()
	defer l.errors.mu.Unlock()
	for range maxRepeats {
		if err = l.socket.raw.Write(l.push); err != nil || !causedByICMP(l.writer.errno) {
			break
		}
	}
	l.tellReader()
	return err
}

// tellReader makes the reader look into the queue after a write has met an error. It may have woken the reader already, which
// then has found nothing, or something else.
func (l *batchLink) tellReader() {
	l.errors.filled.Store(true)
	l.socket.nudge()
}

// report hands over what is in the error queue, maxReports at most. It returns whether there was anything, and
// whether the receiver wants to go on.
func (l *batchLink) report(fd uintptr) (found, more bool) {
	box := errorBoxes.Get().(*errorBox)
	defer errorBoxes.Put(box)
	n, reports := 0, box.reports[:0]
	l.errors.mu.Lock()
	l.errors.filled.Store(false)
	for ; n < maxReports; n++ {
		r, errno := l.takeError(fd, &box.entries[n])
		if errno != 0 {
			break
		}
		if r.Kind != 0 {
			reports = append(reports, r)
		}
	}
	if n == maxReports {
		l.errors.filled.Store(true)
	}
	l.errors.mu.Unlock() // a receiver may write
	if len(reports) == 0 {
		return n > 0, true
	}
	l.socket.counters.reports.Add(uint64(len(reports)))
	return true, l.receiver.Report(reports)
}

// takeError takes the first message from the queue. Its kind is 0 if it is of no interest.
func (l *batchLink) takeError(fd uintptr, e *errorEntry) (r Report, errno syscall.Errno) {
	h := &e.header
	e.vector.Base = &e.quoted[0]
	e.vector.SetLen(len(e.quoted))
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&e.name)), unix.SizeofSockaddrInet6
	h.Iov, h.Control = &e.vector, &e.control[0]
	h.SetIovlen(1)
	h.SetControllen(len(e.control))
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(h)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if errno != 0 {
		return r, errno
	}
	r.Kind, r.MTU = parseErrorControl(e.control[:h.Controllen])
	r.Remote = unmap(l.sender(&e.name, h.Namelen))
	r.Quoted = e.quoted[:n]
	return r, 0
}

// parseErrorControl finds what happened in the control messages of an entry of the error queue.
func parseErrorControl(b []byte) (kind ReportKind, mtu int) {
	for len(b) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return 0, 0
		}
		b = rest
		v4 := h.Level == unix.IPPROTO_IP && h.Type == unix.IP_RECVERR
		v6 := h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_RECVERR
		if (v4 || v6) && len(data) >= int(unsafe.Sizeof(unix.SockExtendedErr{})) {
			// struct sock_extended_err: errno, origin, type, code, padding, info
			kind = reportKind(data[4], data[5], data[6])
			if kind == TooBig {
				mtu = int(binary.NativeEndian.Uint32(data[8:]))
			}
		}
	}
	return kind, mtu
}

// reportKind is what an ICMP message of a type and code says (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section
// 3). It is 0 for errors of another origin: an EMSGSIZE of our own is told to the write that it is of.
func reportKind(origin, typ, code uint8) ReportKind {
	const (
		destinationUnreachable4, portUnreachable4, fragmentationNeeded = 3, 3, 4
		destinationUnreachable6, packetTooBig6, portUnreachable6       = 1, 2, 4
	)
	switch {
	case origin == unix.SO_EE_ORIGIN_ICMP && typ == destinationUnreachable4:
		switch code {
		case portUnreachable4:
			return PortUnreachable
		case fragmentationNeeded:
			return TooBig
		case 9, 10, 13: // network, host, communication administratively prohibited
			return Prohibited
		}
	case origin == unix.SO_EE_ORIGIN_ICMP6 && typ == destinationUnreachable6:
		switch code {
		case portUnreachable6:
			return PortUnreachable
		case 1, 5, 6: // administratively prohibited, source address policy, reject route
			return Prohibited
		}
	case origin == unix.SO_EE_ORIGIN_ICMP6 && typ == packetTooBig6:
		return TooBig
	case origin != unix.SO_EE_ORIGIN_ICMP && origin != unix.SO_EE_ORIGIN_ICMP6:
		return 0
	}
	return Unreachable
}

// errorBox is the scratch of one look into an error queue, pooled as an inbox is.
type errorBox struct {
	entries [maxReports]errorEntry
	reports [maxReports]Report
}

// errorEntry is room for one message.
type errorEntry struct {
	header  unix.Msghdr
	vector  unix.Iovec
	name    unix.RawSockaddrInet6 // large enough for IPv4's
	quoted  [maxQuoted]byte
	control [errorControlSpace]byte
}

// errorControlSpace is room for the control messages of a datagram and the error with the address of who
// sent it.
const errorControlSpace = controlSpace + 64

var errorBoxes = sync.Pool{New: func() any { return new(errorBox) }}

package udp

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writer is the part of a batchLink that writes. It calls sendmmsg itself: what package ipv4 does around
// the call takes as long as an engine does for a packet. Socket.writeMu guards it.
type writer struct {
	out   *outbox            // during a write
	count int                // entries of it to send
	sent  int                // of these, how many were
	errno syscall.Errno      // why not all
	push  func(uintptr) bool // sendOut as a func value, made once
	zones zones
}

func (l *batchLink) write(ms []Message) (n int, err error) {
	l.adopt() // while nothing is laid out
	l.out = outboxes.Get().(*outbox)
	defer func() {
		l.out.release()
		l.out = nil
	}()
	for {
		for n < len(ms) && ms[n].Sent == ms[n].N {
			n++
		}
		if n == len(ms) {
			return n, nil
		}
		l.count = l.fill(l.out, ms[n:])
		if err := l.sendOff(); err != nil {
			return n, err
		}
		l.advance(ms[n:])
		switch {
		case l.writer.errno == 0 || l.writer.errno == unix.EINTR:
		case l.writer.errno == unix.EAGAIN:
			return n, ErrWouldBlock
		case l.out.datagrams[0] > 1 && refusesTrain(l.writer.errno):
			// An error is always of the first message of a call: of this
			// train nothing has left.
			l.socket.disableGSO()
		default:
			return n, l.writer.errno
		}
	}
}

// sendOut makes the system call. It never waits.
func (l *batchLink) sendOut(fd uintptr) (over bool) {
	h := &l.out.headers[0]
	if l.count == 1 {
		_, _, l.writer.errno = unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&h.hdr)), unix.MSG_DONTWAIT)
		l.sent = 0
		if l.writer.errno == 0 {
			l.sent = 1
		}
		return true
	}
	sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
		uintptr(unsafe.Pointer(h)), uintptr(l.count), unix.MSG_DONTWAIT, 0, 0)
	if l.sent, l.writer.errno = int(sent), errno; errno != 0 {
		l.sent = 0
	}
	return true
}

// fill lays out what is next of ms in b, from each message's Sent on, and
// returns the number of entries: trains if the kernel cuts them up, datagrams
// otherwise.
func (l *batchLink) fill(b *outbox, ms []Message) (k int) {
	gso := l.socket.gso.Load()
	for i := range ms {
		m := &ms[i]
		switch {
		case m.Sent == m.N:
			continue
		case k == batchSize:
			return k
		}
		// All of a message's entries share what is laid out for the first.
		first := k
		l.socket.marking.count(m.tos())
		control := l.socket.appendControl(b.control[first][:0], m)
		plain := len(control)
		if gso && m.datagrams() > 1 {
			control = appendSegmentSize(control, m.SegmentSize)
		}
		size := l.address(&b.names[first], m.Remote)
		for off := m.Sent; off < m.N; k++ {
			if k == batchSize {
				return k
			}
			p, datagrams := m.segment(off), 1
			if gso {
				p, datagrams = m.train(off, maxTrainDatagrams, maxTrainBytes)
			}
			off += len(p)
			h := &b.headers[k].hdr
			h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names[first])), size
			b.vectors[k].Base = unsafe.SliceData(p)
			b.vectors[k].SetLen(len(p))
			b.datagrams[k] = datagrams
			h.Control = &b.control[first][0]
			h.SetControllen(plain)
			if datagrams > 1 {
				h.SetControllen(len(control))
			}
			b.used = max(b.used, k+1)
		}
	}
	return k
}

// adoptAfter is how many messages in a row have to ask for one byte of DSCP and ECN that is not the socket's.
const adoptAfter = 16

// count counts the messages that ask for another byte than the socket's.
func (m *marking) count(tos uint8) {
	if tos == m.own || tos != m.asked {
		m.asked, m.row = tos, 0
	}
	if tos != m.own {
		m.row++
	}
}

// adopt makes the byte that everybody asks for the socket's own. To ask for one in a control
// message costs more than its parsing: for each such datagram the kernel looks the route up.
func (l *batchLink) adopt() {
	m, f := &l.socket.marking, &l.socket.features
	if !f.ecn || m.row < adoptAfter {
		return
	}
	m.row = 0
	l.socket.raw.Control(func(fd uintptr) {
		o := socketOptions{fd: int(fd), is4: f.is4, is6: f.is6}
		if o.set(option{unix.IP_TOS, int(m.asked)}, option{unix.IPV6_TCLASS, int(m.asked)}) {
			m.own = m.asked
		}
	})
}

// address puts the address to send to into the form of the socket's family and returns its size, 0 on a
// connected socket.
func (l *batchLink) address(name *unix.RawSockaddrInet6, remote netip.AddrPort) uint32 {
	if l.socket.remote.IsValid() {
		return 0
	}
	a := remote.Addr()
	if a.Is4() && !l.socket.features.is6 {
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*name4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.As4()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name4.Port))[:], remote.Port())
		return unix.SizeofSockaddrInet4
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.As16()}
	if zone := a.Zone(); zone != "" {
		name.Scope_id = l.writer.zones.index(zone)
	}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], remote.Port())
	return unix.SizeofSockaddrInet6
}

// advance moves Sent of the messages over what has left.
func (l *batchLink) advance(ms []Message) {
	bytes, datagrams, i := 0, 0, 0
	for j := range l.sent {
		for ms[i].Sent == ms[i].N {
			i++
		}
		size := int(l.out.vectors[j].Len)
		ms[i].Sent += size
		bytes += size
		datagrams += l.out.datagrams[j]
	}
	if l.sent > 0 {
		l.socket.counters.sent.add(datagrams, bytes)
	}
}

// outbox is the scratch of one sendmmsg. It is pooled rather than a socket's
// own, for it is large, and of many sockets few write at a time.
type outbox struct {
	headers   [batchSize]mmsghdr
	vectors   [batchSize]unix.Iovec
	datagrams [batchSize]int                   // in each entry
	names     [batchSize]unix.RawSockaddrInet6 // large enough for IPv4's
	control   [batchSize][controlSpace]byte
	used      int // entries that may hold something of a caller's
}

var outboxes = sync.Pool{New: func() any {
	b := new(outbox)
	for i := range b.headers {
		h := &b.headers[i].hdr
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
	}
	return b
}}

// release forgets the buffers, which are the caller's, and returns the outbox to
// the pool.
func (b *outbox) release() {
	for i := range b.used {
		b.vectors[i].Base = nil
	}
	b.used = 0
	outboxes.Put(b)
}

package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// batchSize is the most datagrams that one system call moves. A train of 64 KiB
// is 45 full packets.
const batchSize = 64

// batchLink moves many datagrams a system call: recvmmsg and sendmmsg.
type batchLink struct {
	socket *Socket
	// pc is of package ipv4 for either family: a batch of package ipv6 makes
	// the same calls, and the addresses are in the messages.
	pc *ipv4.PacketConn
}

func newBatchLink(s *Socket, c *net.UDPConn) link {
	return &batchLink{socket: s, pc: ipv4.NewPacketConn(c)}
}

func (l *batchLink) read(ms []Message) (int, error) {
	s := l.socket
	b := batches.Get().(*batch)
	defer b.release()
	k := min(len(ms), batchSize)
	b.used = k
	for i := range k {
		b.buffers[i][0] = ms[i].Buf
		b.ms[i].OOB = b.control[i][:]
	}
	n, err := l.pc.ReadBatch(b.ms[:k], 0)
	if err != nil {
		return 0, err
	}
	bytes := 0
	for i := range n {
		m, in := &ms[i], &b.ms[i]
		remote := s.remote
		if a, ok := in.Addr.(*net.UDPAddr); ok {
			remote = a.AddrPort()
		}
		m.received(in.N, remote, s.ownAddr())
		s.parseControl(m, in.OOB[:in.NN])
		if in.Flags&unix.MSG_TRUNC != 0 {
			s.counters.truncated.Add(1)
		}
		bytes += m.N
	}
	s.counters.received.add(n, bytes)
	return n, nil
}

func (l *batchLink) write(ms []Message) (n int, err error) {
	b := batches.Get().(*batch)
	defer b.release()
	for {
		for n < len(ms) && ms[n].Sent == ms[n].N {
			n++
		}
		if n == len(ms) {
			return n, nil
		}
		k := l.fill(b, ms[n:])
		b.used = max(b.used, k)
		sent, err := l.pc.WriteBatch(b.ms[:k], syscall.MSG_DONTWAIT)
		if sent > 0 {
			l.advance(b, ms[n:], sent)
		}
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return n, ErrWouldBlock
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return n, err
		}
	}
}

// fill lays out the next datagrams of ms in b, from each message's Sent on, and
// returns their number.
func (l *batchLink) fill(b *batch, ms []Message) (k int) {
	for i := range ms {
		m := &ms[i]
		for off := m.Sent; off < m.N; k++ {
			if k == batchSize {
				return k
			}
			p := m.segment(off)
			off += len(p)
			b.buffers[k][0] = p
			b.ms[k].OOB = l.socket.appendControl(b.control[k][:0], m)
			if !l.socket.remote.IsValid() {
				b.ms[k].Addr = b.addrs[k].set(m.Remote)
			}
		}
	}
	return k
}

// advance moves Sent of the messages over the first k datagrams of b.
func (l *batchLink) advance(b *batch, ms []Message, k int) {
	bytes, i := 0, 0
	for j := range k {
		for ms[i].Sent == ms[i].N {
			i++
		}
		size := len(b.buffers[j][0])
		ms[i].Sent += size
		bytes += size
	}
	l.socket.counters.sent.add(k, bytes)
}

// batch is the scratch of one system call. It is pooled rather than a socket's
// own, for it is large, and many sockets wait while few read.
type batch struct {
	ms      [batchSize]ipv4.Message
	buffers [batchSize][1][]byte
	addrs   [batchSize]address
	control [batchSize][controlSpace]byte
	used    int // entries that may hold something of a caller's
}

var batches = sync.Pool{New: func() any {
	b := new(batch)
	for i := range b.ms {
		b.ms[i].Buffers = b.buffers[i][:]
	}
	return b
}}

// release forgets the buffers, which are the caller's, and returns the batch to
// the pool.
func (b *batch) release() {
	for i := range b.used {
		b.buffers[i][0] = nil
		b.ms[i].Addr = nil
		b.ms[i].OOB = nil
	}
	b.used = 0
	batches.Put(b)
}

// address is a net.UDPAddr with its own room for the IP.
type address struct {
	addr net.UDPAddr
	ip   [16]byte
}

func (a *address) set(ap netip.AddrPort) *net.UDPAddr {
	a.ip = ap.Addr().As16() // x/net finds the IPv4 addresses in this form
	a.addr = net.UDPAddr{IP: a.ip[:], Port: int(ap.Port()), Zone: ap.Addr().Zone()}
	return &a.addr
}

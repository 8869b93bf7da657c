package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/net/ipv4"
)

// batchSize is the most messages that one system call moves. A train of 64 KiB
// that has to be cut up is 45 full packets.
const batchSize = 64

// batchLink moves many messages a system call, by recvmmsg and sendmmsg, and
// leaves it to the kernel to cut trains up and to put them together.
type batchLink struct {
	socket *Socket
	// pc sends. It is of package ipv4 for either family: a batch of package
	// ipv6 makes the same calls, and the addresses are in the messages.
	pc *ipv4.PacketConn

	reader
}

func newBatchLink(s *Socket, c *net.UDPConn, opt Options) link {
	s.gso.Store(!opt.NoGSO && sendsTrains(s.raw))
	s.features.gro = !opt.NoGRO && receiveTrains(s.raw)
	l := &batchLink{socket: s, pc: ipv4.NewPacketConn(c)}
	l.drain = l.readAll
	return l
}

func (l *batchLink) write(ms []Message) (n int, err error) {
	b := outboxes.Get().(*outbox)
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
		case b.datagrams[0] > 1 && refusesTrain(err):
			// An error is always of the first message of a call: of this
			// train nothing has left.
			l.socket.DisableGSO()
		case err != nil:
			return n, err
		}
	}
}

// fill lays out what is next of ms in b, from each message's Sent on, and
// returns the number of entries: trains if the kernel cuts them up, datagrams
// otherwise.
func (l *batchLink) fill(b *outbox, ms []Message) (k int) {
	gso := l.socket.gso.Load()
	for i := range ms {
		m := &ms[i]
		for off := m.Sent; off < m.N; k++ {
			if k == batchSize {
				return k
			}
			p, datagrams := m.segment(off), 1
			if gso {
				p, datagrams = m.train(off, maxTrainDatagrams, maxTrainBytes)
			}
			off += len(p)
			b.buffers[k][0] = p
			b.datagrams[k] = datagrams
			b.ms[k].OOB = l.socket.appendControl(b.control[k][:0], m)
			if datagrams > 1 {
				b.ms[k].OOB = appendSegmentSize(b.ms[k].OOB, m.SegmentSize)
			}
			if !l.socket.remote.IsValid() {
				b.ms[k].Addr = b.addrs[k].set(m.Remote)
			}
		}
	}
	return k
}

// advance moves Sent of the messages over the first k entries of b.
func (l *batchLink) advance(b *outbox, ms []Message, k int) {
	bytes, datagrams, i := 0, 0, 0
	for j := range k {
		for ms[i].Sent == ms[i].N {
			i++
		}
		size := len(b.buffers[j][0])
		ms[i].Sent += size
		bytes += size
		datagrams += b.datagrams[j]
	}
	l.socket.counters.sent.add(datagrams, bytes)
}

// outbox is the scratch of one sendmmsg. It is pooled rather than a socket's
// own, for it is large, and of many sockets few write at a time.
type outbox struct {
	ms        [batchSize]ipv4.Message
	buffers   [batchSize][1][]byte
	datagrams [batchSize]int // in each buffer
	addrs     [batchSize]address
	control   [batchSize][controlSpace]byte
	used      int // entries that may hold something of a caller's
}

var outboxes = sync.Pool{New: func() any {
	b := new(outbox)
	for i := range b.ms {
		b.ms[i].Buffers = b.buffers[i][:]
	}
	return b
}}

// release forgets the buffers, which are the caller's, and returns the outbox to
// the pool.
func (b *outbox) release() {
	for i := range b.used {
		b.buffers[i][0] = nil
		b.ms[i].Addr = nil
		b.ms[i].OOB = nil
	}
	b.used = 0
	outboxes.Put(b)
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

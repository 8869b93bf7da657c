package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

// closedPort is where nobody listens.
func closedPort(t *testing.T, p path, network, ip string) netip.AddrPort {
	t.Helper()
	s := p.listen(t, network, netip.AddrPortFrom(netip.MustParseAddr(ip), 0).String())
	defer s.Close()
	return at(s, ip)
}

// batchPaths are those with an error queue.
var batchPaths = paths[:4]

// On a socket to one peer, or to any, of each family and of both: what ICMP says of a datagram is told with the peer and
// the beginning of the datagram, and of a train with that of the one datagram.
func TestClosedPortsAreReported(t *testing.T) {
	long, train := pattern(1, 1000), pattern(2, 500)
	for _, p := range batchPaths {
		for _, tt := range []struct{ network, local, ip string }{
			{"udp4", "127.0.0.1:0", "127.0.0.1"}, {"udp6", "[::1]:0", "::1"}, {"udp", ":0", "127.0.0.1"}, {"udp", ":0", "::1"},
		} {
			to := closedPort(t, p, tt.network, tt.ip)
			connected := p.dial(t, tt.network, netip.AddrPort{}, to)
			for name, s := range map[string]*Socket{"any peer": p.listen(t, tt.network, tt.local), "one peer": connected} {
				var want []Report
				for _, m := range []Message{
					{Buf: []byte("x"), N: 1}, {Buf: long, N: len(long)}, {Buf: train, N: len(train), SegmentSize: 100},
				} {
					m.Remote = to
					write(t, s, m)
					for i, datagram := range apart(m) {
						if p.gso && i > 0 {
							break // over loopback a train meets the closed port as one
						}
						want = append(want, Report{Remote: to, Kind: PortUnreachable, Quoted: datagram.Buf[:min(datagram.N, maxQuoted)]})
					}
				}
				if d := cmp.Diff(want, readReports(t, s, len(want)), cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
					t.Errorf("%s, %s to %v, %s: reports (-want +got):\n%s", p.name, tt.network, to, name, d)
				}
				if i := s.Info(); i.SendErrors != (SendErrors{}) || i.ReceiveErrors != 0 {
					t.Errorf("%s, %s to %v, %s: errors are counted: %+v", p.name, tt.network, to, name, i)
				}
			}
		}
	}
}

// Without the error queue a connected socket is told that it was refused, and one with many peers nothing.
func TestNoReports(t *testing.T) {
	for _, p := range batchPaths {
		p.opt.NoReports = true
		gone := closedPort(t, p, "udp4", "127.0.0.1")
		connected, s, peer := p.dial(t, "udp4", netip.AddrPort{}, gone), p.listen(t, "udp4", "127.0.0.1:0"), p.listen(t, "udp4", "127.0.0.1:0")
		m := Message{Buf: []byte("x"), N: 1, Remote: gone}
		write(t, connected, m)
		want := []Report{{Remote: gone, Kind: PortUnreachable}}
		if d := cmp.Diff(want, readReports(t, connected, 1), cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
			t.Errorf("%s: reports (-want +got):\n%s", p.name, d)
		}
		write(t, s, m)
		write(t, peer, Message{Buf: []byte("y"), N: 1, Remote: at(s, "127.0.0.1")})
		read(t, s, 1)
		if s.Info().Reports || s.Info().Reported != 0 || queued(s) {
			t.Errorf("%s: %+v", p.name, s.Info())
		}
	}
}

// listening is a receive that goes on.
type listening struct {
	socket  *Socket
	ms      []Message
	got     func(m *Message)
	reports func(r *Report)
	lent    int
}

func (l *listening) Lend() []Message {
	l.lent++
	return l.ms
}

func (l *listening) Take(n int) bool {
	for i := range n {
		l.got(&l.ms[i])
	}
	return true
}

func (l *listening) Report(rs []Report) bool {
	for i := range rs {
		l.reports(&rs[i])
	}
	return true
}

// queued reports whether the error queue holds anything, which it takes.
func queued(s *Socket) (holds bool) {
	s.raw.Control(func(fd uintptr) {
		_, _, _, _, err := unix.Recvmsg(int(fd), make([]byte, 100), make([]byte, 500), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		holds = err == nil
	})
	return holds
}

// crowd is a socket that sends to two who are gone, and receives; one socket that listens; and what is reported.
type crowd struct {
	*testing.T
	socket, sink *Socket
	gone         [2]netip.AddrPort
	receiver     *listening
	receiving    sync.WaitGroup
	reported     chan uint32 // the number in what was quoted; closed when the socket is
	reports      int         // awaited
}

func newCrowd(t *testing.T, p path) *crowd {
	c := &crowd{T: t, socket: p.listen(t, "udp4", "127.0.0.1:0"), sink: p.listen(t, "udp4", "127.0.0.1:0"), reported: make(chan uint32, 200)}
	c.gone = [2]netip.AddrPort{closedPort(t, p, "udp4", "127.0.0.1"), closedPort(t, p, "udp4", "127.0.0.1")}
	c.receiver = &listening{socket: c.socket, ms: room(c.socket, 8), reports: func(r *Report) {
		if r.Kind != PortUnreachable || !slices.Contains(c.gone[:], r.Remote) {
			t.Errorf("report %+v", r)
		}
		c.reported <- binary.BigEndian.Uint32(r.Quoted)
	}}
	c.receiving.Go(func() {
		c.socket.Receive(c.receiver)
		close(c.reported)
	})
	return c
}

// exchange sends 50 numbered datagrams to the sink, which reads them, and as many to those who are gone.
func (c *crowd) exchange(from int) {
	var b [4 * 50]byte
	var ms []Message
	for j := range 50 {
		m := Message{Buf: b[4*j:][:4], N: 4, Remote: at(c.sink, "127.0.0.1")}
		binary.BigEndian.PutUint32(m.Buf, uint32(from+j))
		lost := m
		lost.Remote = c.gone[j%2]
		ms = append(ms, lost, m)
	}
	write(c, c.socket, ms...)
	for j, m := range read(c, c.sink, 50) {
		if got := binary.BigEndian.Uint32(m.Buf); int(got) != from+j {
			c.Fatalf("datagram %d is number %d", from+j, got)
		}
	}
}

// await waits for the report of a number, or a later one.
func (c *crowd) await(number int) {
	for last := -1; last < number; c.reports++ {
		n, ok := <-c.reported
		if !ok {
			blameICMP(c)
			c.Fatalf("number %d is not reported", number)
		}
		last = int(n)
	}
}

// While one socket sends to many who are gone and to one who listens, each datagram to that one arrives, in order, and
// no write fails. What ICMP says leaves the queue, costs two looks each at most, and no memory.
func TestReportsDoNotTouchOtherDatagrams(t *testing.T) {
	for _, p := range batchPaths {
		t.Run(p.name, func(t *testing.T) {
			c := newCrowd(t, p)
			before := heap()
			for i := 0; i < 10_000; i += 50 {
				c.exchange(i)
				if i > 0 {
					c.await(i - 1) // and so the queue never overflows
				}
			}
			c.await(9_999)
			c.socket.Close()
			c.receiving.Wait()
			i := c.socket.Info()
			if i.SendErrors != (SendErrors{}) || i.ReceiveErrors != 0 || i.Reported != uint64(c.reports) {
				t.Errorf("%d reports; %+v", c.reports, i)
			}
			if looks := c.receiver.lent; looks > 4*c.reports {
				t.Errorf("the socket was read %d times for %d reports", looks, c.reports)
			}
			if grown := int64(heap()) - int64(before); grown > 1<<20 {
				t.Errorf("the heap has grown by %d bytes", grown)
			}
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A datagram that is too big for our own interface is the error of its write, as without an error queue, and nobody is told of it.
// Nothing of it stays in the queue.
func TestLocalTooBigIsOfItsWriteAlone(t *testing.T) {
	for _, p := range batchPaths {
		var s, server *Socket
		isolated(t, func() {
			s, server = p.listen(t, "udp", ":0"), p.listen(t, "udp", ":0")
		}, "ip link set lo mtu 1500")
		for _, ip := range []string{"127.0.0.1", "::1"} {
			ms := []Message{{Buf: make([]byte, 1500), N: 1500, Remote: at(server, ip)}, {Buf: []byte("x"), N: 1, Remote: at(server, ip)}}
			if n, err := s.Write(ms); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("%s, %s: Write = %d, %v, want 0 and EMSGSIZE", p.name, ip, n, err)
			}
			write(t, s, ms[1:]...)
			read(t, server, 1)
			write(t, server, Message{Buf: []byte("y"), N: 1, Remote: at(s, ip)})
			// The first receive finds the datagram, the second nothing and so looks further.
			l := &listening{socket: s, ms: room(s, 1), reports: func(r *Report) { t.Errorf("%s, %s: report %+v", p.name, ip, r) }}
			l.got = func(*Message) { s.Interrupt() }
			s.Receive(l)
			s.Interrupt()
			s.Receive(l)
			if queued(s) {
				t.Errorf("%s, %s: something is left in the error queue", p.name, ip)
			}
		}
		if got := s.Info(); got.SendErrors != (SendErrors{TooBig: 2}) || got.Reported != 0 {
			t.Errorf("%s: %+v", p.name, got)
		}
	}
}

// What a queue behind the socket drops is loss, as it is without an error queue, but counted.
func TestDropsOfAQueueAreLoss(t *testing.T) {
	for _, p := range batchPaths {
		var s, server *Socket
		isolated(t, func() {
			s, server = p.listen(t, "udp4", "127.0.0.1:0"), p.listen(t, "udp4", "127.0.0.1:0")
		}, "tc qdisc add dev lo root tbf burst 5000 limit 5000 rate 1kbit")
		b := make([]byte, 20*1000)
		for range 10 {
			write(t, s, Message{Buf: b, N: len(b), SegmentSize: 1000, Remote: at(server, "127.0.0.1")})
		}
		if i := s.Info(); i.SendErrors.NoBuffers == 0 || i.SendErrors != (SendErrors{NoBuffers: i.SendErrors.NoBuffers}) || i.Sent.Datagrams != 200 {
			t.Errorf("%s: %+v", p.name, i)
		}
	}
}

// full is a socket that is not writable any more, and a port where nobody listens. It is on a machine where datagrams to
// 10.9.0.2 hold their room in the send buffer.
func full(t *testing.T) (s, peer *Socket, gone netip.AddrPort) {
	t.Helper()
	p := paths[0]
	isolated(t, func() {
		peer, gone = p.listen(t, "udp4", "127.0.0.1:0"), closedPort(t, p, "udp4", "127.0.0.1")
		p.opt.WriteBuffer = 20_000
		s = p.listen(t, "udp4", "0.0.0.0:0")
	}, "ip link add d0 type veth peer name d1", "ip addr add 10.9.0.1/24 dev d0", "ip link set d0 up",
		"ip link set d1 up", "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev d0 nud permanent",
		"tc qdisc add dev d0 root tbf burst 5000 limit 10000000 rate 1kbit")
	for writable := true; writable; {
		write(t, s, Message{Buf: make([]byte, 500), N: 500, Remote: netip.MustParseAddrPort("10.9.0.2:9")})
		s.raw.Control(func(fd uintptr) { writable = ready(fd, unix.POLLOUT) })
	}
	return s, peer, gone
}

// An error that comes while there is neither anything to read nor room to write ends no receive.
func TestLoneErrorEndsNoReceive(t *testing.T) {
	s, peer, gone := full(t)
	reports, messages := make(chan Report, 100), make(chan string, 100)
	l := &listening{socket: s, ms: room(s, 1)}
	l.got = func(m *Message) { messages <- string(m.Buf[:m.N]) }
	l.reports = func(r *Report) { reports <- *r }
	result := make(chan error, 1)
	go func() { result <- s.Receive(l) }()
	for i := range 20 {
		write(t, s, Message{Buf: []byte{byte(i)}, N: 1, Remote: gone})
		select {
		case r := <-reports:
			if r.Remote != gone {
				t.Errorf("report %+v", r)
			}
		case err := <-result:
			blameICMP(t)
			t.Fatalf("Receive = %v", err)
		}
		if i%5 != 0 {
			continue
		}
		write(t, peer, Message{Buf: []byte("hello"), N: 5, Remote: at(s, "127.0.0.1")})
		select {
		case m := <-messages:
			if m != "hello" {
				t.Errorf("got %q", m)
			}
		case err := <-result:
			blameICMP(t)
			t.Fatalf("Receive = %v", err)
		}
	}
	s.Close()
	if err := <-result; err != net.ErrClosed {
		t.Errorf("Receive = %v, want net.ErrClosed", err)
	}
}

// An error is no room: to wait for some does not end because of it.
func TestErrorIsNoRoom(t *testing.T) {
	s, _, gone := full(t)
	write(t, s, Message{Buf: []byte("x"), N: 1, Remote: gone})
	s.raw.Control(func(fd uintptr) {
		if !ready(fd, unix.POLLERR) || ready(fd, unix.POLLOUT) {
			t.Error("there is room, or no error")
		}
	})
}

func TestReportKinds(t *testing.T) {
	const icmp, icmp6, local = unix.SO_EE_ORIGIN_ICMP, unix.SO_EE_ORIGIN_ICMP6, unix.SO_EE_ORIGIN_LOCAL
	for _, tt := range []struct {
		origin, typ, code uint8
		want              ReportKind
	}{
		{icmp, 3, 0, Unreachable}, {icmp, 3, 1, Unreachable}, {icmp, 3, 2, Unreachable}, {icmp, 3, 3, PortUnreachable},
		{icmp, 3, 4, TooBig}, {icmp, 3, 9, Prohibited}, {icmp, 3, 10, Prohibited}, {icmp, 3, 13, Prohibited}, {icmp, 11, 0, Unreachable},
		{icmp6, 1, 0, Unreachable}, {icmp6, 1, 1, Prohibited}, {icmp6, 1, 3, Unreachable}, {icmp6, 1, 4, PortUnreachable},
		{icmp6, 1, 5, Prohibited}, {icmp6, 1, 6, Prohibited}, {icmp6, 2, 0, TooBig}, {icmp6, 3, 0, Unreachable}, {local, 0, 0, 0}, {4, 3, 3, 0},
	} {
		b := make([]byte, 0, errorControlSpace)
		level, typ := int32(unix.IPPROTO_IP), int32(unix.IP_RECVERR)
		if tt.origin == icmp6 {
			level, typ = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
		}
		b = appendInt(b, unix.IPPROTO_IP, unix.IP_TOS, 4, 1)
		b, data := extend(b, level, typ, 16)
		data[4], data[5], data[6] = tt.origin, tt.typ, tt.code
		binary.NativeEndian.PutUint32(data[8:], 1300)
		mtu := 0
		if tt.want == TooBig {
			mtu = 1300
		}
		if kind, gotMTU := parseErrorControl(b); kind != tt.want || gotMTU != mtu {
			t.Errorf("origin %d, type %d, code %d: kind %d, MTU %d, want %d, %d", tt.origin, tt.typ, tt.code, kind, gotMTU, tt.want, mtu)
		}
		if kind, _ := parseErrorControl(b[:len(b)-1]); kind != 0 {
			t.Errorf("cut off: kind %d", kind)
		}
	}
}

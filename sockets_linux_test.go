package ebb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/net/nettest"
	"golang.org/x/sys/unix"

	"example.com/ebb"
)

// greetEachOther exchanges a greeting on n connections, each from a socket of its own.
func greetEachOther(t *testing.T, l *ebb.Listener, n int) (dialled, accepted []*ebb.Conn) {
	t.Helper()
	for i := range n {
		c := dial(t, l, nil)
		fmt.Fprintf(c, "%08d", i)
		dialled, accepted = append(dialled, c), append(accepted, accept(t, l))
	}
	if got := greetings(t, accepted); got != n {
		t.Fatalf("%d different greetings, want %d", got, n)
	}
	for i, c := range dialled {
		reads(t, c, fmt.Sprintf("%08d", i))
	}
	return dialled, accepted
}

// TestSeveralSockets: the peers are spread over all sockets of a port, those that the listener's
// endpoint dials as well, and the end of all leaves nothing, not even the port in use.
func TestSeveralSockets(t *testing.T) {
	leavesNothing(t)
	l := listen(t, &ebb.Config{Sockets: 4})
	dialled, accepted := greetEachOther(t, l, 100)

	other := listen(t, nil)
	for range 8 {
		c, err := l.Endpoint().DialAddr(t.Context(), other.Addr())
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, "from a shared port")
		s := accept(t, other)
		reads(t, s, "from a shared port")
		dialled, accepted = append(dialled, c), append(accepted, s)
	}
	info := l.Endpoint().Info()
	if info.Connections != 108 || len(info.Sockets) != 4 {
		t.Errorf("%d connections and %d sockets, want 108 and 4", info.Connections, len(info.Sockets))
	}
	var received, sent uint64
	for i, s := range info.Sockets {
		if s.DatagramsReceived == 0 || s.DatagramsSent == 0 {
			t.Errorf("socket %d received %d datagrams and sent %d", i, s.DatagramsReceived, s.DatagramsSent)
		}
		received, sent = received+s.DatagramsReceived, sent+s.DatagramsSent
	}
	if info.Socket.DatagramsReceived != received || info.Socket.DatagramsSent != sent {
		t.Errorf("together they received %d and sent %d, one by one %d and %d",
			info.Socket.DatagramsReceived, info.Socket.DatagramsSent, received, sent)
	}
	l.Close()
	for i := range dialled {
		dialled[i].Close()
		accepted[i].Close()
	}
	if err := drain(t); err != nil {
		t.Error(err)
	}
	eventually(t, "the port to be free", func() bool {
		pc, err := net.ListenPacket("udp4", l.Addr().String())
		if err == nil {
			pc.Close()
		}
		return err == nil
	})
}

// TestSocketsShareConnections: wherever a datagram arrives, it reaches its connection. The kernel is
// told to give all of them to one socket, to each in turn.
func TestSocketsShareConnections(t *testing.T) {
	leavesNothing(t)
	l := listen(t, &ebb.Config{Sockets: 4})
	dialled, accepted := greetEachOther(t, l, 16)
	fd := descriptorOf(t, int(addrPort(l.Addr()).Port()))
	for k := range 4 {
		steerTo(t, fd, k)
		before := l.Endpoint().Info().Sockets[k].DatagramsReceived
		for i, c := range dialled {
			word := fmt.Sprintf("%d by socket %d", i, k)
			write(t, c, word)
			reads(t, accepted[i], word)
			write(t, accepted[i], word)
			reads(t, c, word)
		}
		if got := l.Endpoint().Info().Sockets[k].DatagramsReceived - before; got < uint64(len(dialled)) {
			t.Errorf("socket %d received %d datagrams, want one of each of %d connections", k, got, len(dialled))
		}
		dialled, accepted = append(dialled, dial(t, l, nil)), append(accepted, accept(t, l))
	}
}

// descriptorOf is a descriptor of this process that is bound to a port.
func descriptorOf(t *testing.T, port int) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range open {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		if sa, err := unix.Getsockname(fd); err == nil {
			if sa, ok := sa.(*unix.SockaddrInet4); ok && sa.Port == port {
				return fd
			}
		}
	}
	t.Fatalf("no descriptor is bound to port %d", port)
	return -1
}

// steerTo makes the kernel give all that arrives for a group of sockets to the k-th.
func steerTo(t *testing.T, fd, k int) {
	t.Helper()
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: uint32(k)}}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err != nil {
		t.Fatalf("SO_ATTACH_REUSEPORT_CBPF: %v", err)
	}
}

// TestSocketsEndWithTheEndpoint: Endpoint.Close tells the peers on every socket.
func TestSocketsEndWithTheEndpoint(t *testing.T) {
	leavesNothing(t)
	l := listen(t, &ebb.Config{Sockets: 4})
	dialled, _ := greetEachOther(t, l, 32)
	if err := l.Endpoint().Close(); err != nil {
		t.Error(err)
	}
	for _, c := range dialled {
		if err := readsError(t, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer reads %v", err)
		}
	}
}

// TestPortsAreNotSharedByAccident: two groups do not meet on one port, nor do a group and a socket.
func TestPortsAreNotSharedByAccident(t *testing.T) {
	leavesNothing(t)
	several := ebb.ListenConfig{Config: inMode(&ebb.Config{Sockets: 2})}
	for _, first := range []int{1, 2} {
		l := listen(t, &ebb.Config{Sockets: first})
		_, err := several.Listen(t.Context(), "udp4", l.Addr().String())
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("two sockets on the port of %d: %v", first, err)
		}
	}
	l := listen(t, &ebb.Config{Sockets: 2})
	if _, err := ebb.Listen("udp4", l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("one socket on the port of two: %v", err)
	}
}

func TestSeveralSocketsOfBothFamilies(t *testing.T) {
	if !nettest.SupportsIPv6() {
		t.Skip("no IPv6 here")
	}
	leavesNothing(t)
	lc := ebb.ListenConfig{Config: inMode(&ebb.Config{Sockets: 3})}
	l, err := lc.Listen(t.Context(), "udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := int(addrPort(l.Addr()).Port())
	for i := range 12 {
		host := []string{"127.0.0.1", "::1"}[i%2]
		d := ebb.Dialer{Config: inMode(nil), Timeout: patience}
		c, err := d.Dial("udp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, host)
		s := accept(t, l.(*ebb.Listener))
		reads(t, s, host)
		c.Close()
		s.Close()
	}
}

func TestNewEndpointHasOneSocket(t *testing.T) {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	if _, err := ebb.NewEndpoint(pc, &ebb.Config{Sockets: 2}); err == nil || !strings.Contains(err.Error(), "Config.Sockets is 2") {
		t.Errorf("NewEndpoint of one socket, where two are asked for: %v", err)
	}
}

// BenchmarkSockets moves bytes over eight connections at once to a listener with one socket and with
// several.
func BenchmarkSockets(b *testing.B) {
	for _, sockets := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(sockets), func(b *testing.B) { benchSockets(b, sockets) })
	}
}

func benchSockets(b *testing.B, sockets int) {
	const conns, size = 8, 128 << 10
	cfg := inMode(&ebb.Config{BandwidthLimit: ebb.Unlimited, Sockets: sockets})
	l, err := (&ebb.ListenConfig{Config: cfg}).Listen(b.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var writers, readers sync.WaitGroup
	writes := make(chan []byte)
	for range conns {
		c, err := (&ebb.Dialer{Config: cfg}).Dial("udp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		readers.Go(func() {
			if _, err := io.Copy(io.Discard, s); err != nil {
				b.Error(err)
			}
			s.Close()
		})
		writers.Go(func() {
			for p := range writes { // to the end, or the loop would wait
				if _, err := c.Write(p); err != nil {
					b.Error(err)
				}
			}
			c.Close()
		})
	}
	b.SetBytes(size)
	buf := make([]byte, size)
	for b.Loop() {
		writes <- buf
	}
	close(writes)
	writers.Wait()
	readers.Wait() // all has arrived
	if err := ebb.Drain(context.Background()); err != nil {
		b.Fatal(err)
	}
}

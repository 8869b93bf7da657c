package simnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bubble runs a test on a network with a fake clock.
func bubble(t *testing.T, f func(t *testing.T, n *Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(1)
		defer n.Close()
		f(t, n)
	})
}

func listen(t *testing.T, h *Host, port uint16) *PacketConn {
	t.Helper()
	pc, err := h.ListenPacket(port)
	if err != nil {
		t.Fatal(err)
	}
	return pc
}

func send(t *testing.T, from *PacketConn, to, text string) {
	t.Helper()
	if _, err := from.WriteToUDPAddrPort([]byte(text), netip.MustParseAddrPort(to)); err != nil {
		t.Fatal(err)
	}
}

// wantDatagram reads what must come within a minute, and returns its source.
func wantDatagram(t *testing.T, pc *PacketConn, text string) string {
	t.Helper()
	pc.SetReadDeadline(time.Now().Add(time.Minute))
	b := make([]byte, 2000)
	n, src, err := pc.ReadFrom(b)
	if err != nil {
		t.Fatalf("waiting for %q: %v", text, err)
	}
	if got := string(b[:n]); got != text {
		t.Fatalf("received %q, want %q", got, text)
	}
	return src.String()
}

// wantSilence checks that nothing comes for a second.
func wantSilence(t *testing.T, pc *PacketConn) {
	t.Helper()
	pc.SetReadDeadline(time.Now().Add(time.Second))
	b := make([]byte, 2000)
	if n, src, err := pc.ReadFrom(b); err == nil {
		t.Fatalf("received %q from %v", b[:n], src)
	}
}

func TestNetworkDelivers(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Connect(a, b, LinkConfig{Delay: 30 * ms, Rate: 1_000_000}, LinkConfig{Delay: 5 * ms})
		pa, pb := listen(t, a, 1), listen(t, b, 2)

		start := time.Now()
		for i := range 3 {
			send(t, pa, "10.0.0.2:2", fmt.Sprintf("%0972d", i))
		}
		for i := range 3 {
			if src := wantDatagram(t, pb, fmt.Sprintf("%0972d", i)); src != "10.0.0.1:1" {
				t.Errorf("from %s", src)
			}
			if got, want := time.Since(start), time.Duration(31+i)*ms; got != want {
				t.Errorf("datagram %d after %v, want %v", i, got, want)
			}
		}
		start = time.Now()
		send(t, pb, "10.0.0.1:1", "back")
		wantDatagram(t, pa, "back")
		if got := time.Since(start); got != 5*ms {
			t.Errorf("the way back took %v, want 5ms", got)
		}
		if got := n.LinkStats(a, b).Delivered; got != 3 {
			t.Errorf("%d datagrams on the link, want 3", got)
		}
		if diff := cmp.Diff(NetworkStats{Sent: 4, Delivered: 4}, n.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

// An hour of a link takes an hour of the bubble; a change of the link while a
// datagram is on the way does not touch it.
func TestNetworkSetLink(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Connect(a, b, LinkConfig{Delay: time.Hour}, LinkConfig{})
		pa, pb := listen(t, a, 1), listen(t, b, 2)
		start := time.Now()
		send(t, pa, "10.0.0.2:2", "slow")
		n.SetLink(a, b, LinkConfig{Loss: 1})
		send(t, pa, "10.0.0.2:2", "lost")
		if _, _, err := pb.ReadFrom(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != time.Hour {
			t.Errorf("arrived after %v, want 1h", got)
		}
		wantSilence(t, pb)
	})
}

// Datagrams that arrive together are delivered in the order of their sending,
// whatever their number: the heap has a tie-break.
func TestNetworkOrder(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Connect(a, b, LinkConfig{Delay: 10 * ms}, LinkConfig{})
		pa, pb := listen(t, a, 1), listen(t, b, 2)
		for i := range 1000 {
			send(t, pa, "10.0.0.2:2", fmt.Sprint(i))
		}
		for i := range 1000 {
			wantDatagram(t, pb, fmt.Sprint(i))
		}
	})
}

// What is due earlier is delivered earlier, though the timer was armed for
// something later.
func TestNetworkArmsEarlier(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b, c := n.Host("10.0.0.1"), n.Host("10.0.0.2"), n.Host("10.0.0.3")
		n.Connect(a, b, LinkConfig{Delay: time.Second}, LinkConfig{})
		n.Connect(a, c, LinkConfig{Delay: 10 * ms}, LinkConfig{})
		pa, pb, pc := listen(t, a, 1), listen(t, b, 2), listen(t, c, 3)
		start := time.Now()
		send(t, pa, "10.0.0.2:2", "late")
		send(t, pa, "10.0.0.3:3", "early")
		wantDatagram(t, pc, "early")
		if got := time.Since(start); got != 10*ms {
			t.Errorf("the early one arrived after %v", got)
		}
		wantDatagram(t, pb, "late")
		if got := time.Since(start); got != time.Second {
			t.Errorf("the late one arrived after %v", got)
		}
	})
}

func TestNetworkDrops(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Host("10.0.0.3") // nothing leads there
		n.Connect(a, b, LinkConfig{Corrupt: 1}, LinkConfig{})
		pa, pb := listen(t, a, 1), listen(t, b, 2)
		send(t, pa, "10.0.0.2:3", "nobody listens")
		send(t, pa, "10.0.0.3:2", "no link")
		send(t, pa, "10.0.0.4:2", "no host")
		pb.SetReadBuffer(100)
		for range 3 { // 37 bytes each with what they are charged
			send(t, pa, "10.0.0.2:2", "too many!")
		}
		want := NetworkStats{Sent: 6, NoRoute: 2, Refused: 1, Delivered: 2, Overflow: 1}
		if diff := cmp.Diff(want, n.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(PacketConnStats{Received: 2, Dropped: 1}, pb.Stats()); diff != "" {
			t.Errorf("socket's stats (-want +got):\n%s", diff)
		}
		got := make([]byte, 100)
		m, _, err := pb.ReadFrom(got)
		if err != nil || m != 9 || string(got[:m]) == "too many!" {
			t.Errorf("read %q, %v; want it corrupted", got[:m], err)
		}
		// Room again for one.
		send(t, pa, "10.0.0.2:2", "too many!")
		if got := pb.Stats().Received; got != 3 {
			t.Errorf("%d received after a read, want 3", got)
		}
		pb.SetReadBuffer(0)
		for range 2 {
			pb.ReadFrom(got)
		}
		send(t, pa, "10.0.0.2:2", "one always fits")
		if got := pb.Stats().Received; got != 4 {
			t.Errorf("%d received with no buffer, want 4", got)
		}
	})
}

func TestNetworkICMP(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Connect(a, b, LinkConfig{Delay: 10 * ms}, LinkConfig{Delay: 20 * ms})
		pa := listen(t, a, 1)
		send(t, pa, "10.0.0.2:2", "x")
		wantSilence(t, pa)
		n.SetICMP(true)
		start := time.Now()
		send(t, pa, "10.0.0.2:2", "x")
		pa.SetReadDeadline(time.Time{})
		_, _, err := pa.ReadFrom(nil)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(start) != 30*ms {
			t.Errorf("%v after %v, want ECONNREFUSED after 30ms", err, time.Since(start))
		}
		wantSilence(t, pa)
	})
}

// TestReportsQuoteWhatWasLost: a read fails with the peer's address and what was sent, be it that the host has
// no socket or that a router has no way.
func TestReportsQuoteWhatWasLost(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		n.SetICMP(true)
		a, b, c := n.Host("10.0.0.1"), n.Host("10.0.0.2"), n.Host("10.0.0.3")
		n.Connect(a, b, LinkConfig{Delay: 10 * ms}, LinkConfig{Delay: 10 * ms})
		n.SetLink(a, c, LinkConfig{Delay: 10 * ms, Rules: []Rule{{Loss: 1, Report: HostUnreachable}}})
		pa := listen(t, a, 1)
		send(t, pa, "10.0.0.3:3", strings.Repeat("x", 1000))
		send(t, pa, "10.0.0.2:2", "hello")
		for _, want := range []struct {
			errno syscall.Errno
			Unreachable
		}{
			{syscall.EHOSTUNREACH, Unreachable{HostUnreachable, addr("10.0.0.3:3"), bytes.Repeat([]byte("x"), 520)}},
			{syscall.ECONNREFUSED, Unreachable{PortUnreachable, addr("10.0.0.2:2"), []byte("hello")}},
		} {
			_, _, err := pa.ReadFrom(nil)
			var u *Unreachable
			var op *net.OpError
			if !errors.Is(err, want.errno) || !errors.As(err, &u) || !errors.As(err, &op) {
				t.Fatalf("%v, want one that matches %v", err, want.errno)
			}
			if op.Addr.String() != want.To.String() || u.Code != want.Code || u.To != want.To || !bytes.Equal(u.Quoted, want.Quoted) {
				t.Errorf("%+v for %v, want %+v", u, op.Addr, want.Unreachable)
			}
		}
	})
}

// TestPausedSocketWaits: it gives and takes nothing while it is paused, and everything in order afterwards.
func TestPausedSocketWaits(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Connect(a, b, LinkConfig{}, LinkConfig{})
		pa, pb := listen(t, a, 1), listen(t, b, 2)
		pb.SetReadBuffer(100)
		pb.Pause()
		for _, text := range []string{"one", "two", "three", "four"} { // 31, 31, 33 and 32 bytes with their headers
			send(t, pa, "10.0.0.2:2", text)
		}
		send(t, pb, "10.0.0.1:1", "first")
		send(t, pb, "10.0.0.1:1", "second")
		wantSilence(t, pa)
		wantSilence(t, pb)
		pb.Resume()
		for _, text := range []string{"one", "two", "three"} {
			wantDatagram(t, pb, text)
		}
		wantSilence(t, pb)
		wantDatagram(t, pa, "first")
		wantDatagram(t, pa, "second")
	})
}

func TestHostAddresses(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1", "2001:db8::1"), n.Host("10.0.0.2", "2001:db8::2")
		if n.Host("2001:db8::1") != a {
			t.Error("another host for the same address")
		}
		n.Connect(a, b, LinkConfig{}, LinkConfig{})
		any6, err := b.ListenPacketOn(netip.MustParseAddrPort("[::]:7"))
		if err != nil {
			t.Fatal(err)
		}
		pa, err := a.ListenPacketOn(netip.MustParseAddrPort("[::]:0"))
		if err != nil {
			t.Fatal(err)
		}
		send(t, pa, "10.0.0.2:7", "four")
		if src := wantDatagram(t, any6, "four"); src != "10.0.0.1:49152" {
			t.Errorf("from %s", src)
		}
		send(t, pa, "[2001:db8::2]:7", "six")
		if src := wantDatagram(t, any6, "six"); src != "[2001:db8::1]:49152" {
			t.Errorf("from %s", src)
		}
		send(t, pa, "[::ffff:10.0.0.2]:7", "mapped")
		wantDatagram(t, any6, "mapped")
	})
}

func TestListenErrors(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		h := n.Host("10.0.0.1", "2001:db8::1")
		closed := listen(t, h, 5)
		closed.Close()
		listen(t, h, 5)
		if _, err := h.ListenPacketOn(netip.MustParseAddrPort("0.0.0.0:6")); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			local string
			want  error
		}{
			{"10.0.0.9:5", syscall.EADDRNOTAVAIL},
			{"10.0.0.1:5", syscall.EADDRINUSE},
			{"0.0.0.0:5", syscall.EADDRINUSE},
			{"[::]:5", syscall.EADDRINUSE},
			{"10.0.0.1:6", syscall.EADDRINUSE},
			{"[2001:db8::1]:6", nil},
			{"[2001:db8::1]:5", nil},
		}
		for _, tt := range tests {
			if _, err := h.ListenPacketOn(netip.MustParseAddrPort(tt.local)); !errors.Is(err, tt.want) {
				t.Errorf("listening on %s: %v, want %v", tt.local, err, tt.want)
			}
		}
		n.Close()
		if _, err := h.ListenPacket(0); !errors.Is(err, net.ErrClosed) {
			t.Errorf("listening on a closed network: %v", err)
		}
	})
}

func TestWriteErrors(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		pc := listen(t, n.Host("10.0.0.1"), 1)
		good := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}
		tests := []struct {
			name string
			size int
			addr net.Addr
			want error
		}{
			{"to itself", 10, good, nil},
			{"largest", maxPayload, good, nil},
			{"too large", maxPayload + 1, good, syscall.EMSGSIZE},
			{"no address", 10, nil, syscall.EINVAL},
			{"nil address", 10, (*net.UDPAddr)(nil), syscall.EINVAL},
			{"another kind", 10, &net.TCPAddr{}, syscall.EINVAL},
			{"port 0", 10, &net.UDPAddr{IP: good.IP}, syscall.EINVAL},
			{"another family", 10, &net.UDPAddr{IP: net.IPv6loopback, Port: 1}, syscall.ENETUNREACH},
		}
		for _, tt := range tests {
			_, err := pc.WriteTo(make([]byte, tt.size), tt.addr)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
		pc.SetWriteDeadline(time.Now())
		if _, err := pc.WriteTo(nil, good); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		pc.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := pc.WriteTo(nil, good); err != nil {
			t.Errorf("before the deadline: %v", err)
		}
		time.Sleep(time.Second)
		synctest.Wait() // the deadline's timer
		if _, err := pc.WriteTo(nil, good); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
	})
}

func TestPacketConnDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		pc := listen(t, n.Host("10.0.0.1"), 1)
		read := func() (time.Duration, error) {
			start := time.Now()
			_, _, err := pc.ReadFrom(make([]byte, 10))
			return time.Since(start), err
		}
		timedOut := func(what string, want time.Duration) {
			t.Helper()
			took, err := read()
			var ne net.Error
			if !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || took != want {
				t.Errorf("%s: %v after %v, want a timeout after %v", what, err, took, want)
			}
		}
		pc.SetReadDeadline(time.Now().Add(10 * time.Minute))
		timedOut("a deadline", 10*time.Minute)
		timedOut("again", 0)
		pc.SetReadDeadline(time.Now().Add(-time.Second))
		timedOut("in the past", 0)

		pc.SetReadDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(time.Second, func() { pc.SetReadDeadline(time.Now().Add(time.Minute)) })
		timedOut("moved earlier during the read", 61*time.Second)
		pc.SetReadDeadline(time.Now().Add(time.Second))
		time.AfterFunc(ms, func() { pc.SetReadDeadline(time.Now().Add(time.Minute)) })
		timedOut("moved later during the read", time.Minute+ms)

		// A passed deadline hides what is there, and lifting it shows it.
		send(t, pc, "10.0.0.1:1", "x")
		timedOut("with a datagram waiting", 0)
		pc.SetReadDeadline(time.Time{})
		if took, err := read(); err != nil || took != 0 {
			t.Errorf("no deadline: %v after %v", err, took)
		}
		time.AfterFunc(time.Second, func() { pc.Close() })
		if took, err := read(); !errors.Is(err, net.ErrClosed) || took != time.Second {
			t.Errorf("closed during the read: %v after %v", err, took)
		}
		for what, err := range map[string]error{
			"a second Close": pc.Close(),
			"SetDeadline":    pc.SetDeadline(time.Time{}),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// Every waiting reader is woken by Close, and each datagram goes to one.
func TestPacketConnReaders(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		pc := listen(t, n.Host("10.0.0.1"), 1)
		var mu sync.Mutex
		var got []string
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for {
					b := make([]byte, 10)
					m, _, err := pc.ReadFromUDPAddrPort(b)
					if err != nil {
						return
					}
					mu.Lock()
					got = append(got, string(b[:m]))
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		for i := range 100 {
			send(t, pc, "10.0.0.1:1", fmt.Sprintf("%02d", i))
		}
		synctest.Wait()
		n.Close()
		wg.Wait()
		slices.Sort(got)
		if len(got) != 100 || len(slices.Compact(got)) != 100 {
			t.Errorf("%d datagrams read, some twice or never", len(got))
		}
	})
}

// Close leaves nothing behind that happens later.
func TestNetworkClose(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Connect(a, b, LinkConfig{Delay: time.Second}, LinkConfig{})
		pa, pb := listen(t, a, 1), listen(t, b, 2)
		inside := n.NAT(NATConfig{}, "192.0.2.1").Host("192.168.0.2")
		pi := listen(t, inside, 3)
		send(t, pa, "10.0.0.2:2", "x")
		n.Close()
		time.Sleep(time.Minute)
		for _, pc := range []*PacketConn{pa, pb, pi} {
			if _, _, err := pc.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
				t.Errorf("reading from %v: %v", pc.LocalAddr(), err)
			}
		}
		if _, err := pa.WriteTo(nil, pb.LocalAddr()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing: %v", err)
		}
		if got := n.Stats(); got.Delivered+got.Overflow+got.Refused != 0 {
			t.Errorf("something arrived: %+v", got)
		}
	})
}

// Outside a bubble it is the same network on the machine's clock.
func TestNetworkInRealTime(t *testing.T) {
	n := NewNetwork(1)
	defer n.Close()
	a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
	n.Connect(a, b, LinkConfig{Delay: 5 * ms}, LinkConfig{Delay: 5 * ms})
	pa, pb := listen(t, a, 1), listen(t, b, 2)
	start := time.Now()
	var echo sync.WaitGroup
	echo.Go(func() {
		buf := make([]byte, 100)
		for {
			m, src, err := pb.ReadFrom(buf)
			if err != nil {
				return
			}
			pb.WriteTo(buf[:m], src)
		}
	})
	for i := range 10 {
		send(t, pa, "10.0.0.2:2", fmt.Sprint(i))
		wantDatagram(t, pa, fmt.Sprint(i))
	}
	if got := time.Since(start); got < 100*ms {
		t.Errorf("ten round trips of 10ms took %v", got)
	}
	n.Close()
	echo.Wait()
}

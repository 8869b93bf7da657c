package ebb_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/limits"
)

// The tests in this file run the whole stack over a simulated network, with the
// clock of a testing/synctest bubble: an hour passes in milliseconds, and
// durations are exact.

const serverPort, clientPort = 443, 5000

var serverAddr = net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.2:443"))

// bubble is a client and a server, one link each way between them.
type bubble struct {
	*testing.T
	*simnet.Network
	client, server *simnet.Host
	limits         *limits.Manager // of the bubble: the process's has another time
}

// inBubble runs a test in a bubble. up is the link from the client to the
// server, down the one back.
func inBubble(t *testing.T, up, down simnet.LinkConfig, test func(b *bubble)) {
	t.Helper()
	awaitOthers(t)
	synctest.Test(t, func(t *testing.T) {
		n := simnet.NewNetwork(1)
		m, err := limits.New(limits.Config{})
		if err != nil {
			t.Fatal(err)
		}
		b := &bubble{T: t, Network: n, client: n.Host("10.0.0.1"), server: n.Host("10.0.0.2"), limits: m}
		n.Connect(b.client, b.server, up, down)
		test(b)
	})
}

// endpoint is an endpoint on a host that closes with the bubble.
func (b *bubble) endpoint(h *simnet.Host, port uint16, cfg *ebb.Config) *ebb.Endpoint {
	b.Helper()
	pc, err := h.ListenPacket(port)
	if err != nil {
		b.Fatal(err)
	}
	return b.endpointOver(pc, cfg)
}

func (b *bubble) endpointOver(pc net.PacketConn, cfg *ebb.Config) *ebb.Endpoint {
	b.Helper()
	var own ebb.Config
	if cfg != nil {
		own = *cfg
	}
	if own.Limits == nil {
		own.Limits = b.limits
	}
	e, err := ebb.NewEndpoint(pc, &own)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close() })
	return e
}

// connect is a connection from the client to a listening server.
func (b *bubble) connect(clientCfg, serverCfg *ebb.Config) (dialled, accepted *ebb.Conn) {
	b.Helper()
	l := serves(b.T, b.endpoint(b.server, serverPort, serverCfg))
	c, err := b.endpoint(b.client, clientPort, clientCfg).DialAddr(b.Context(), serverAddr)
	if err != nil {
		b.Fatal(err)
	}
	return c, accept(b.T, l)
}

const oneWay = 20 * time.Millisecond

var delayed = simnet.LinkConfig{Delay: oneWay}

// TestServerSpeaksFirst: a client that dials and reads gets the greeting, even
// if any of the first datagrams is lost, within a probe timeout of the time
// it takes otherwise.
func TestServerSpeaksFirst(t *testing.T) {
	const probeTimeout = time.Second // before there is a sample
	greeting := func(t *testing.T, up, down int) (took time.Duration) {
		drop := func(which int) simnet.LinkConfig {
			return simnet.LinkConfig{Delay: oneWay, Drop: func(n int, _ []byte) bool { return n == which }}
		}
		inBubble(t, drop(up), drop(down), func(b *bubble) {
			l := serves(b.T, b.endpoint(b.server, serverPort, nil))
			go func() {
				c, err := l.Accept()
				if err != nil {
					b.Error(err)
					return
				}
				fmt.Fprint(c, "220 hello")
			}()
			start := time.Now()
			c, err := b.endpoint(b.client, clientPort, nil).DialAddr(b.Context(), serverAddr)
			if err != nil {
				b.Fatal(err)
			}
			reads(b.T, c, "220 hello")
			took = time.Since(start)
		})
		return took
	}
	clean := greeting(t, -1, -1)
	if clean != 4*oneWay {
		t.Errorf("without loss it takes %v; two round trips are %v", clean, 4*oneWay)
	}
	for n := range 6 {
		if took := greeting(t, n, -1); took > clean+probeTimeout {
			t.Errorf("without datagram %d of the client: %v, clean %v", n, took, clean)
		}
		if took := greeting(t, -1, n); took > clean+probeTimeout {
			t.Errorf("without datagram %d of the server: %v, clean %v", n, took, clean)
		}
	}
}

// TestBehindNAT: five idle minutes behind a NAT that forgets after 30 s.
func TestBehindNAT(t *testing.T) {
	for _, tt := range []struct {
		name      string
		keepAlive time.Duration
		survives  bool
	}{{"keep-alive", 0, true}, {"none", -1, false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := simnet.NewNetwork(1)
				nat := n.NAT(simnet.NATConfig{BindingTimeout: 30 * time.Second}, "192.0.2.1")
				b := &bubble{T: t, Network: n, client: nat.Host("10.0.0.1"), server: n.Host("10.0.0.2")}
				n.Connect(b.client, b.server, delayed, delayed)
				// The server must not be the one who keeps the binding.
				c, s := b.connect(&ebb.Config{KeepAlive: tt.keepAlive, IdleTimeout: time.Hour}, &ebb.Config{IdleTimeout: time.Hour})
				if got := addrPort(s.RemoteAddr()).Addr().String(); got != "192.0.2.1" {
					t.Fatalf("the server sees %s", got)
				}
				time.Sleep(5 * time.Minute)
				write(t, s, "news")
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				got := make([]byte, 10)
				m, err := c.Read(got)
				if tt.survives && string(got[:m]) != "news" {
					t.Errorf("after five minutes: %q, %v", got[:m], err)
				}
				if !tt.survives && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("without keep-alive: %q, %v; is the NAT no NAT?", got[:m], err)
				}
			})
		})
	}
}

// TestKeepAlive: an idle connection lives for a day, and costs a probe every 15 s.
func TestKeepAlive(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(nil, nil)
		before := b.LinkStats(b.client, b.server).Sent
		time.Sleep(24 * time.Hour)
		probes := b.LinkStats(b.client, b.server).Sent - before
		if most := 24 * 3600 / 15; probes > most || probes < most*95/100 {
			t.Errorf("%d packets in a day, want about %d", probes, most)
		}
		write(b.T, s, "good morning")
		reads(b.T, c, "good morning")
	})
}

// TestIdleTimeout: a dead path ends both sides, in time.
func TestIdleTimeout(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(nil, nil)
		synctest.Wait()
		time.Sleep(time.Second) // for the last ACK
		b.SetLink(b.client, b.server, simnet.LinkConfig{Loss: 1})
		b.SetLink(b.server, b.client, simnet.LinkConfig{Loss: 1})
		start := time.Now()
		end := func(who string, conn *ebb.Conn, limit time.Duration) {
			_, err := conn.Read(make([]byte, 1))
			var ne net.Error
			if !errors.Is(err, ebb.ErrIdleTimeout) || !errors.Is(err, syscall.ETIMEDOUT) || !errors.As(err, &ne) || !ne.Timeout() {
				t.Errorf("the %s reads %v", who, err)
			}
			if took := time.Since(start); took > limit || took < 30*time.Second {
				t.Errorf("the %s noticed after %v", who, took)
			}
		}
		done := make(chan struct{})
		go func() { end("client", c, 46*time.Second); close(done) }() // 15 s of silence, and 30 of probes
		end("server", s, 61*time.Second)                              // 30 and 30
		<-done
	})
}

// TestRestartedPeer: a server that comes back without its memory answers the next
// packet with UNKNOWN, and the client's connection is reset at once.
func TestRestartedPeer(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		first := b.endpoint(b.server, serverPort, nil)
		l := serves(b.T, first)
		e := b.endpoint(b.client, clientPort, nil)
		c, err := e.DialAddr(b.Context(), serverAddr)
		if err != nil {
			b.Fatal(err)
		}
		accept(b.T, l)
		time.Sleep(time.Second)
		b.SetLink(b.server, b.client, simnet.LinkConfig{Loss: 1}) // it does not say goodbye
		first.Close()
		b.SetLink(b.server, b.client, delayed)
		l2 := serves(b.T, b.endpoint(b.server, serverPort, nil))

		start := time.Now()
		write(b.T, c, "anybody there?")
		err = readsError(b.T, c)
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read = %v", err)
		}
		if took := time.Since(start); took > 4*oneWay {
			t.Errorf("after %v; two round trips are %v", took, 4*oneWay)
		}
		// A new dial from the same address works at once.
		start = time.Now()
		c2, err := e.DialAddr(b.Context(), serverAddr)
		if err != nil {
			b.Fatal(err)
		}
		write(b.T, c2, "hello again")
		reads(b.T, accept(b.T, l2), "hello again")
		if took := time.Since(start); took > 4*oneWay {
			t.Errorf("the new connection took %v", took)
		}
	})
}

// TestRestartedPeerOfAnIdleConn: the next keep-alive finds out.
func TestRestartedPeerOfAnIdleConn(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		first := b.endpoint(b.server, serverPort, nil)
		l := serves(b.T, first)
		c, err := b.endpoint(b.client, clientPort, nil).DialAddr(b.Context(), serverAddr)
		if err != nil {
			b.Fatal(err)
		}
		accept(b.T, l)
		time.Sleep(time.Second)
		b.SetLink(b.server, b.client, simnet.LinkConfig{Loss: 1})
		first.Close()
		b.SetLink(b.server, b.client, delayed)
		b.endpoint(b.server, serverPort, nil)

		start := time.Now()
		if err := readsError(b.T, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read = %v", err)
		}
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("after %v; the keep-alive is sent every 15 s", took)
		}
	})
}

// TestNoAnswer: a dial into nothing ends with the handshake's timeout, and an
// endpoint's earlier.
func TestNoAnswer(t *testing.T) {
	inBubble(t, simnet.LinkConfig{Loss: 1}, delayed, func(b *bubble) {
		e := b.endpoint(b.client, clientPort, nil)
		start := time.Now()
		_, err := e.DialAddr(b.Context(), serverAddr)
		if !errors.Is(err, ebb.ErrHandshakeTimeout) || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		b.Cleanup(func() {
			if n := e.Info().Connections; n != 0 {
				t.Errorf("%d connections are left", n)
			}
		})
	})
}

// TestCrossingDialsMeet: dials that cross in mid-way become one connection, on
// any path, whoever listens.
func TestCrossingDialsMeet(t *testing.T) {
	for _, listening := range []int{0, 1, 2} {
		for lost := -1; lost < 4; lost++ {
			link := simnet.LinkConfig{Delay: oneWay, Drop: func(n int, _ []byte) bool { return n == lost }}
			inBubble(t, link, link, func(b *bubble) {
				x, y := b.endpoint(b.client, clientPort, nil), b.endpoint(b.server, serverPort, nil)
				for i, e := range []*ebb.Endpoint{x, y} {
					if i < listening {
						serves(b.T, e)
					}
				}
				var atY *ebb.Conn
				var errY error
				done := make(chan struct{})
				go func() {
					atY, errY = y.DialAddr(b.Context(), x.Addr())
					close(done)
				}()
				atX, errX := x.DialAddr(b.Context(), serverAddr)
				<-done
				if errX != nil || errY != nil {
					t.Errorf("%d listening, datagram %d lost: %v and %v", listening, lost, errX, errY)
					return
				}
				write(b.T, atX, "from x")
				reads(b.T, atY, "from x")
				write(b.T, atY, "from y")
				reads(b.T, atX, "from y")
				if atX.Info().Dialled == atY.Info().Dialled {
					t.Errorf("%d listening, datagram %d lost: two connections", listening, lost)
				}
			})
		}
	}
}

// TestCrossingDialsThroughFirewalls: two peers behind firewalls that let in only what was asked for have their
// connection two round trips after the second of them dials, however much later that is.
func TestCrossingDialsThroughFirewalls(t *testing.T) {
	nat := simnet.NATConfig{Filter: simnet.AddressAndPortDependent}
	for _, later := range []time.Duration{0, 300 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second, 7500 * time.Millisecond} {
		for range 10 { // whose ID is larger is a matter of chance
			synctest.Test(t, func(t *testing.T) {
				n := simnet.NewNetwork(1)
				first, second := n.NAT(nat, "192.0.2.1"), n.NAT(nat, "198.51.100.1")
				b := &bubble{T: t, Network: n, client: first.Host("10.0.0.1"), server: second.Host("10.0.0.2")}
				n.Connect(b.client, b.server, delayed, delayed)
				outside := func(host string) net.Addr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(host + ":49152")) }
				var conns [2]*ebb.Conn
				var errs [2]error
				var group sync.WaitGroup
				x, y := b.endpoint(b.client, clientPort, nil), b.endpoint(b.server, serverPort, nil)
				group.Go(func() { conns[0], errs[0] = x.DialAddr(b.Context(), outside("198.51.100.1")) })
				time.Sleep(later)
				start := time.Now()
				group.Go(func() { conns[1], errs[1] = y.DialAddr(b.Context(), outside("192.0.2.1")) })
				group.Wait()
				if errs != [2]error{} {
					t.Fatalf("%v later: %v", later, errs)
				}
				if took := time.Since(start); took > 4*oneWay+50*time.Millisecond {
					t.Errorf("%v later: complete after %v, a round trip is %v", later, took, 2*oneWay)
				}
				write(t, conns[0], "from the first")
				reads(t, conns[1], "from the first")
				if conns[0].Info().Dialled == conns[1].Info().Dialled {
					t.Error("two connections")
				}
			})
		}
	}
}

// TestCloseInTheBackground: Close returns at once, and Drain when the last byte
// was acknowledged.
func TestCloseInTheBackground(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(nil, nil)
		write(b.T, c, "the last words")
		start := time.Now()
		c.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
		if err := ebb.Drain(b.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 2*oneWay || took > 2*oneWay+50*time.Millisecond {
			t.Errorf("Drain took %v, a round trip is %v", took, 2*oneWay)
		}
		reads(b.T, s, "the last words")
	})
}

// TestUndeliverable: a path that dies behind Close is given up after
// LingerTimeout, and Drain says so.
func TestUndeliverable(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, peer := b.connect(&ebb.Config{LingerTimeout: 5 * time.Second}, nil)
		defer runtime.KeepAlive(peer) // or it is collected, and resets
		b.SetLink(b.client, b.server, simnet.LinkConfig{Loss: 1})
		write(b.T, c, "into the void")
		start := time.Now()
		c.Close()
		err := ebb.Drain(b.Context())
		if !errors.Is(err, ebb.ErrNotDelivered) {
			t.Errorf("Drain = %v", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestTombstonesGoInTime: what an idle endpoint remembers of its connections is gone when its time is over,
// though nothing else happens.
func TestTombstonesGoInTime(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		server, client := b.endpoint(b.server, serverPort, nil), b.endpoint(b.client, clientPort, nil)
		l := serves(b.T, server)
		const conns = 8
		for range conns {
			c, err := client.DialAddr(b.Context(), serverAddr)
			if err != nil {
				b.Fatal(err)
			}
			s := accept(b.T, l)
			c.Close()
			s.Close()
			time.Sleep(time.Second)
		}
		if c, s := client.Info().Tombstones, server.Info().Tombstones; c != conns || s != conns {
			b.Errorf("%d and %d tombstones, want %d each", c, s, conns)
		}
		time.Sleep(11 * time.Second)
		if c, s := client.Info().Tombstones, server.Info().Tombstones; c != 0 || s != 0 {
			b.Errorf("%d and %d tombstones are left", c, s)
		}
	})
}

// slowSocket is a socket one of whose sends takes a while.
type slowSocket struct {
	net.PacketConn
	pause atomic.Int64 // of the next send
}

func (s *slowSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	time.Sleep(time.Duration(s.pause.Swap(0)))
	return s.PacketConn.WriteTo(b, to)
}

// TestTimersWaitForTheFlusher: while a send hangs in the system, timeouts that fall due
// wait for its end. A timer that came again and again would keep the bubble's clock from
// moving at all, and on a busy machine the sender from the lock.
func TestTimersWaitForTheFlusher(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		l := serves(b.T, b.endpoint(b.server, serverPort, nil))
		pc, err := b.client.ListenPacket(clientPort)
		if err != nil {
			b.Fatal(err)
		}
		slow := &slowSocket{PacketConn: pc}
		c, err := b.endpointOver(slow, nil).DialAddr(b.Context(), serverAddr)
		if err != nil {
			b.Fatal(err)
		}
		s := accept(b.T, l)
		write(b.T, c, "first")
		reads(b.T, s, "first")
		slow.pause.Store(int64(5 * time.Second))
		write(b.T, c, "second") // unacknowledged all the while
		reads(b.T, s, "second")
		write(b.T, s, "third")
		reads(b.T, c, "third")
		if n := c.Info().Probes; n > 3 {
			b.Errorf("%d probes", n)
		}
	})
}

// TestAHungSendIsNobodysSilence: a send that hangs in the system for longer than every timeout of its side takes
// neither the connection nor what was written to it.
func TestAHungSendIsNobodysSilence(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		l := serves(b.T, b.endpoint(b.server, serverPort, nil))
		pc, err := b.client.ListenPacket(clientPort)
		if err != nil {
			b.Fatal(err)
		}
		slow := &slowSocket{PacketConn: pc}
		cfg := &ebb.Config{IdleTimeout: 3 * time.Second, UserTimeout: 3 * time.Second, LingerTimeout: 3 * time.Second}
		c, err := b.endpointOver(slow, cfg).DialAddr(b.Context(), serverAddr)
		if err != nil {
			b.Fatal(err)
		}
		s := accept(b.T, l)
		slow.pause.Store(int64(20 * time.Second))
		write(b.T, c, "first")
		reads(b.T, s, "first")
		time.Sleep(time.Second)
		slow.pause.Store(int64(20 * time.Second))
		write(b.T, c, "second")
		c.Close()
		if err := ebb.Drain(b.Context()); err != nil {
			b.Error(err)
		}
		reads(b.T, s, "second")
		if _, err := s.Read(make([]byte, 1)); err != io.EOF {
			b.Errorf("behind what was written the peer reads %v", err)
		}
	})
}

// TestAHoleIsNamed: a path that carries small packets alone ends a transfer with ErrUserTimeout, and a dial says what to
// look at.
func TestAHoleIsNamed(t *testing.T) {
	hole := simnet.LinkConfig{Delay: oneWay, Rules: []simnet.Rule{{Match: simnet.Larger(1227), Loss: 1}}}
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(nil, nil)
		defer runtime.KeepAlive(c) // its keep-alives are answered
		b.SetLink(b.client, b.server, hole)
		b.SetLink(b.server, b.client, hole)
		write(b.T, s, string(make([]byte, 10_000)))
		start := time.Now()
		_, err := s.Read(make([]byte, 1))
		var ne net.Error
		if !errors.Is(err, ebb.ErrUserTimeout) || !errors.Is(err, syscall.ETIMEDOUT) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("it reads %v", err)
		}
		if took := time.Since(start); took < 30*time.Second || took > 31*time.Second {
			t.Errorf("after %v, want 30 s as the idle timeout", took)
		}
		_, err = b.endpoint(b.client, clientPort+1, nil).DialAddr(b.Context(), serverAddr)
		if !errors.Is(err, ebb.ErrHandshakeTimeout) || !strings.Contains(err.Error(), "1228 bytes") {
			t.Errorf("a dial says %v", err)
		}
	})
}

// TestTheUserTimeoutHasADefault: it is the idle timeout, or 30 s where there is none; negative is none.
func TestTheUserTimeoutHasADefault(t *testing.T) {
	for _, tt := range []struct{ idle, user, want time.Duration }{
		{-1, 0, 30 * time.Second}, {-1, 5 * time.Second, 5 * time.Second}, {time.Hour, 10 * time.Second, 10 * time.Second}, {-1, -1, 0},
	} {
		inBubble(t, delayed, delayed, func(b *bubble) {
			c, peer := b.connect(&ebb.Config{IdleTimeout: tt.idle, UserTimeout: tt.user}, nil)
			defer runtime.KeepAlive(peer) // or it is collected, and resets
			b.SetLink(b.client, b.server, simnet.LinkConfig{Loss: 1})
			b.SetLink(b.server, b.client, simnet.LinkConfig{Loss: 1})
			write(b.T, c, "into the void")
			start := time.Now()
			c.SetReadDeadline(start.Add(time.Hour))
			_, err := c.Read(make([]byte, 1))
			took := time.Since(start)
			if tt.want == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if !errors.Is(err, ebb.ErrUserTimeout) || took != tt.want {
				b.Errorf("idle %v, user %v: %v after %v, want %v", tt.idle, tt.user, err, took, tt.want)
			}
		})
	}
}

// TestInfoTellsOfTheSilence: it says since when nothing is heard and nothing acknowledged, that this is what limits, and what the
// connection's socket can do.
func TestInfoTellsOfTheSilence(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(nil, nil)
		write(b.T, c, "hello")
		reads(b.T, s, "hello")
		time.Sleep(time.Second)
		if i := c.Info(); i.LimitedBy != ebb.LimitApplication || i.SinceHeard < 900*time.Millisecond || i.SinceHeard > time.Second || i.SinceAcked != i.SinceHeard {
			b.Errorf("a second after the last ACK: limited by %s, heard %v ago, acknowledged %v ago", i.LimitedBy, i.SinceHeard, i.SinceAcked)
		}
		b.SetLink(b.server, b.client, simnet.LinkConfig{Loss: 1})
		write(b.T, c, "anybody there?")
		time.Sleep(5 * time.Second)
		i := c.Info()
		if i.LimitedBy != ebb.LimitSilence || i.SinceHeard < 5*time.Second || i.SinceAcked < 5*time.Second {
			b.Errorf("on a dead path: limited by %s, heard %v ago, acknowledged %v ago", i.LimitedBy, i.SinceHeard, i.SinceAcked)
		}
		if i.Socket.DatagramsSent == 0 || i.Socket.DatagramsSent != i.PacketsSent {
			b.Errorf("its socket has sent %d datagrams, of %d", i.Socket.DatagramsSent, i.PacketsSent)
		}
	})
}

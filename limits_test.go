package ebb_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/limits"
	"example.com/ebb/peerid"
)

// limitsOf is a manager with limits beside the defaults, and nobody on the allowlist.
func limitsOf(t *testing.T, c limits.Config) *limits.Manager {
	t.Helper()
	c.Allow = []netip.Prefix{}
	m, err := limits.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// nothingHeld demands that all is given back that was taken, each once.
func nothingHeld(t *testing.T, m *limits.Manager) {
	t.Helper()
	s := m.Snapshot()
	for r, b := range s.Process.All() {
		if b.Used != 0 {
			t.Errorf("%d %v are still taken", b.Used, r)
		}
	}
	if n := len(s.Endpoints) + len(s.Networks) + len(s.Peers) + len(s.Identities); n != 0 {
		t.Errorf("%d scopes are left: %+v", n, s)
	}
	if s.Opened == 0 || s.Opened != s.Released || s.ReleasedAgain != 0 {
		t.Errorf("%d connections were opened, %d released, %d of them again", s.Opened, s.Released, s.ReleasedAgain)
	}
}

// TestConnectionsOfAPeerAreLimited: who has as many connections as it may have is told that we are busy, at once; who dials beyond
// its own limit hears which. A connection that ends makes place for another.
func TestConnectionsOfAPeerAreLimited(t *testing.T) {
	m := limitsOf(t, limits.Config{Peer: limits.Limits{Connections: 4}})
	l := listen(t, &ebb.Config{Limits: m})
	var conns []*ebb.Conn
	for range 4 {
		conns = append(conns, dial(t, l, nil))
		accept(t, l)
	}
	start := time.Now()
	_, err := ebb.Dial("udp", l.Addr().String())
	if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(start) > time.Second {
		t.Errorf("the fifth: %v after %v", err, time.Since(start))
	}
	conns[0].Close()
	c := dialsAtLast(t, l)
	c.Close()

	d := ebb.Dialer{Config: &ebb.Config{Limits: limitsOf(t, limits.Config{Process: limits.Limits{Outbound: 1}})}, Timeout: patience}
	first, err := d.Dial("udp", listen(t, nil).Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	var at *limits.Error
	if _, err = d.Dial("udp", listen(t, nil).Addr().String()); !errors.As(err, &at) || at.Resource != limits.Outbound {
		t.Errorf("the second dial of one: %v", err)
	}
}

// TestConnectionsOfAnIdentityAreLimited: who has shown a key has no more connections than an identity may have, and leaves places to another
// key of the same address.
func TestConnectionsOfAnIdentityAreLimited(t *testing.T) {
	leavesNothing(t)
	m := limitsOf(t, limits.Config{Identity: limits.Limits{Connections: 1}})
	server, mine, yours := peerid.NewKey(), peerid.NewKey(), peerid.NewKey()
	l := listen(t, &ebb.Config{TLS: peerid.Server(server), Limits: m})
	first, accepted := meet(t, l, peerid.Client(mine, peerid.IDOf(server)))
	c, err := dialTLS(t, l, peerid.Client(mine, peerid.IDOf(server)))
	if err == nil { // the client is done with the handshake before the server knows who it is
		err = readsError(t, c)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the second of one identity: %v", err)
	}
	meet(t, l, peerid.Client(yours, peerid.IDOf(server)))
	first.Close()
	accepted.Close()
	eventually(t, "the identity to have a place again", func() bool {
		c, err := dialTLS(t, l, peerid.Client(mine, peerid.IDOf(server)))
		if err != nil {
			return false
		}
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		return errors.Is(err, os.ErrDeadlineExceeded)
	})
}

// dialsAtLast dials until there is a place.
func dialsAtLast(t *testing.T, l *ebb.Listener) *ebb.Conn {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		c, err := ebb.Dial("udp", l.Addr().String())
		if err == nil {
			return c.(*ebb.Conn)
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestWhoIsTooManyAtTheEndIsReset: of handshakes that were begun while there was place for one, one connection is left.
func TestWhoIsTooManyAtTheEndIsReset(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		m := limitsOf(b.T, limits.Config{Process: limits.Limits{Inbound: 1}})
		l := serves(b.T, b.endpoint(b.server, serverPort, &ebb.Config{Limits: m}))
		client := b.endpoint(b.client, clientPort, nil)
		var living atomic.Int32
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				c, err := client.DialAddr(b.Context(), serverAddr)
				if err != nil {
					b.Error(err)
					return
				}
				if err := readsError(b.T, c); errors.Is(err, syscall.ECONNRESET) {
					return
				}
				living.Add(1)
			})
		}
		accept(b.T, l)
		time.Sleep(patience + time.Second)
		group.Wait()
		if living.Load() != 1 || m.Snapshot().Process.Inbound.Refused != 2 {
			b.Errorf("%d of three live; %+v", living.Load(), m.Snapshot().Process)
		}
	})
}

// TestAdmitIsAskedOnce: Admit is asked once about each dial, whatever the network loses or repeats, and who is turned away is refused.
func TestAdmitIsAskedOnce(t *testing.T) {
	lossy := simnet.LinkConfig{Delay: oneWay, Loss: 0.3, Duplicate: 0.3}
	inBubble(t, lossy, lossy, func(b *bubble) {
		asked, proven := 0, 0
		server := b.endpoint(b.server, serverPort, &ebb.Config{RetryThreshold: 1, Admit: func(p ebb.Peer) error {
			asked++
			if p.Proven {
				proven++
			}
			if p.Addr.Port()%2 == 1 {
				return errors.New("odd")
			}
			return nil
		}})
		serves(b.T, server)
		const dials = 40
		refused := 0
		for i := range dials {
			patient := &ebb.Config{HandshakeTimeout: 10 * time.Minute} // so much is lost that ten seconds may not do
			c, err := b.endpoint(b.client, uint16(clientPort+i), patient).DialAddr(b.Context(), serverAddr)
			switch {
			case errors.Is(err, syscall.ECONNREFUSED):
				refused++
			case err != nil:
				b.Error(err)
			default:
				c.Abort()
			}
		}
		if refused != dials/2 || asked != dials {
			b.Errorf("asked %d times about %d dials, of which %d were refused", asked, dials, refused)
		}
		b.Logf("%d of %d with a proof", proven, asked)
	})
}

// TestMaxLingering: of closed connections whose peer takes nothing, only so many stay, the last ones.
func TestMaxLingering(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		l := serves(b.T, b.endpoint(b.server, serverPort, nil))
		client := b.endpoint(b.client, clientPort, &ebb.Config{MaxLingering: 3})
		for i := range 10 {
			c, err := client.DialAddr(b.Context(), serverAddr)
			if err != nil {
				b.Fatal(err)
			}
			accept(b.T, l)
			write(b.T, c, string(make([]byte, 200_000))) // more than the window of who does not read
			c.Close()
			time.Sleep(time.Second)
			if n := client.Info().Connections; n != min(i+1, 3) {
				b.Fatalf("%d connections after %d were closed", n, i+1)
			}
		}
		err := ebb.Drain(b.Context())
		if !errors.Is(err, ebb.ErrNotDelivered) {
			b.Errorf("Drain: %v", err)
		}
	})
}

// TestMaxAgeEndsAConnection: with an error of its own here, and a reset there.
func TestMaxAgeEndsAConnection(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(&ebb.Config{MaxAge: time.Minute}, nil)
		time.Sleep(time.Minute - time.Second)
		write(b.T, c, "x")
		reads(b.T, s, "x")
		time.Sleep(2 * time.Second)
		if _, err := c.Write([]byte("x")); !errors.Is(err, ebb.ErrMaxAge) || !errors.Is(err, syscall.ETIMEDOUT) {
			b.Errorf("here: %v", err)
		}
		if err := readsError(b.T, s); !errors.Is(err, syscall.ECONNRESET) {
			b.Errorf("there: %v", err)
		}
	})
}

// TestUnreadBytesAreChargedUntilTheyAreRead: a connection that has ended gives its place back at once, and its memory when the last
// byte is read, or the connection dropped.
func TestUnreadBytesAreChargedUntilTheyAreRead(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		m := limitsOf(b.T, limits.Config{})
		c, s := b.connect(nil, &ebb.Config{Limits: m})
		write(b.T, c, string(make([]byte, 50_000)))
		time.Sleep(time.Second)
		c.Abort()
		time.Sleep(time.Second)
		p := m.Snapshot().Process
		if p.Inbound.Used != 0 || p.Memory.Used < 50_000 {
			b.Errorf("of one that has ended, with bytes: %+v", p)
		}
		for n := 0; n < 50_000; {
			k, err := s.Read(make([]byte, 10_000))
			if err != nil {
				b.Fatal(err)
			}
			n += k
		}
		if p := m.Snapshot().Process; p.Memory.Used != 0 || m.Snapshot().Released != 1 {
			b.Errorf("when they are read: %+v", p)
		}
	})
}

// TestBooksOfAProcess: sockets are counted, and an endpoint's Info has its part.
func TestBooksOfAProcess(t *testing.T) {
	m := limitsOf(t, limits.Config{Process: limits.Limits{Descriptors: 1}})
	l := listen(t, &ebb.Config{Limits: m, MaxHalfOpen: 7})
	i := l.Endpoint().Info().Limits
	if i.Descriptors.Used != 1 || i.HalfOpen.Limit != 7 {
		t.Errorf("%+v", i)
	}
	lc := ebb.ListenConfig{Config: &ebb.Config{Limits: m}}
	var at *limits.Error
	if _, err := lc.Listen(t.Context(), "udp", "127.0.0.1:0"); !errors.As(err, &at) || at.Resource != limits.Descriptors {
		t.Errorf("a second socket of one: %v", err)
	}
	c := dial(t, l, nil)
	write(t, c, "x")
	reads(t, accept(t, l), "x")
	if got := fmt.Sprint(l.Endpoint().Info().Limits.Inbound.Used); got != "1" {
		t.Errorf("%s connections are counted", got)
	}
}

// TestBooksAfterManyAtOnce: fifty goroutines open and close connections over one endpoint, in whatever way, and nothing is left in any
// scope.
func TestBooksAfterManyAtOnce(t *testing.T) {
	const goroutines, each = 50, 20
	m := limitsOf(t, limits.Config{Peer: limits.Limits{Handshakes: -1}, Network: limits.Limits{Handshakes: -1}})
	cfg := &ebb.Config{Limits: m, RetryThreshold: 8}
	l := listen(t, cfg)
	from := listen(t, cfg).Endpoint()
	var served sync.WaitGroup // what the application has read, or dropped, is given back then
	served.Go(func() {
		for {
			c, err := l.AcceptConn()
			if err != nil {
				return
			}
			served.Go(func() {
				c.SetDeadline(time.Now().Add(patience))
				c.Read(make([]byte, 100))
				c.Close()
			})
		}
	})
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() {
			for i := range each {
				d := ebb.Dialer{Endpoint: from, Timeout: patience}
				conn, err := d.Dial("udp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				c := conn.(*ebb.Conn)
				switch (g + i) % 3 {
				case 0:
					c.Abort()
				case 1:
					c.Write([]byte("x"))
					c.Close()
				case 2:
					c.Write(make([]byte, 5000))
					c.CloseRead()
					c.Close()
				}
			}
		})
	}
	group.Wait()
	l.Close()
	l.Endpoint().Close()
	from.Close()
	served.Wait()
	drain(t)
	nothingHeld(t, m)
}

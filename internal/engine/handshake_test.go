package engine_test

import (
	"errors"
	"testing"
	"time"

	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// kindOf is the kind of a connection's error, or 0.
func kindOf(err error) engine.Kind {
	var e *engine.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Kind
}

// dropNth loses the n-th datagram of a link.
func dropNth(n int) func(int, []byte) bool {
	return func(i int, _ []byte) bool { return i == n }
}

// greet dials a server that speaks first and returns when the client has read its
// greeting.
func greet(t *testing.T, up, down simnet.LinkConfig) time.Duration {
	t.Helper()
	w := newWorld(t, 1, up, down)
	w.onAccept = func(f *simnet.Flow) {
		if _, err := f.Conn.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
	}
	c := w.client.Dial(w.server)
	got := ""
	c.OnChange = func() {
		var b [16]byte
		n, _ := c.Conn.Read(b[:])
		got += string(b[:n])
	}
	if !w.RunUntil(20*time.Second, func() bool { return got == "hello" }) {
		t.Fatalf("read %q: %+v", got, c.Conn.Info())
	}
	if len(w.accepted) != 1 {
		t.Errorf("accepted %d times", len(w.accepted))
	}
	return w.Now()
}

// TestServerSpeaksFirst: the client dials and only reads; whichever of the first
// datagrams is lost, the greeting arrives within a timeout of the clean case.
// Of docs/wire.md: [W60] [W62] [W63].
func TestServerSpeaksFirst(t *testing.T) {
	const rtt = 60 * time.Millisecond
	clean := greet(t, simnet.LinkConfig{Delay: rtt / 2}, simnet.LinkConfig{Delay: rtt / 2})
	if clean != 2*rtt {
		t.Errorf("without loss the greeting took %v, want two round trips", clean)
	}
	for n := range 6 {
		for _, direction := range []string{"up", "down"} {
			up, down := simnet.LinkConfig{Delay: rtt / 2}, simnet.LinkConfig{Delay: rtt / 2}
			if direction == "up" {
				up.Drop = dropNth(n)
			} else {
				down.Drop = dropNth(n)
			}
			took := greet(t, up, down)
			t.Logf("without the client's or server's datagram %d %s: %v", n, direction, took)
			if took > clean+time.Second {
				t.Errorf("%s %d: %v, more than a timeout behind %v", direction, n, took, clean)
			}
		}
	}
}

// TestBurstBehindHandshakeIsDelivered: what the client sends right behind its
// CONFIRM arrives although the server has not accepted yet, and may be reordered.
func TestBurstBehindHandshakeIsDelivered(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, simnet.LinkConfig{Delay: 20 * time.Millisecond, Reorder: 0.5}, path(0, 40*time.Millisecond))
		in := sink{t: t, salt: 1}
		w.onAccept = func(f *simnet.Flow) {
			in.f = f
			f.OnChange = in.pump
		}
		c := w.client.Dial(w.server)
		out := &feed{f: c, salt: 1, n: 30_000}
		c.OnChange = func() {
			if c.Conn.Established() {
				out.pump()
			}
		}
		if !w.RunUntil(5*time.Second, func() bool { return in.got == out.n }) {
			t.Fatalf("seed %d: %d bytes", seed, in.got)
		}
	}
}

// TestRefused carries, of docs/wire.md: [W87].
func TestRefused(t *testing.T) {
	w := newWorld(t, 1, path(0, 40*time.Millisecond), path(0, 40*time.Millisecond))
	w.server.Accept = nil
	c := w.client.Dial(w.server)
	if !w.RunUntil(time.Second, func() bool { return c.Removed }) || w.Now() != 40*time.Millisecond {
		t.Fatalf("not refused within a round trip: %v, %v", w.Now(), c.Conn.Err())
	}
	if kindOf(c.Conn.Err()) != engine.KindRefused {
		t.Errorf("error %v", c.Conn.Err())
	}
}

// TestDialTimesOut carries, of docs/wire.md: [W65].
func TestDialTimesOut(t *testing.T) {
	w := newWorld(t, 1, simnet.LinkConfig{Loss: 1}, path(0, 0))
	c := w.client.Dial(w.server)
	if !w.RunUntil(time.Minute, func() bool { return c.Removed }) || w.Now() != 10*time.Second {
		t.Fatalf("at %v: %+v", w.Now(), c.Conn.Info())
	}
	if kindOf(c.Conn.Err()) != engine.KindHandshakeTimeout {
		t.Errorf("error %v", c.Conn.Err())
	}
	if sent := w.up.Stats().Sent; sent != 4 {
		t.Errorf("%d INITIALs in ten seconds, want 4: at 0, 1, 3 and 7 s", sent)
	}
}

// retried is a dial that was asked for a cookie.
func retried(t *testing.T) *simnet.Flow {
	t.Helper()
	w := newWorld(t, 1, path(0, 40*time.Millisecond), path(0, 40*time.Millisecond))
	w.server.SetBounds(endpoint.Bounds{RetryAfter: 1})
	stranger := w.NewStation("10.0.0.3:3000", fixedFactory(1<<16))
	w.Join(stranger, w.server, simnet.LinkConfig{}, simnet.LinkConfig{Loss: 1})
	stranger.Dial(w.server) // stays half-open
	w.Run(time.Millisecond)
	c, _ := w.connect()
	if w.Now() > 125*time.Millisecond {
		t.Errorf("the handshake took %v", w.Now())
	}
	if n := w.server.Endpoint().Counters().Retries; n != 1 {
		t.Errorf("the router counts %d", n)
	}
	return c
}

// TestHandshakeWithRetry: a server that asks for a cookie costs a round trip, and
// nothing else.
func TestHandshakeWithRetry(t *testing.T) {
	if n := retried(t).Conn.Info().Stats.Retries; n != 1 {
		t.Errorf("%d cookies", n)
	}
}

// TestHalfOpenIsForgotten: an ACCEPT is repeated within three times what came, and a
// client that never answers leaves nothing behind.
func TestHalfOpenIsForgotten(t *testing.T) {
	w := newWorld(t, 1, path(0, 40*time.Millisecond), simnet.LinkConfig{Loss: 1})
	w.up.SetConfig(0, simnet.LinkConfig{Drop: func(n int, _ []byte) bool { return n > 0 }})
	w.client.Dial(w.server)
	w.Run(time.Minute)
	if len(w.accepted) != 0 {
		t.Error("a half-open connection was accepted")
	}
	if c := w.server.Endpoint().Counters(); c.Connections != 0 || c.HalfOpen != 0 {
		t.Errorf("left: %+v", c)
	}
	down := w.down.Stats()
	if down.Sent < 2 || down.Sent*100 > 3*wire.MinInitialSize {
		t.Errorf("%d ACCEPTs for one INITIAL", down.Sent)
	}
}

// TestRestartedPeer: after a restart the peer does not know the connection, and says
// so within a round trip of the next packet; a fresh dial works at once.
// Of docs/wire.md: [W108].
func TestRestartedPeer(t *testing.T) {
	const rtt = 40 * time.Millisecond
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	c, _ := w.connect()
	w.Run(time.Second)
	w.server.Restart()
	start := w.Now()
	if _, err := c.Conn.Write([]byte("still there?")); err != nil {
		t.Fatal(err)
	}
	c.Flush()
	if !w.RunUntil(time.Second, c.Conn.Done) || w.Now()-start > 2*rtt {
		t.Fatalf("not reset after %v", w.Now()-start)
	}
	if kindOf(c.Conn.Err()) != engine.KindReset {
		t.Errorf("error %v", c.Conn.Err())
	}
	if _, err := c.Conn.Write([]byte("x")); kindOf(err) != engine.KindReset {
		t.Errorf("first call: %v", err)
	}
	if _, err := c.Conn.Write([]byte("x")); kindOf(err) != engine.KindBrokenPipe {
		t.Errorf("second call: %v", err)
	}
	w.connect()
}

// TestRestartIsNoticedByTheSmallestPacket: a probe and a single byte are large enough
// to be answered by UNKNOWN.
// Of docs/wire.md: [W4] [W5] [W104].
func TestRestartIsNoticedByTheSmallestPacket(t *testing.T) {
	for _, message := range []string{"", "x"} {
		w := newWorld(t, 1, path(0, 40*time.Millisecond), path(0, 40*time.Millisecond))
		c, _ := w.connect()
		w.Run(time.Second)
		w.server.Restart()
		write(t, c, message)
		if !w.RunUntil(16*time.Second, c.Conn.Done) || kindOf(c.Conn.Err()) != engine.KindReset {
			t.Errorf("%q: done %v, error %v", message, c.Conn.Done(), c.Conn.Err())
		}
	}
}

// TestForgedAnswersAreIgnored: UNKNOWN, REFUSE and VERSIONS that do not know the IDs
// or come from elsewhere end nothing.
// Of docs/wire.md: [W74] [W107].
func TestForgedAnswersAreIgnored(t *testing.T) {
	w := newWorld(t, 1, path(0, 40*time.Millisecond), path(0, 40*time.Millisecond))
	c, s := w.connect()
	r := newRand(1)
	for range 1000 {
		for _, typ := range []wire.PacketType{wire.Unknown, wire.Refuse, wire.Retry} {
			h := wire.Header{Type: typ, Version: wire.Version, Src: wire.ID(r.Uint64() | 1)}
			if typ != wire.Unknown {
				h.Dst = wire.ID(r.Uint64() | 1)
			}
			b := wire.Must(wire.AppendHeader(nil, h))
			switch typ {
			case wire.Refuse:
				b = wire.AppendClose(b, wire.CodeRefused, "")
			case wire.Retry:
				b = wire.Must(wire.AppendCookie(b, []byte("c")))
			}
			b = wire.AppendTrailer(b, 0, wire.Seed(wire.Version, h.Dst, h.Src))
			w.client.Inject(w.server.Addr, b)
			c.Conn.HandleSegment(w.Now(), &engine.Arrival{Path: engine.Path{Local: w.client.Addr, Remote: w.server.Addr}, At: w.Now(), ECN: 0}, b)
		}
	}
	if c.Conn.Done() || s.Conn.Done() {
		t.Fatal("a forged packet ended the connection")
	}
}

// TestCrossingDials: two stations dial each other and neither listens; both dials
// give the one connection.
// Of docs/wire.md: [W89].
func TestCrossingDials(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, path(0, 40*time.Millisecond), path(0, 40*time.Millisecond))
		w.server.Accept = nil
		a, b := w.client.Dial(w.server), w.server.Dial(w.client)
		ready := func(f *simnet.Flow) bool {
			return f.Conn.Established() || f.Instead != nil && f.Instead.Conn.Established()
		}
		if !w.RunUntil(3*time.Second, func() bool { return ready(a) && ready(b) }) {
			t.Fatalf("seed %d: %v, %v", seed, a.Conn.Err(), b.Conn.Err())
		}
		if (a.Instead == nil) == (b.Instead == nil) {
			t.Errorf("seed %d: not one connection", seed)
		}
	}
}

// TestALateAckOfAnInitialIsNoSample: the first ACCEPT is lost, and what comes a second later repeats its ACK before that of the second
// INITIAL. The round trip is not a second, and so a lost first flight is noticed after a few.
func TestALateAckOfAnInitialIsNoSample(t *testing.T) {
	first := true
	down := path(0, rtt)
	down.Drop = func(_ int, b []byte) bool {
		lost := first && wire.IsLong(b)
		first = first && !lost
		return lost
	}
	w := newWorld(t, 1, path(0, rtt), down)
	c, _ := w.connect()
	w.Run(5 * rtt)
	if got := c.Conn.Info().SmoothedRTT; first || got != rtt {
		t.Errorf("a round trip of %v", got)
	}
}

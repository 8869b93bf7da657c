package engine_test

import (
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// blockedWorld is a client that has something to say to a server which reads when it is told to. said has what the client's
// packets carry.
func blockedWorld(t *testing.T) (w *world, c, s *simnet.Flow, said *talk) {
	t.Helper()
	said = new(talk)
	w = newWorld(t, 1, said.link(), path(0, rtt))
	c, s = w.connect()
	w.Run(time.Second)
	return w, c, s, said
}

// TestBlockedIsSaidOncePerLimit: a sender that the peer's window holds back says so when nothing is in flight, once, however long
// that lasts, and again at the next limit.
// Of docs/wire.md: [W128].
func TestBlockedIsSaidOncePerLimit(t *testing.T) {
	w, c, s, said := blockedWorld(t)
	out := &feed{f: c, n: 1 << 20}
	c.OnChange = out.pump
	c.Flush()
	w.Run(20 * time.Second)
	if n := said.said["BLOCKED limit=65536"]; n != 1 || said.frames("BLOCKED") != 1 {
		t.Errorf("said %d times, of %d", n, said.frames("BLOCKED"))
	}
	for range 3 {
		s.Conn.Read(make([]byte, 40<<10)) // of 64
		s.Flush()
		w.Run(time.Second)
	}
	for line, n := range said.said {
		if strings.HasPrefix(line, "BLOCKED") && n != 1 {
			t.Errorf("%s was said %d times", line, n)
		}
	}
	if n := said.frames("BLOCKED"); n != 4 {
		t.Errorf("said %d times at four limits", n)
	}
}

// TestWindowOpensForSmallWrites: while the peer's window holds everything back the send buffer takes a megabyte. When the window
// opens it shrinks no faster than its bytes leave: small writes are admitted all the time, and in the end it is what it was.
func TestWindowOpensForSmallWrites(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.client.Controller = fixedFactory(20 << 10)
	c, s := w.connect()
	usual := c.Conn.Info().SendBuffer
	for range 40 {
		send(c, 64<<10)
		w.Run(time.Second)
	}
	full := c.Conn.Info().SendBuffered
	if full < 1<<20 {
		t.Fatalf("%d bytes are buffered while the window is closed", full)
	}
	readAll0(s)
	s.Flush()
	for w.Run(2 * rtt); c.Conn.Info().SendBuffered > usual; w.Run(rtt) {
		readAll0(s)
		s.Flush()
		i := c.Conn.Info()
		if i.SendBuffered > i.SendBuffer {
			t.Fatalf("%d of %d bytes are buffered still, the bound is %d", i.SendBuffered, full, i.SendBuffer)
		}
		if n, err := c.Conn.Write([]byte{1}); n == 0 || err != nil {
			t.Fatalf("with %d of %d bytes buffered, a small Write takes %d bytes, %v", i.SendBuffered, full, n, err)
		}
	}
	for range 40 {
		send(c, 64<<10)
		readAll0(s)
		s.Flush()
		w.Run(time.Second)
	}
	if got := c.Conn.Info().SendBuffer; got != usual {
		t.Errorf("the send buffer is %d bytes in the end, was %d", got, usual)
	}
}

// TestATransferInGoodOrderIsNotBlocked: a transfer that the window bounds, over paths short and long, says nothing of that.
// Of docs/wire.md: [W128].
func TestATransferInGoodOrderIsNotBlocked(t *testing.T) {
	for _, window := range []int{4 << 10, 64 << 10, 1 << 20} {
		said := new(talk)
		w := newWorld(t, 1, said.link(), path(0, rtt))
		w.client.Controller = fixedFactory(1 << 20)
		w.server.Adjust = func(p *engine.Params) { p.ReceiveBuffer = window }
		w.transfer(1<<20, time.Minute)
		if n := said.frames("BLOCKED"); n != 0 {
			t.Errorf("a window of %d bytes: said %d times", window, n)
		}
	}
}

// TestLostBlockedIsRepeated: one that is lost is said again, but only as long as the limit is what holds the stream back.
// Of docs/wire.md: [W128].
func TestLostBlockedIsRepeated(t *testing.T) {
	for _, opens := range []bool{false, true} {
		w, c, s, said := blockedWorld(t)
		lost := 0
		said.drop = func(b []byte) bool {
			if strings.Contains(wire.Describe(b), "BLOCKED") && lost == 0 {
				lost++
				return true
			}
			return false
		}
		send(c, 100<<10)
		w.RunUntil(time.Second, func() bool { return lost > 0 })
		if opens {
			readAll0(s)
			s.Flush()
		}
		w.Run(10 * time.Second)
		want := 2
		if opens {
			want = 1
		}
		if n := said.said["BLOCKED limit=65536"]; n != want || lost != 1 {
			t.Errorf("opened %v: said %d times, want %d", opens, n, want)
		}
	}
}

// TestBlockedBringsTheWindowAgain: a receiver that hears of a limit that it has raised repeats WINDOW, until that was
// acknowledged; a limit that it has not raised, or never gave, asks for nothing.
// Of docs/wire.md: [W129].
func TestBlockedBringsTheWindowAgain(t *testing.T) {
	f := newForger(t)
	f.say(data(0, 1000, false))
	f.say(data(1000, 40_000, false))
	windows := func() (n int) {
		for _, r := range f.replies {
			n += strings.Count(r, "WINDOW limit=")
		}
		f.replies = nil
		return n
	}
	blocked := func(limit uint64) int {
		windows()
		f.say(wire.AppendBlocked(nil, limit))
		f.w.Run(time.Millisecond)
		return windows()
	}
	if n := blocked(65536); n != 0 {
		t.Fatalf("%d windows although none has opened", n)
	}
	readAll0(f.server)
	f.server.Flush()
	f.w.Run(time.Millisecond)
	if n := windows(); n != 1 {
		t.Fatalf("%d windows", n)
	}
	limit := uint64(41_000 + f.server.Conn.Info().ReceiveWindow)
	for _, test := range []struct {
		limit uint64
		want  int
	}{{65536, 1}, {limit - 1, 1}, {limit, 0}, {wire.MaxOffset, 0}} {
		if n := blocked(test.limit); n != test.want {
			t.Errorf("held at %d of %d: %d windows, want %d", test.limit, limit, n, test.want)
		}
	}
	f.w.Run(20 * time.Millisecond)
	f.say(ack(wire.Range{First: f.numbers[0], Last: f.numbers[len(f.numbers)-1]}))
	if n := blocked(65536); n != 0 {
		t.Errorf("%d windows after one was acknowledged", n)
	}
}

// TestLostWindowIsMendedByEitherSide: when the WINDOW that a sender waits for is lost, and the receiver's next few too, BLOCKED brings
// another.
func TestLostWindowIsMendedByEitherSide(t *testing.T) {
	w, c, s, said := blockedWorld(t)
	lost := 0
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Drop: func(_ int, b []byte) bool {
		if strings.Contains(wire.Describe(b), "WINDOW") && lost < 1 {
			lost++
			return true
		}
		return false
	}})
	s.OnChange = func() {
		if s.Conn.Info().ReceiveBuffered >= 60<<10 {
			readAll0(s)
		}
	}
	start := w.Now()
	send(c, 100<<10)
	if !w.RunUntil(10*time.Second, func() bool { return c.Conn.Info().SendBuffered == 0 }) {
		t.Fatalf("stuck: %+v", c.Conn.Info())
	}
	if took := w.Now() - start; lost != 1 || took > 5*rtt || said.frames("BLOCKED") != 1 {
		t.Errorf("took %v, with %d windows lost and BLOCKED said %d times", took, lost, said.frames("BLOCKED"))
	}
}

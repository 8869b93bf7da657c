package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// push writes n bytes from a to b over a way that loses the trains for which drop answers
// true, and reports how many b has after d.
func (w *twins) push(n int, d time.Duration, drop func(segments int) bool) (got int) {
	var buf [4096]byte
	for end := w.now + d; w.now < end && (n > 0 || w.a.Info().SendBuffered > 0); {
		k, _ := w.a.Write(w.bytes[:min(n, len(w.bytes))])
		n -= k
		w.now += time.Millisecond
		w.a.Advance(w.now)
		for {
			b, train := w.a.AppendSegments(w.now, w.buf[:0], 64<<10)
			if len(b) == 0 {
				break
			}
			if drop((len(b) + train.SegmentSize - 1) / train.SegmentSize) {
				continue
			}
			for len(b) > 0 {
				k := min(train.SegmentSize, len(b))
				w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now, ECN: train.ECN}, b[:k])
				b = b[k:]
			}
		}
		w.carry(w.b, w.a, w.pa)
		for {
			k, _ := w.b.Read(buf[:])
			if got += k; k == 0 {
				break
			}
		}
	}
	return got
}

// TestVanishingTrainsAreNoticed: where every train of several packets is lost, single ones show
// that the path is there; once trains are cut up, the transfer goes on.
func TestVanishingTrainsAreNoticed(t *testing.T) {
	w := newTwins(t, 64<<10)
	start := w.now
	cut := time.Duration(0)
	const n = 1 << 20
	got := w.push(n, time.Minute, func(segments int) bool {
		if cut == 0 && w.a.TrainsVanish() > 0 {
			cut = w.now - start
		}
		return cut == 0 && segments > 1
	})
	if got != n {
		t.Errorf("%d of %d bytes, trains cut up after %v: %+v", got, n, cut, w.a.Info().Stats)
	}
	if cut == 0 || cut > 2*time.Second {
		t.Errorf("noticed after %v", cut)
	}
	t.Logf("noticed after %v", cut)
}

// TestOtherTroubleIsNotBlamedOnTrains: outages, loss and bursts of it.
func TestOtherTroubleIsNotBlamedOnTrains(t *testing.T) {
	r := newRand(7)
	tests := []struct {
		name string
		drop func(w *twins, segments int) bool
	}{
		{"outages", func(w *twins, _ int) bool { return w.now%(4*time.Second) < 2*time.Second }},
		{"short outages", func(w *twins, _ int) bool { return w.now%(400*time.Millisecond) < 200*time.Millisecond }},
		{"a third of all trains", func(*twins, int) bool { return r.IntN(3) == 0 }},
		{"a fifth of all trains", func(*twins, int) bool { return r.IntN(5) == 0 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newTwins(t, 64<<10)
			w.push(4<<20, 30*time.Second, func(segments int) bool { return test.drop(w, segments) })
			if w.a.TrainsVanish() > 0 {
				t.Errorf("blamed on trains: %+v", w.a.Info().Stats)
			}
		})
	}
}

// TestSingleLossesAreNotBlamedOnTrains: three in ten packets lost, one by one.
func TestSingleLossesAreNotBlamedOnTrains(t *testing.T) {
	link := path(0, rtt)
	link.Loss = 0.3
	w := newWorld(t, 3, link, path(0, rtt))
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	out := &feed{f: c, n: 1 << 20}
	c.OnChange = out.pump
	c.Flush()
	w.Run(time.Minute)
	if c.Conn.TrainsVanish() > 0 {
		t.Error("blamed on trains")
	}
}

// TestTrainsVanishLater: a way that changes under a connection is noticed too.
func TestTrainsVanishLater(t *testing.T) {
	w := newTwins(t, 64<<10)
	if w.push(1<<20, time.Minute, func(int) bool { return false }) != 1<<20 {
		t.Fatal("nothing arrives")
	}
	start, cut := w.now, time.Duration(0)
	got := w.push(1<<20, time.Minute, func(segments int) bool {
		if cut == 0 && w.a.TrainsVanish() > 0 {
			cut = w.now - start
		}
		return cut == 0 && segments > 1
	})
	if got != 1<<20 || cut == 0 || cut > 10*time.Second {
		t.Errorf("%d bytes, noticed after %v: %+v", got, cut, w.a.Info().Stats)
	}
	t.Logf("noticed after %v", cut)
}

// lightly sends 20 kB each second, so that there are trains.
func lightly(w *world, c *simnet.Flow, d time.Duration) {
	for end := w.Now() + d; w.Now() < end; w.Run(time.Second) {
		send(c, 20_000)
	}
}

// TestTrainsAreTriedAgain: ten minutes after trains were found to vanish one is tried, which costs two packets and no window where
// they still do, and brings them back where they do not.
func TestTrainsAreTriedAgain(t *testing.T) {
	lost, trains := 0, 0
	vanish := largerTrains(1600)
	broken := simnet.LinkConfig{Rate: 2_500_000, Delay: rtt / 2, Rules: []simnet.Rule{{Match: func(p simnet.Packet) bool {
		if vanish.Match(p) {
			lost++
		}
		return vanish.Match(p)
	}, Loss: 1}}}
	w, c, _, notes := watched(t, broken, path(0, rtt), 1<<20)
	lightly(w, c, time.Minute)
	found := c.Conn.TrainsVanish()
	if found == 0 {
		t.Fatalf("not found: %+v", c.Conn.Info())
	}
	lost, notes.losses = 0, nil
	lightly(w, c, found+time.Minute-w.Now())
	if lost == 0 || lost > 2 || len(notes.losses) != 0 || c.Conn.TrainsVanish() <= found {
		t.Errorf("%d packets of trains were lost, the controller was told of %d losses; trains vanish until %v", lost, len(notes.losses), c.Conn.TrainsVanish())
	}
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Rate: 2_500_000, Delay: rtt / 2, Rules: []simnet.Rule{{Match: func(p simnet.Packet) bool {
		if p.Segments > 1 {
			trains++
		}
		return false
	}}}})
	lightly(w, c, 10*time.Minute)
	if c.Conn.TrainsVanish() != 0 || trains < 100 {
		t.Errorf("trains vanish until %v, %d packets left in one", c.Conn.TrainsVanish(), trains)
	}
}

// TestKnownTrainsAreNotSent: a connection that was told that trains vanish sends none until the time that it was told.
func TestKnownTrainsAreNotSent(t *testing.T) {
	const until = time.Minute
	trains := 0
	link := simnet.LinkConfig{Rate: 2_500_000, Delay: rtt / 2, Rules: []simnet.Rule{{Match: func(p simnet.Packet) bool {
		if p.Segments > 1 && p.At < until {
			t.Errorf("a train of %d at %v", p.Segments, p.At)
		}
		if p.Segments > 1 {
			trains++
		}
		return false
	}}}}
	w := newWorld(t, 1, link, path(0, rtt))
	w.client.Adjust = func(p *engine.Params) { p.TrainsVanish = until }
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	lightly(w, c, 2*time.Minute)
	if trains < 100 || c.Conn.TrainsVanish() != 0 {
		t.Errorf("%d packets left in trains afterwards", trains)
	}
}

// TestProbesAfterATimeoutArePlain: what follows a timeout leaves alone and unmarked, and has at most 1200 bytes after the
// second; so do the packets that open and keep alive but for their number.
func TestProbesAfterATimeoutArePlain(t *testing.T) {
	dead, n := false, 0
	var w *world
	var c *simnet.Flow
	link := simnet.LinkConfig{Rate: 2_500_000, Delay: rtt / 2, Rules: []simnet.Rule{{Match: func(p simnet.Packet) bool {
		if c == nil || !c.Conn.Established() { // INITIAL and CONFIRM
			if p.ECN != engine.NotECT {
				t.Errorf("packet %d is marked", p.N)
			}
		}
		if dead {
			probes := c.Conn.Info().Stats.Probes
			if n++; probes > 0 && (p.Segments != 1 || p.ECN != engine.NotECT) || probes > 1 && len(p.Payload) > 1200 {
				t.Errorf("after %d timeouts: a packet of %d bytes in a train of %d, marked %v", probes, len(p.Payload), p.Segments, p.ECN)
			}
		}
		return dead
	}, Loss: 1}}}
	w = newWorld(t, 1, link, path(0, rtt))
	w.client.Adjust = func(p *engine.Params) { p.KeepAlive = 5 * time.Second }
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	send(c, 500_000)
	w.Run(4 * time.Second)
	if i := c.Conn.Info(); i.PacketSize != 1472 || !i.ECN {
		t.Fatalf("before: %+v", i)
	}
	probes := c.Conn.Info().Stats.Probes
	dead = true
	w.Run(3 * time.Second) // a keep-alive, and what follows it
	if got := c.Conn.Info().Stats.Probes - probes; n < 3 || got < 2 {
		t.Fatalf("%d packets, %d timeouts after silence", n, got)
	}
	dead = false
	w.Run(10 * time.Second)
	if probes != 0 {
		t.Fatal("a timeout before the path was dead")
	}
}

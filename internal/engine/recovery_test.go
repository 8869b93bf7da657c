package engine_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// watched is a plain world whose client's controller takes notes.
func watched(t *testing.T, up, down simnet.LinkConfig, window int) (*world, *simnet.Flow, *simnet.Flow, *fixed) {
	t.Helper()
	w := newWorld(t, 1, up, down)
	notes := &fixed{window: window}
	w.client.Controller = func(congestion.Params) congestion.Controller { return notes }
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	w.Run(time.Second)
	notes.acks = nil
	return w, c, s, notes
}

// readAll0 throws away what is there, without a flush of its own.
func readAll0(f *simnet.Flow) {
	var b [4096]byte
	for {
		if n, _ := f.Conn.Read(b[:]); n == 0 {
			return
		}
	}
}

func send(f *simnet.Flow, n int) {
	f.Conn.Write(make([]byte, n))
	f.Flush()
}

// TestNoTimeoutOnLosslessPath: whatever the round trip and however long the peer may hold its
// ACKs, nothing is sent twice and no probe is sent, and what the controller is told of the
// round trip has nothing of that delay in it.
func TestNoTimeoutOnLosslessPath(t *testing.T) {
	for _, d := range []time.Duration{100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second} {
		for _, hold := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond} {
			t.Run(fmt.Sprint(d, " ", hold), func(t *testing.T) {
				noTimeout(t, d, hold)
			})
		}
	}
}

// noTimeout sends messages of one to four packets, at intervals about the ACK delay and
// about the round trip.
func noTimeout(t *testing.T, d, hold time.Duration) {
	w := newWorld(t, 1, simnet.LinkConfig{Delay: d / 2}, simnet.LinkConfig{Delay: d / 2})
	notes := &fixed{window: 1 << 20}
	w.client.Controller = func(congestion.Params) congestion.Controller { return notes }
	w.server.Adjust = func(p *engine.Params) { p.MaxAckDelay = hold }
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	for i, wait := range []time.Duration{d + 2*hold, d + hold, hold, hold / 3, d, d / 3, d + hold/2} {
		for k := range 40 {
			send(c, 700+1400*((k+i)%4))
			w.Run(wait)
		}
	}
	w.Run(d + 2*hold)
	in := c.Conn.Info()
	if st := in.Stats; st.BytesRetransmitted != 0 || st.Probes != 0 || st.PacketsLost != 0 {
		t.Errorf("%+v", st)
	}
	for _, e := range notes.acks {
		if e.RTT != 0 && (e.RTT < d || e.RTT > d+time.Microsecond) {
			t.Fatalf("a sample of %v", e.RTT)
		}
	}
	if in.MinRTT != d {
		t.Errorf("the least round trip is %v", in.MinRTT)
	}
}

// TestTailLossIsRepairedByOneProbe: the last 24 packets of a message are lost; a single
// probe after two round trips reveals it.
// Of docs/wire.md: [W144].
func TestTailLossIsRepairedByOneProbe(t *testing.T) {
	const rtt = 50 * time.Millisecond
	w, c, s, notes := watched(t, path(0, rtt), path(0, rtt), 1<<20)
	first := w.up.Stats().Sent
	start := w.Now()
	w.up.SetConfig(start, simnet.LinkConfig{Delay: rtt / 2, Drop: func(n int, _ []byte) bool { return n >= first+15 && w.Now() == start }})
	total := 39 * 1400
	got := 0
	s.OnChange = func() {
		var b [4096]byte
		for {
			n, _ := s.Conn.Read(b[:])
			got += n
			if n == 0 {
				return
			}
		}
	}
	send(c, total)
	if !w.RunUntil(5*time.Second, func() bool { return got == total }) {
		t.Fatalf("%d of %d bytes", got, total)
	}
	if took := w.Now() - start; took > 350*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if p := c.Conn.Info().Stats.Probes; p != 1 {
		t.Errorf("%d probes", p)
	}
	if notes.timeouts != 0 {
		t.Error("a tail loss counted as persistent congestion")
	}
}

// TestLatePacketsKeepTheirNumbers: a packet that hundreds of others overtook is still what it
// was, and not one that is to come.
// Of docs/wire.md: [W16].
func TestLatePacketsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	lane := simnet.LinkConfig{Rate: 20e6, Delay: 60 * time.Millisecond, Reorder: 0.5, ReorderBy: 50 * time.Millisecond, Duplicate: 0.05, DuplicateBy: 45 * time.Millisecond}
	w, c, s, _ := watched(t, lane, path(0, rtt), 4<<20)
	const total = 16 << 20
	got := 0
	s.OnChange = func() {
		var b [4096]byte
		for n, _ := s.Conn.Read(b[:]); n > 0; n, _ = s.Conn.Read(b[:]) {
			got += n
		}
	}
	f := &feed{f: c, n: total}
	c.OnChange = f.pump
	c.Flush()
	if !w.RunUntil(time.Minute, func() bool { return got == total }) {
		t.Fatalf("%d of %d bytes: %v, %v", got, total, c.Conn.Err(), s.Conn.Err())
	}
	if in := s.Conn.Info(); in.Stats.Duplicates == 0 {
		t.Error("no packet came twice")
	}
}

// TestProbeSpacingDoubles: on a dead path, probes come at twice the distance each
// time, up to the bound, and the timeout counts as one however many packets wait.
// Of docs/wire.md: [W144].
func TestProbeSpacingDoubles(t *testing.T) {
	w, c, _, _ := watched(t, path(0, rtt), path(0, rtt), 1<<20)
	var at []time.Duration
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Drop: func(int, []byte) bool {
		if n := len(at); n == 0 || at[n-1] != w.Now() {
			at = append(at, w.Now())
		}
		return true
	}})
	send(c, 20_000)
	w.Run(25 * time.Second)
	if len(at) < 8 {
		t.Fatalf("sent at %v", at)
	}
	gap := func(i int) time.Duration { return at[i+1] - at[i] }
	if gap(0) < 2*rtt || gap(0) > 3*rtt {
		t.Errorf("the tail probe came after %v", gap(0))
	}
	for i := 2; i < len(at)-1; i++ {
		want := 2 * gap(i-1)
		if g := gap(i); g != want && g != 1500*time.Millisecond {
			t.Errorf("gap %d is %v, want %v or the bound", i, g, want)
		}
	}
}

// TestAnyNewAckResetsBackoff: one ACK ends the backing off.
func TestAnyNewAckResetsBackoff(t *testing.T) {
	w, c, _, _ := watched(t, path(0, rtt), path(0, rtt), 1<<20)
	good := w.up.Config()
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	send(c, 5000)
	w.Run(10 * time.Second)
	w.up.SetConfig(w.Now(), good)
	w.Run(5 * time.Second)
	if wait := c.Conn.NextTimeout() - w.Now(); wait < 5*time.Second {
		t.Fatalf("something is still outstanding: next timeout in %v", wait)
	}
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	send(c, 5000)
	if wait := c.Conn.NextTimeout() - w.Now(); wait > 3*rtt {
		t.Errorf("the first probe after the outage comes in %v", wait)
	}
}

// TestPersistentCongestionIsReportedOnce: a long outage is one episode.
// Of docs/wire.md: [W145].
func TestPersistentCongestionIsReportedOnce(t *testing.T) {
	w, c, _, notes := watched(t, path(0, rtt), path(0, rtt), 1<<20)
	good := w.up.Config()
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	send(c, 50_000)
	w.Run(20 * time.Second)
	if notes.timeouts != 0 {
		t.Error("silence alone was taken for persistent congestion")
	}
	w.up.SetConfig(w.Now(), good)
	w.Run(10 * time.Second)
	if notes.timeouts != 1 {
		t.Errorf("reported %d times", notes.timeouts)
	}
	if min := c.Conn.Info().MinRTT; min != rtt {
		t.Errorf("the outage changed the minimal round trip to %v", min)
	}
}

// TestInFlightIsTheSumOfWhatIsTracked: after any mixture of loss, reordering and
// duplication everything is acknowledged and nothing is in flight.
func TestInFlightIsTheSumOfWhatIsTracked(t *testing.T) {
	for seed := range uint64(20) {
		bad := simnet.LinkConfig{Delay: rtt / 2, Loss: 0.1, Reorder: 0.1, Duplicate: 0.1}
		w := newWorld(t, seed, bad, bad)
		c, s := w.connect()
		s.OnChange = func() { readAll0(s) }
		out := &feed{f: c, n: 300_000}
		c.OnChange = out.pump
		c.Flush()
		if !w.RunUntil(5*time.Minute, func() bool { return out.done && c.Conn.Info().SendBuffered == 0 }) {
			t.Fatalf("seed %d: stuck: %+v", seed, c.Conn.Info())
		}
		w.Run(10 * time.Second)
		if n := c.Conn.Info().InFlight; n != 0 {
			t.Errorf("seed %d: %d bytes in flight of nothing", seed, n)
		}
	}
}

// TestAckOfAckEnds: when both sides have everything, no packet follows.
// Of docs/wire.md: [W134] [W174].
func TestAckOfAckEnds(t *testing.T) {
	w, c, s, _ := watched(t, path(0, rtt), path(0, rtt), 1<<20)
	send(c, 100_000)
	send(s, 100_000)
	c.OnChange = func() { readAll0(c) }
	w.Run(2 * time.Second)
	before := w.up.Stats().Sent + w.down.Stats().Sent
	w.Run(9 * time.Second)
	if n := w.up.Stats().Sent + w.down.Stats().Sent - before; n != 0 {
		t.Errorf("%d packets in nine quiet seconds", n)
	}
}

// TestManyLossesForgetNothing: thousands of holes in the packet numbers do not stop
// the acknowledging, because the receiver learns which ACKs arrived.
func TestManyLossesForgetNothing(t *testing.T) {
	w := newWorld(t, 9, simnet.LinkConfig{Delay: rtt / 2, Loss: 0.2}, path(0, rtt))
	w.transfer(8<<20, 10*time.Minute)
}

// TestRoundTripSizes: messages around the payload of a packet arrive whole.
func TestRoundTripSizes(t *testing.T) {
	w, c, s := plainWorld(t)
	payload := c.Conn.Info().PacketSize - 20
	var want, got int
	s.OnChange = func() {
		var b [8192]byte
		for {
			n, _ := s.Conn.Read(b[:])
			got += n
			if n == 0 {
				return
			}
		}
	}
	for k := 1; k <= 3; k++ {
		for d := -30; d <= 30; d++ {
			send(c, k*payload+d)
			want += k*payload + d
			if !w.RunUntil(time.Second, func() bool { return got == want }) {
				t.Fatalf("%d bytes: got %d of %d", k*payload+d, got, want)
			}
		}
	}
}

// TestPacketSizeSearch: the largest packet that the path carries is found, within the
// bound, and a path that stops carrying it is noticed.
// Of docs/wire.md: [W166] [W167].
func TestPacketSizeSearch(t *testing.T) {
	for _, mtu := range []int{1500, 1492, 1400, 1280, 1228} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			link := simnet.LinkConfig{Delay: rtt / 2, MTU: mtu}
			w, c, s, notes := watched(t, link, path(0, rtt), 1<<20)
			for range 60 {
				send(c, 3000)
				w.Run(time.Second)
			}
			size := c.Conn.Info().PacketSize
			if size > mtu-28 || size < min(1472, mtu-28)-16 {
				t.Errorf("packets of %d bytes on a path of %d", size, mtu)
			}
			if len(notes.losses) != 0 {
				t.Errorf("probes counted as losses: %+v", notes.losses)
			}
			if mtu != 1500 {
				return
			}
			w.up.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, MTU: 1300})
			got := c.Conn.Info().Stats.StreamBytesSent
			send(c, 100_000)
			if !w.RunUntil(time.Minute, func() bool { return c.Conn.Info().SendBuffered == 0 }) {
				t.Fatalf("a black hole at 1300: %+v (sent %d before, %v)", c.Conn.Info(), got, s.Conn.Err())
			}
		})
	}
}

// TestPacing: with a rate, the bytes of any window of time stay within the rate and
// the bucket, and ACKs are not delayed by it.
func TestPacing(t *testing.T) {
	const rate = 100_000
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.client.Adjust = func(p *engine.Params) { p.Rate = rate }
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	w.Run(time.Second)
	before := c.Conn.Info().Stats.BytesSent
	out := &feed{f: c, n: 10 << 20}
	c.OnChange = out.pump
	c.Flush()
	for i := range 100 {
		w.Run(100 * time.Millisecond)
		sent := c.Conn.Info().Stats.BytesSent - before
		bound := uint64((i+1)*rate/10 + 10_000 + 1472)
		if sent > bound {
			t.Fatalf("%d bytes in %d00 ms, more than %d", sent, i+1, bound)
		}
	}
	if sent := c.Conn.Info().Stats.BytesSent - before; sent < rate*10*99/100 {
		t.Errorf("%d bytes in ten seconds at %d a second", sent, rate)
	}
	if st := c.Conn.Info().Stats; st.Probes != 0 || st.PacketsLost != 0 {
		t.Errorf("throttling looked like trouble: %+v", st)
	}
	if l := c.Conn.Info().Limit; l != engine.LimitRate {
		t.Errorf("limited by %v", l)
	}
}

// TestEachOfTwoProbesIsAcknowledged: from the second timeout in a row on two packets follow each, with a number left out before
// either, so that the receiver acknowledges both at once and apart: where half of the ACKs are lost, silence lasts half as many
// timeouts.
// Of docs/wire.md: [W177].
func TestEachOfTwoProbesIsAcknowledged(t *testing.T) {
	w, c, s, _ := watched(t, path(0, rtt), path(0, rtt), 1<<20)
	var at, acked []time.Duration
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Rate: 1_000_000, Delay: rtt / 2, Drop: func(int, []byte) bool {
		at = append(at, w.Now())
		return false
	}})
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Drop: func(int, []byte) bool {
		acked = append(acked, w.Now())
		return true
	}})
	send(c, 1000)
	w.Run(2 * time.Second)
	if in := c.Conn.Info().Stats; in.Probes < 4 || len(at) != 2*int(in.Probes) {
		t.Fatalf("%d timeouts, %d packets", in.Probes, len(at))
	}
	if len(acked) != len(at) {
		t.Fatalf("%d packets, %d ACKs", len(at), len(acked))
	}
	for i := 2; i < len(at); i++ {
		if late := acked[i] - at[i]; late > rtt/2+5*time.Millisecond {
			t.Errorf("packet %d is acknowledged after %v", i, late)
		}
	}
	w.down.SetConfig(w.Now(), path(0, rtt))
	w.Run(5 * time.Second)
	if in := c.Conn.Info(); in.Stats.BadAcks != 0 || in.InFlight != 0 || s.Removed {
		t.Errorf("afterwards: %+v", in)
	}
}

package ledbat

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/ebb/congestion"
)

func TestL2SetPointIsSixtyMilliseconds(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	// Alternate about the target: the window grows just below and shrinks
	// just above.
	before := s.Window()
	s.round(59900 * us)
	if got := s.Window(); got <= before {
		t.Errorf("q = 59.9 ms: %d after %d, want growth", got, before)
	}
	for range 2 {
		before = s.Window()
		s.round(63 * ms)
	}
	if got := s.Window(); got >= before {
		t.Errorf("q = 63 ms: %d after %d, want less", got, before)
	}
}

func TestL4SlowStartAddsGainOfWhatIsAcknowledged(t *testing.T) {
	for _, c := range []struct {
		base    time.Duration
		divisor int
	}{{5 * ms, 16}, {20 * ms, 6}, {60 * ms, 2}, {120 * ms, 1}} {
		s := newScript(t, c.base, Config{InitialWindow: 100 * mss})
		s.round(0)
		if got, want := s.Window(), 100*mss+100*mss/c.divisor; !near(got, want, 1) {
			t.Errorf("base %v: %d after a round trip, want %d", c.base, got, want)
		}
	}
}

func TestL4QueueEndsTheInitialSlowStartOnly(t *testing.T) {
	s := newScript(t, 120*ms, Config{})
	for range 3 {
		s.round(0)
	}
	s.round(45 * ms)
	s.wantPhase(slowStart, "q = 45 ms")
	s.round(46 * ms)
	s.wantPhase(avoidance, "q = 46 ms")
	window := s.Window()
	if got := s.Stats().SSThresh; !near(got, window, mss) {
		t.Errorf("ssthresh %d at the exit, window %d", got, window)
	}
	s.rounds(46*ms, func() bool { return s.phase == ramp })
	s.rounds(46*ms, func() bool { return s.phase != ramp })
	if got := s.Window(); got < s.Stats().SSThresh {
		t.Errorf("q = 46 ms ended the ramp at %d of %d", got, s.Stats().SSThresh)
	}
}

func TestL5GrowthIsGainPacketsARoundTripWhateverTheQueue(t *testing.T) {
	for _, c := range []struct {
		base    time.Duration
		divisor int
	}{{10 * ms, 12}, {60 * ms, 2}, {120 * ms, 1}} {
		for _, q := range []time.Duration{0, ms, 30 * ms, 59 * ms, 60 * ms} {
			s := newScript(t, c.base, Config{})
			s.toAvoidance()
			before := s.Window()
			for range 4 {
				s.round(q)
			}
			// A round acknowledges the whole packets of its window, a
			// hair less than the window.
			if got, want := s.Window()-before, 4*mss/c.divisor; !near(got, want, 2+want/50) {
				t.Errorf("base %v, q = %v: grew %d in 4 round trips, want %d", c.base, q, got, want)
			}
		}
	}
}

func TestL6DecreaseIsProportionalAndOncePerRoundTrip(t *testing.T) {
	for _, c := range []struct {
		q    time.Duration
		want func(w, gain int) int
	}{
		{75 * ms, func(w, gain int) int { return -w/4 + gain }},
		{66 * ms, func(w, gain int) int { return -w/10 + gain }},
		{89 * ms, func(w, gain int) int { return -w*29/60 + gain }},
		{120 * ms, func(w, gain int) int { return -w / 2 }},
		{600 * ms, func(w, gain int) int { return -w / 2 }},
		{800 * ms, func(w, gain int) int { return -w / 2 }},
	} {
		s := newScript(t, 60*ms, Config{})
		s.toAvoidance()
		before := s.Window()
		s.round(c.q)
		if got, want := s.Window()-before, c.want(before, mss/2); !near(got, want, mss/2) {
			// The first ACKs of the round still see the queue of before.
			t.Errorf("q = %v: window of %d changed by %d in a round trip, want %d", c.q, before, got, want)
		}
	}
}

func TestL6AStepThatIsNotNegativeGrows(t *testing.T) {
	s := newScript(t, 120*ms, Config{InitialWindow: 10 * mss})
	s.round(0)
	s.rounds(50*ms, func() bool { return s.phase == avoidance })
	s.slowdown.scheduled = false
	s.setWindow(10 * mss)
	s.round(60*ms + 600*us) // the last packets see this queue alone
	before := s.Window()
	s.round(60*ms + 600*us)
	if got, want := s.Window()-before, mss-before/100; !near(got, want, 1) {
		t.Errorf("grew %d in a round trip, want a packet less 1 %%: %d", got, want)
	}
}

func TestL6NeedsAPacketSentSinceTheLastReduction(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	inFlight := s.send()
	s.OnLoss(s.now, congestion.LossEvent{Bytes: mss, Packets: 1, Largest: s.sent - 50, LargestSent: s.sent - 1})
	want := s.Window()
	for n := s.sent - 49; n < s.sent; n++ {
		s.ack(n, inFlight, 600*ms)
	}
	s.wantWindow(want, "a queue that packets from before the loss saw")
}

func TestGrowthDuringABurstOfACKs(t *testing.T) {
	// The flight that an ACK finds is small at the end of a burst, but the
	// window was in flight.
	for _, newRound := range []bool{false, true} {
		s := newScript(t, 60*ms, Config{})
		s.toAvoidance()
		s.round(0)
		s.send()
		number := s.roundEnd - 1
		if newRound {
			number = s.sent - 1
		}
		before := s.Window()
		for range 100 {
			s.ack(number, 2*mss, 0)
		}
		if s.Window() <= before {
			t.Errorf("new round %v: no growth", newRound)
		}
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.now = 10 * time.Second
	s.round(0)
	want := s.plusPlus.now
	s.OnTimeout(time.Second)
	if s.plusPlus.now != want {
		t.Errorf("now is %v after %v", s.plusPlus.now, want)
	}
}

func TestNoGrowthWhileAppLimited(t *testing.T) {
	for _, start := range []string{"slow start", "avoidance"} {
		s := newScript(t, 60*ms, Config{})
		if start == "avoidance" {
			s.toAvoidance()
		}
		s.round(0)
		s.appLimited = true
		before := s.Window()
		for range 100 {
			s.round(0)
		}
		s.wantWindow(before, start+", app-limited")
		s.appLimited = false
		s.round(0)
		if s.Window() <= before {
			t.Errorf("%s: no growth once the sender has data again", start)
		}
	}
}

func TestDecreaseWhileAppLimited(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.appLimited = true
	before := s.Window()
	s.round(600 * ms)
	s.wantWindow(before-before/2, "q = 600 ms, app-limited")
}

func TestGrowthStaysNearTheFlight(t *testing.T) {
	s := newScript(t, 120*ms, Config{})
	s.flight = 20 * mss // the pacer or the receiver allows no more
	for range 200 {
		s.round(0)
	}
	s.wantWindow(40*mss, "slow start with 20 packets in flight")

	s = newScript(t, 120*ms, Config{InitialWindow: 10 * mss})
	s.round(0)
	s.round(50 * ms)
	s.wantPhase(avoidance, "q = 50 ms")
	s.flight = 30 * mss
	for range 200 {
		s.round(0)
	}
	s.wantWindow(32*mss, "avoidance with 30 packets in flight")
}

func TestTheCapTakesNothingAway(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	before := s.Window()
	s.flight = 2 * mss
	for range 5 {
		s.round(0)
	}
	if got := s.Window(); got < before {
		t.Errorf("window %d after %d: the flight took it", got, before)
	}
}

func TestAppLimitedSenderReachesSSThresh(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.OnTimeout(s.now)
	s.appLimited = true
	s.flight = 2 * mss
	s.rounds(0, func() bool { return s.phase == avoidance })
	s.wantWindow(s.Stats().SSThresh, "after a timeout with two packets in flight")
}

func TestWindowStaysInBounds(t *testing.T) {
	delays := []time.Duration{-time.Hour, -1, 0, 1, us, 30 * us, ms, 40 * ms, 100 * ms, time.Minute, 1000 * time.Hour, 1<<63 - 1}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 4))
		config := Config{MaxDatagramSize: 1200 + r.IntN(8000), MinSSThresh: r.IntN(3)*100_000 - 100_000}
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		least := 2 * config.MaxDatagramSize
		var now time.Duration
		sent := uint64(1)
		for step := range 5000 {
			now += time.Duration(r.Int64N(int64(time.Second)) >> uint(r.IntN(20)))
			if r.IntN(1000) == 0 {
				now += time.Duration(r.Int64N(int64(time.Hour)))
			}
			at := now
			if r.IntN(10) == 0 {
				at -= time.Duration(r.Int64N(int64(time.Minute)))
			}
			sent += uint64(r.IntN(5))
			switch r.IntN(20) {
			default:
				rtt := delays[r.IntN(len(delays))]
				c.OnAck(at, congestion.AckEvent{
					Bytes: r.IntN(1 << uint(1+r.IntN(30))), LargestAcked: r.Uint64N(sent), LargestSent: sent - 1,
					PriorInFlight: r.IntN(1 << 30), RTT: rtt, SmoothedRTT: delays[r.IntN(len(delays))],
					AppLimited: r.IntN(5) == 0, CE: max(0, r.IntN(50)-48),
				})
			case 0:
				n := r.Uint64N(sent)
				c.OnLoss(at, congestion.LossEvent{Bytes: 1, Packets: 1 + r.IntN(3), Largest: n, LargestSent: sent - 1})
			case 1:
				n := r.Uint64N(sent)
				c.OnSpuriousLoss(at, congestion.LossEvent{Bytes: 1, Packets: 1 + r.IntN(3), Largest: n, LargestSent: sent - 1})
			case 2:
				if r.IntN(10) == 0 {
					c.OnTimeout(at)
				}
			case 3:
				c.OnSend(at, congestion.SendEvent{Number: sent, Bytes: 1200, InFlight: r.IntN(1 << 30)})
				sent++
			}
			if w := c.Window(); w < least || w > maxWindow {
				t.Fatalf("seed %d, step %d: window %d", seed, step, w)
			}
			if th := threshold(c.Stats()); th < 2*least || th > maxWindow {
				t.Fatalf("seed %d, step %d: ssthresh %d", seed, step, th)
			}
			if rate := c.PacingRate(delays[r.IntN(len(delays))]); rate < 0 {
				t.Fatalf("seed %d, step %d: rate %d", seed, step, rate)
			}
		}
	}
}

func TestPacingRate(t *testing.T) {
	s := newScript(t, 100*ms, Config{InitialWindow: 100_000})
	if got := s.PacingRate(0); got != 0 {
		t.Errorf("without a round trip: %d, want 0", got)
	}
	if got := s.PacingRate(100 * ms); got != 2_000_000 {
		t.Errorf("slow start: %d, want 2,000,000", got)
	}
	s.phase = avoidance
	if got := s.PacingRate(100 * ms); got != 1_250_000 {
		t.Errorf("avoidance: %d, want 1,250,000", got)
	}
	if got := s.PacingRate(1000 * time.Hour); got != 1 {
		t.Errorf("a round trip of 1000 h: %d, want 1: 0 would be no pacing", got)
	}
	s.window = maxWindow
	if got := s.PacingRate(1); got <= 0 {
		t.Errorf("the largest window in a nanosecond: %d", got)
	}
}

func TestMaxDatagramSize(t *testing.T) {
	s := newScript(t, 40*ms, Config{MinWindow: 5000})
	s.phase = avoidance
	s.setWindow(0)
	s.wantWindow(5000, "MinWindow 5000")
	s.OnMaxDatagramSize(8000)
	s.wantWindow(16_000, "packets of 8000")
	for _, size := range []int{0, -1, 65_528, math.MaxInt} {
		s.OnMaxDatagramSize(size)
		s.wantWindow(16_000, "a size that no packet has")
	}
	s.OnMaxDatagramSize(1200)
	s.setWindow(0)
	s.wantWindow(5000, "packets of 1200")
}

func TestLoopbackRampCostsMilliseconds(t *testing.T) {
	s := newScript(t, 30*us, Config{})
	s.rounds(us, func() bool { return s.Window() >= 1_000_000 })
	// The gain of 1/16 takes ln(1e6/14240)/ln(17/16) = 70 round trips.
	if s.now > 3*ms {
		t.Errorf("1 MB after %v, want within 3ms", s.now)
	}
	s.wantPhase(slowStart, "a path without a queue")
}

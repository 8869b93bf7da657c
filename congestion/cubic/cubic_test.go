package cubic

import (
	"math"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/internal/controllertest"
	"example.com/ebb/congestion/internal/lossbased"
)

const ms = time.Millisecond

// RFC 9438 figures 1 and 2 by hand: W_max 100, β 0.7: K = ∛(30/0.4) = 4.217 s.
func TestCubicCurve(t *testing.T) {
	var v curve
	if got := v.reduce(100); got != 70 {
		t.Fatalf("ssthresh %d, want 70", got)
	}
	v.begin(time.Minute, 70, 0)
	if v.k != 4217 {
		t.Errorf("K = %d ms, want 4217", v.k)
	}
	for at, want := range map[time.Duration]int64{
		0: 70, 1000 * ms: 86, 2000 * ms: 95, 3000 * ms: 99, 4217 * ms: 100, 5217 * ms: 100,
		6217 * ms: 103, 8217 * ms: 125, 10217 * ms: 186, 14217 * ms: 500,
	} {
		// The integer part of the formula, or one packet more where its cube is cut.
		if got := v.at(at); got < want || got > want+1 {
			t.Errorf("W(%v) = %d, want %d", at, got, want)
		}
	}
}

func TestCubicConvergesFast(t *testing.T) {
	v := curve{max: 100}
	// RFC 9438 section 4.7: less than W_max, so W_max = cwnd·(1+β)/2 = 80·0.85.
	if got := v.reduce(80); got != 56 || v.max != 68 {
		t.Errorf("ssthresh %d, W_max %d, want 56 and 68", got, v.max)
	}
	if got := v.reduce(90); got != 63 || v.max != 90 {
		t.Errorf("ssthresh %d, W_max %d, want 63 and 90", got, v.max)
	}
}

// TestCubicFollowsItsCurve: the window that ACKs make is the formula's, on a path of 100 ms where
// that is above what Reno would have.
func TestCubicFollowsItsCurve(t *testing.T) {
	var l *law
	s := controllertest.NewScript(t, func(p congestion.Params) congestion.Controller {
		l = &law{}
		return lossbased.New("cubic", p, false, l)
	})
	for s.Packets() < 1000 {
		s.Round()
	}
	s.Recover()
	top := float64(l.curve.max)
	start, low := s.Now, float64(s.Packets())
	k := math.Cbrt((top - low) / 0.4)
	for s.Now-start < 12*time.Second {
		s.Round()
		at := (s.Now - start).Seconds()
		// ACKs aim at the curve a round trip ahead, and are up to a round trip behind their aim.
		behind := top + 0.4*math.Pow(at-0.1-k, 3)
		ahead := top + 0.4*math.Pow(at+0.1-k, 3)
		if got := float64(s.Packets()); got < behind-1 || got > ahead+1 {
			t.Fatalf("window %v after %v s, want %.1f to %.1f", got, at, behind, ahead)
		}
	}
}

// TestCubicIsNoSlowerThanReno: on a short path the window grows by α = 0.53 packets a round trip,
// since the cube grows by less (RFC 9438 section 4.3).
func TestCubicIsNoSlowerThanReno(t *testing.T) {
	s := controllertest.NewScript(t, Unpaced())
	s.RTT = 10 * ms
	for s.Packets() < 40 {
		s.Round()
	}
	s.Recover()
	low := s.Packets()
	for range 60 { // 0.6 s of a K of 3.1 s
		s.Round()
	}
	// W_est is up to a packet behind the 32 that α makes, and the window a round trip behind it.
	if got, want := s.Packets()-low, 60*8/15; got < want-2 || got > want {
		t.Errorf("%d packets in 60 round trips, want %d", got, want)
	}
}

func TestCubeRoot(t *testing.T) {
	for _, n := range []int64{0, 1, 7, 8, 26, 27, 75e9, 1e18, math.MaxInt64} {
		r := cubeRoot(n)
		if r*r*r > n || (r+1 < 2097152 && (r+1)*(r+1)*(r+1) <= n) {
			t.Errorf("cubeRoot(%d) = %d", n, r)
		}
	}
}

func TestHystartLeavesOnDelay(t *testing.T) {
	var h hystart
	now := time.Duration(0)
	round := func(rtt time.Duration) bool {
		full := false
		for i := range 20 {
			// ACKs 3 ms apart are no train.
			now += 3 * ms
			h.sample(now, rtt, i == 0)
			full = h.full(now) || full
		}
		return full
	}
	if round(80*ms) || round(90*ms) {
		t.Error("found a queue of an eighth of the round trip or less")
	}
	if !round(91 * ms) {
		t.Error("did not find a queue of more than an eighth")
	}
}

func TestHystartNeedsSamples(t *testing.T) {
	var h hystart
	h.sample(0, 40*ms, true)
	for i := range 8 {
		now := time.Duration(i) * 3 * ms
		h.sample(now, 200*ms, i == 0)
		if h.full(now) {
			t.Fatalf("judged a round by %d samples", i+1)
		}
	}
	h.sample(30*ms, 200*ms, false)
	if !h.full(30 * ms) {
		t.Error("did not judge a round by nine samples")
	}
}

func TestHystartLeavesOnTrain(t *testing.T) {
	var h hystart
	h.sample(0, 40*ms, true)
	for now := time.Duration(0); now <= 30*ms; now += ms {
		h.sample(now, 40*ms, false)
		if full, want := h.full(now), now == 21*ms; full != want {
			t.Fatalf("full = %v at %v, want a train of more than 20.5 ms", full, now)
		}
		if now == 21*ms {
			return
		}
	}
}

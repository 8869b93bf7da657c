package engine_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/bbr"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// brokenRTT is of the paths that begin to lose some of their packets.
const brokenRTT = 40 * time.Millisecond

// brokenRun is a transfer over a path that has a rule from a time on, in both directions.
type brokenRun struct {
	c       *simnet.Flow
	silence time.Duration // the longest time without a new byte at the receiver, since the change
	pto     time.Duration // of the sender before the change
	share   float64       // of the path, in the two seconds that begin two after the change
}

// overBroken makes such a run. rate is of the path, in bytes per second, and size of the largest datagram.
func overBroken(t *testing.T, factory congestion.Factory, rate int64, size int, at time.Duration, rule simnet.Rule) (r brokenRun) {
	t.Helper()
	rule.From = at
	link := simnet.LinkConfig{Rate: rate, Queue: int(rate / 12), Delay: brokenRTT / 2, Rules: []simnet.Rule{rule}}
	back := path(0, brokenRTT)
	back.Rules = link.Rules
	w := newWorld(t, 1, link, back)
	w.client.Controller = factory
	adjust := func(p *engine.Params) { p.MaxDatagram, p.SendBuffer, p.ReceiveBuffer = size, 16<<20, 16<<20 }
	w.client.Adjust, w.server.Adjust = adjust, adjust
	c, s := w.connect()
	r.c = c
	in := &sink{t: t, f: s, salt: 1}
	var seen uint64
	var last time.Duration
	watch := func() {
		if w.Now() > at {
			r.silence = max(r.silence, w.Now()-max(last, at))
		}
	}
	s.OnChange = func() {
		in.pump()
		if n := in.got + uint64(s.Conn.Info().ReceiveBuffered); n > seen {
			watch()
			seen, last = n, w.Now()
		}
	}
	out := &feed{f: c, salt: 1, n: 1 << 40}
	c.OnChange = out.pump
	c.Flush()
	w.Run(max(0, at-w.Now()))
	i := c.Conn.Info()
	r.pto = i.SmoothedRTT + max(4*i.RTTVariance, time.Millisecond) + 10*time.Millisecond
	w.Run(2 * time.Second)
	before := in.got
	w.Run(2 * time.Second)
	watch()
	r.share = float64(in.got-before) / float64(2*rate)
	return r
}

// controllers is one that yields, one that fills queues and one that asks for a rate.
var controllers = map[string]congestion.Factory{"ledbat": ledbatFactory, "cubic": cubic.Unpaced(), "bbr": bbr.Factory()}

// largerTrains is a router that drops what is larger than an IP packet of limit bytes before it is cut up.
func largerTrains(limit int) simnet.Rule {
	return simnet.Rule{Match: func(p simnet.Packet) bool { return p.Train > limit }, Loss: 1}
}

// TestATransferSurvivesVanishingTrains: where IP packets above a size are lost before segmentation offload has cut
// them up, from the start or later, a transfer has 90 % of the path within two seconds, whatever size its packets have.
func TestATransferSurvivesVanishingTrains(t *testing.T) {
	for _, test := range []struct{ limit, size int }{
		{1300, 1200}, {1300, 1472}, {1300, 9000},
		{1600, 1200}, {1600, 1472}, {1600, 9000}, {9100, 9000},
	} {
		for name, factory := range controllers {
			if name != "ledbat" && test.size != 1472 {
				continue
			}
			for _, at := range []time.Duration{0, 4 * time.Second} {
				t.Run(fmt.Sprint(test, " ", name, " ", at), func(t *testing.T) {
					t.Parallel()
					r := overBroken(t, factory, 2_500_000, test.size, at, largerTrains(test.limit))
					if r.share < 0.9 || r.silence > time.Second {
						t.Errorf("%.0f %% of the path, after %v of silence: %+v", 100*r.share, r.silence, r.c.Conn.Info())
					}
				})
			}
		}
	}
}

// TestATransferSurvivesLostMarks: where packets marked as ECN-capable are lost, from the start or later, the longest silence is three
// timeouts, and a transfer has 90 % of the path within two seconds.
func TestATransferSurvivesLostMarks(t *testing.T) {
	for name, factory := range controllers {
		for _, at := range []time.Duration{0, 4 * time.Second} {
			t.Run(fmt.Sprint(name, " ", at), func(t *testing.T) {
				t.Parallel()
				r := overBroken(t, factory, 2_500_000, 1472, at, simnet.Rule{Match: simnet.Marked(engine.ECT0), Loss: 1})
				if r.share < 0.9 || r.silence > 3*r.pto {
					t.Errorf("%.0f %% of the path, after %v of silence, with a timeout of %v: %+v", 100*r.share, r.silence, r.pto, r.c.Conn.Info())
				}
			})
		}
	}
}

// TestMarksOnEverythingAreNotBelieved: where every packet comes with CE though there is no queue, a transfer has 90 % of the path
// within two seconds.
func TestMarksOnEverythingAreNotBelieved(t *testing.T) {
	for _, at := range []time.Duration{0, 4 * time.Second} {
		r := overBroken(t, ledbatFactory, 2_500_000, 1472, at, simnet.Rule{Match: simnet.Marked(engine.ECT0), Mark: true, ECN: engine.CE})
		if r.share < 0.9 {
			t.Errorf("from %v on: %.0f %% of the path: %+v", at, 100*r.share, r.c.Conn.Info())
		}
	}
}

// TestOrdinaryLossIsBlamedOnNothing: queues that overflow, policers, loss of all kinds and outages are taken neither for a path that
// loses trains nor for one that loses marks: once all is well, both are in use again.
func TestOrdinaryLossIsBlamedOnNothing(t *testing.T) {
	const rate = 500_000
	half := brokenRTT / 2
	links := map[string]simnet.LinkConfig{
		"a queue of six packets": {Rate: rate, Queue: 9000, Delay: half},
		"a queue of 20 ms":       {Rate: 10 * rate, Queue: 10 * rate / 50, Delay: half},
		"a policer":              {Rate: 8 * rate, Queue: 1 << 20, Delay: half, Policer: simnet.Policer{Rate: rate, Bucket: 20_000}},
		"a radio":                {Rate: rate, Queue: 64 << 10, Delay: half, Aggregate: 10 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.01},
		"a packet in ten":        {Rate: rate, Queue: 64 << 10, Delay: half, Loss: 0.1},
		"three packets in ten":   {Rate: rate, Queue: 64 << 10, Delay: half, Loss: 0.3},
		"runs of five":           {Rate: rate, Queue: 64 << 10, Delay: half, Burst: simnet.BurstLoss(0.05, 5)},
		"runs of fifty":          {Rate: rate, Queue: 64 << 10, Delay: half, Burst: simnet.BurstLoss(0.1, 50)},
		"outages of three seconds": {Rate: rate, Queue: 64 << 10, Delay: half, Rules: []simnet.Rule{{
			Match: func(p simnet.Packet) bool { return p.At%(8*time.Second) > 5*time.Second }, Loss: 1}}},
		"outages of 0.2 s": {Rate: rate, Queue: 64 << 10, Delay: half, Rules: []simnet.Rule{{
			Match: func(p simnet.Packet) bool { return p.At%(400*time.Millisecond) > 200*time.Millisecond }, Loss: 1}}},
		"a smaller MTU": {Rate: rate, Queue: 64 << 10, Delay: half, Loss: 0.01, Rules: []simnet.Rule{{
			From: 5 * time.Second, Match: simnet.Larger(1400), Loss: 1}}},
	}
	for name, link := range links {
		for kind, factory := range controllers {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(2) {
					w := newWorld(t, seed, link, path(0, brokenRTT))
					w.client.Controller = factory
					c, s := w.connect()
					s.OnChange = func() { readAll0(s) }
					out := &feed{f: c, n: 1 << 40}
					c.OnChange = out.pump
					c.Flush()
					w.Run(12 * time.Second)
					if until := c.Conn.TrainsVanish(); until > 0 {
						t.Errorf("seed %d: trains are blamed until %v: %+v", seed, until, c.Conn.Info())
					}
					well := path(rate, brokenRTT)
					well.Burst.Leave = 1
					w.up.SetConfig(w.Now(), well)
					if !w.RunUntil(10*time.Second, func() bool { return c.Conn.Info().ECN }) {
						t.Errorf("seed %d: marks are blamed: %+v", seed, c.Conn.Info())
					}
				}
			})
		}
	}
}

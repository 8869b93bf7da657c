package shaper_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/pool"
)

// TestBusyConnectionsHaveTheirShare measures the documented table and the home line: all connections busy, each
// within 5 % of its share, their sum within 3 % of the total.
func TestBusyConnectionsHaveTheirShare(t *testing.T) {
	span := 500 * ms
	if *long {
		span = 10 * time.Second
	}
	for _, c := range []struct {
		total, min int64
		n          int
		share      int64
	}{
		{100 * mb, 2 * mb, 1, 100 * mb}, {100 * mb, 2 * mb, 5, 20 * mb}, {100 * mb, 2 * mb, 10, 10 * mb},
		{100 * mb, 2 * mb, 25, 4 * mb}, {100 * mb, 2 * mb, 50, 2 * mb}, {100 * mb, 2 * mb, 100, 2 * mb},
		{3 * mb, 500 * kb, 1, 3 * mb}, {3 * mb, 500 * kb, 4, 750 * kb}, {3 * mb, 500 * kb, 6, 500 * kb}, {3 * mb, 500 * kb, 9, 500 * kb},
	} {
		t.Run(fmt.Sprintf("%d of %d", c.n, c.total), func(t *testing.T) {
			w := newWorld(t, newPool(t, c.total, c.min), defaultController, simnet.LinkConfig{Rate: 1000 * mb, Delay: 10 * ms})
			flows := w.dial(w.server, c.n)
			start(flows...)
			w.Run(500 * ms) // the windows open
			each, sum := w.rates(max(span, time.Duration(100*mb/c.total)*200*ms), flows)
			low, high := slices.Min(each), slices.Max(each)
			t.Logf("%4d connections: share %d, measured %.0f to %.0f, sum %.0f", c.n, c.share, low, high, sum)
			if low < 0.95*float64(c.share) || high > 1.05*float64(c.share) {
				t.Errorf("%d connections send %.0f to %.0f, want %d ± 5 %%", c.n, low, high, c.share)
			}
			if want := float64(c.share * int64(c.n)); sum < 0.97*want || sum > 1.03*want {
				t.Errorf("%d connections send %.0f together, want %.0f ± 3 %%", c.n, sum, want)
			}
		})
	}
}

// TestANewcomerHasItsShareSoon lets a connection join nine busy ones, and leave again: within three update
// intervals it has its share, and within three of its leaving the others have it back.
func TestANewcomerHasItsShareSoon(t *testing.T) {
	const total, n, rtt = 50 * mb, 10, 20 * ms
	const interval = 111 * ms // the update interval of 20 ms
	w := newWorld(t, newPool(t, total, mb), defaultController, simnet.LinkConfig{Rate: 1000 * mb, Delay: rtt / 2})
	flows := w.dial(w.server, n)
	others, late := flows[:n-1], flows[n-1:]
	start(others...)
	w.Run(time.Second)
	check := func(when string, flows []*flow, share float64) {
		each, _ := w.rates(interval, flows)
		if low, high := slices.Min(each), slices.Max(each); low < 0.95*share || high > 1.05*share {
			t.Errorf("%s: %.0f to %.0f, want %.0f ± 5 %%", when, low, high, share)
		}
	}
	check("nine", others, total/(n-1))
	start(late...)
	w.Run(2 * interval)
	check("in the third interval after the tenth began", flows, total/n)
	w.Run(time.Second)
	late[0].Conn.Abort(w.Now())
	late[0].Flush()
	w.Run(2 * interval)
	check("in the third interval after it left", others, total/(n-1))
	if w.pool.Members() != n-1 {
		t.Errorf("%d members, want %d", w.pool.Members(), n-1)
	}
}

func TestIdleMembersHoldNothing(t *testing.T) {
	const total, n = 100 * mb, 100
	for _, strict := range []bool{false, true} {
		w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{Rate: 1000 * mb, Delay: 10 * ms})
		w.pool.SetStrict(strict)
		flows := w.dial(w.server, n)
		start(flows[0])
		w.Run(500 * ms)
		each, _ := w.rates(time.Second, flows[:1])
		want := 1.0
		if strict {
			want = 1.0 / n
		}
		t.Logf("strict %v: one busy of %d has %.4f of the total", strict, n, each[0]/total)
		if got := each[0] / total; got < 0.95*want || got > 1.05*want {
			t.Errorf("strict %v: one busy of %d has %.3f of the total, want %.3f", strict, n, got, want)
		}
	}
}

// TestTheOthersGetWhatALimitedOneLeaves has one of ten on a path that carries a tenth of its share.
func TestTheOthersGetWhatALimitedOneLeaves(t *testing.T) {
	const total, n, slow = 50 * mb, 10, 500 * kb
	w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{Rate: 1000 * mb, Delay: 10 * ms})
	flows := w.dial(w.server, n-1)

	flows = append(flows, w.dial(w.addServer("10.0.0.3:3000", simnet.LinkConfig{Rate: slow, Delay: 10 * ms}), 1)...)
	start(flows...)
	w.Run(time.Second)
	each, sum := w.rates(2*time.Second, flows)
	limited, others := each[n-1], each[:n-1]
	want := (total - limited) / (n - 1)
	low, high := slices.Min(others), slices.Max(others)
	t.Logf("limited %.0f; others %.0f to %.0f of %.0f; sum %.0f", limited, low, high, want, sum)
	if limited < 0.9*slow || limited > 1.05*slow {
		t.Errorf("the limited one sends %.0f over a path of %d", limited, int(slow))
	}
	if low < 0.95*want || high > 1.05*want || sum > 1.01*total {
		t.Errorf("the others send %.0f to %.0f, want %.0f ± 5 %%; all %.0f", low, high, want, sum)
	}
}

// TestWhatMessagesTakeIsMetered has members that send a message every ten milliseconds, which the pool never
// holds back, beside two that are busy: the two share what the messages leave.
func TestWhatMessagesTakeIsMetered(t *testing.T) {
	const total, talkers, message = 20 * mb, 20, 4 * kb
	w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{Rate: 1000 * mb, Delay: 10 * ms})
	flows := w.dial(w.server, talkers+2)
	start(flows[:2]...)
	for i, f := range flows[2:] {
		var talk func()
		talk = func() {
			f.Conn.Write(zeros[:message])
			f.Flush()
			w.After(10*ms, talk)
		}
		w.After(time.Duration(i)*333*time.Microsecond, talk)
	}
	w.Run(time.Second)
	each, sum := w.rates(2*time.Second, flows)
	taken := sum - each[0] - each[1]
	t.Logf("messages take %.0f, the busy %.0f and %.0f, sum %.0f", taken, each[0], each[1], sum)
	if taken < talkers*message*100 {
		t.Errorf("messages of %d B/s were held back to %.0f", talkers*message*100, taken)
	}
	for _, got := range each[:2] {
		if want := (total - taken) / 2; got < 0.95*want || got > 1.05*want {
			t.Errorf("a busy one sends %.0f, want half of what messages leave, %.0f", got, want)
		}
	}
	if sum > 1.01*total {
		t.Errorf("together %.0f, more than %d", sum, int(total))
	}
}

func TestWeights(t *testing.T) {
	const total = 40 * mb
	w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{Rate: 1000 * mb, Delay: 10 * ms})
	flows := w.dial(w.server, 1)
	w.client.Weight = 3
	flows = append(flows, w.dial(w.server, 1)...)
	start(flows...)
	w.Run(time.Second)
	each, _ := w.rates(time.Second, flows)
	for i, want := range []float64{total / 4, total * 3 / 4} {
		if each[i] < 0.95*want || each[i] > 1.05*want {
			t.Errorf("weight %d: %.0f, want %.0f ± 5 %%", 1+2*i, each[i], want)
		}
	}
}

// TestLimitsChangeUnderWay halves the total and then lifts it, while four send.
func TestLimitsChangeUnderWay(t *testing.T) {
	w := newWorld(t, newPool(t, 40*mb, 0), windows(2<<20), simnet.LinkConfig{Rate: 100 * mb, Delay: 10 * ms})
	flows := w.dial(w.server, 4)
	start(flows...)
	w.Run(time.Second)
	for _, c := range []struct{ total, want int64 }{{20 * mb, 20 * mb}, {80 * mb, 80 * mb}, {pool.Unlimited, 100 * mb}, {4 * mb, 4 * mb}} {
		if err := w.pool.SetLimits(c.total, 0); err != nil {
			t.Fatal(err)
		}
		w.Run(300 * ms)
		if _, sum := w.rates(time.Second, flows); sum < 0.95*float64(c.want) || sum > 1.03*float64(c.want) {
			t.Errorf("total %d: %.0f together, want %d", c.total, sum, c.want)
		}
	}
}

// TestASlowWaitEndsSoon raises the total while a connection waits more than half a second for its credit: it need
// not wait to the end.
func TestASlowWaitEndsSoon(t *testing.T) {
	const interval = 111 * ms // the update interval of 20 ms
	w := newWorld(t, newPool(t, 5*kb, 0), defaultController, simnet.LinkConfig{Rate: 100 * mb, Delay: 10 * ms})
	f := w.dial(w.server, 1)[0]
	start(f)
	w.Run(10 * time.Second)
	sent := func() uint64 { return f.Conn.Info().Stats.PacketsSent }
	before := sent()
	if !w.RunUntil(time.Second, func() bool { return sent() > before }) {
		t.Fatal("nothing is sent")
	}
	w.Run(ms) // behind a train: the next is half a second away
	if err := w.pool.SetLimits(mb, 0); err != nil {
		t.Fatal(err)
	}
	w.Run(interval)
	if each, _ := w.rates(interval, []*flow{f}); each[0] < 0.9*mb {
		t.Errorf("after an update interval it sends %.0f of %d", each[0], mb)
	}
}

package shaper_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// crowd has n connections to a host of its own.
func (w *world) crowd(host, n int) []*flow {
	w.t.Helper()
	return w.dial(w.addServer(fmt.Sprintf("10.0.%d.2:2000", host), simnet.LinkConfig{Rate: 100 * mb, Delay: 10 * ms}), n)
}

// sums lets d pass and returns at what rate each group of flows has sent, and the least and the most of its members.
func (w *world) sums(d time.Duration, groups ...[]*flow) (sums, lows, highs []float64) {
	each, _ := w.rates(d, slices.Concat(groups...))
	for _, g := range groups {
		mine := each[:len(g)]
		each = each[len(g):]
		total := 0.0
		for _, r := range mine {
			total += r
		}
		sums, lows, highs = append(sums, total), append(lows, slices.Min(mine)), append(highs, slices.Max(mine))
	}
	return sums, lows, highs
}

// within fails unless got is want ± some part.
func within(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if got < (1-part)*want || got > (1+part)*want {
		t.Errorf("%s: %.0f, want %.0f ± %.0f %%", what, got, want, 100*part)
	}
}

// TestHostsAreServedAlike: one host with 40 connections and one with a single one have half of the pool each, whatever the minimum of a connection, and the
// 40 are served alike.
func TestHostsAreServedAlike(t *testing.T) {
	for _, c := range []struct{ total, min int64 }{{4 * mb, 0}, {4 * mb, mb}, {100 * mb, 10 * mb}, {100 * kb, 0}} {
		t.Run(fmt.Sprintf("%d, minimum %d", c.total, c.min), func(t *testing.T) {
			w := newWorld(t, newPool(t, c.total, c.min), defaultController, simnet.LinkConfig{})
			many, one := w.crowd(1, 40), w.crowd(2, 1)
			start(w.flows...)
			w.Run(max(stretch(c.total)/2, 2*time.Second)) // the windows open, and full buckets are used up
			sums, lows, highs := w.sums(max(stretch(c.total), 2*time.Second), many, one)
			half := float64(c.total) / 2
			t.Logf("40 connections send %.0f, each %.0f to %.0f; one sends %.0f", sums[0], lows[0], highs[0], sums[1])
			within(t, "the host with 40 connections", sums[0], half, 0.1)
			within(t, "the host with one", sums[1], half, 0.1)
			within(t, "together", sums[0]+sums[1], float64(c.total), 0.03)
			within(t, "the least of the 40", lows[0], half/40, 0.1)
			within(t, "the most of the 40", highs[0], half/40, 0.1)
		})
	}
}

// TestReceivingIsSharedByHosts is the same for what a server receives.
func TestReceivingIsSharedByHosts(t *testing.T) {
	const total = 4 * mb
	w, got := receivers(t, total, 20*ms)
	many := w.dial(w.server, 40)
	w.client = w.NewStation("10.0.9.1:1000", windows(1<<20))
	w.Join(w.client, w.server, simnet.LinkConfig{Rate: 1000 * mb, Delay: 10 * ms}, simnet.LinkConfig{Delay: 10 * ms})
	one := w.dial(w.server, 1)
	start(w.flows...)
	w.Run(5 * time.Second)
	each, sum := receiveRates(w, got, 10*time.Second, append(slices.Clone(many), one...))
	within(t, "the host with one connection", each[40], total/2, 0.1)
	within(t, "together", sum, total, 0.03)
}

// TestAHostsLightConnectionsAreItsOwn: 39 connections that send messages, never held back if they were alone, and a busy one are one
// host. Another host's busy one has half of the pool beside them.
func TestAHostsLightConnectionsAreItsOwn(t *testing.T) {
	const total, talkers, message = 4 * mb, 39, kb
	w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{})
	many, one := w.crowd(1, talkers+1), w.crowd(2, 1)
	start(many[0], one[0])
	for i, f := range many[1:] { // 3.9 MB/s, if they may
		var talk func()
		talk = func() {
			f.Conn.Write(zeros[:message])
			f.Flush()
			w.After(10*ms, talk)
		}
		w.After(time.Duration(i)*200*time.Microsecond, talk)
	}
	w.Run(10 * time.Second)
	sums, _, _ := w.sums(10*time.Second, many, one)
	t.Logf("40 connections of a host send %.0f, one of another %.0f", sums[0], sums[1])
	within(t, "the host with 40 connections", sums[0], total/2, 0.1)
	within(t, "the host with one", sums[1], total/2, 0.1)
}

// TestWhatAHostLeavesIsTheOthers: a host whose line is slow, and one that has ended, leave what they do not use.
func TestWhatAHostLeavesIsTheOthers(t *testing.T) {
	const total, slow = 4 * mb, 500 * kb
	w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{})
	many, one := w.crowd(1, 10), w.crowd(2, 1)
	limited := w.dial(w.addServer("10.0.3.2:2000", simnet.LinkConfig{Rate: slow, Delay: 10 * ms}), 3)
	start(w.flows...)
	w.Run(5 * time.Second)
	sums, _, _ := w.sums(5*time.Second, many, one, limited)
	left := (total - sums[2]) / 2
	if sums[2] < 0.85*slow || sums[2] > 1.05*slow {
		t.Errorf("the slow host is sent %.0f, its line has %d", sums[2], int(slow))
	}
	within(t, "the host with ten", sums[0], left, 0.1)
	within(t, "the host with one", sums[1], left, 0.1)
	for _, f := range append(limited, one...) {
		f.Conn.Abort(w.Now())
		f.Flush()
	}
	w.Run(time.Second)
	sums, _, _ = w.sums(5*time.Second, many)
	within(t, "the host with ten alone", sums[0], total, 0.05)
}

// TestHostsHaveWeights: of the program's, and otherwise that of their heaviest connection.
func TestHostsHaveWeights(t *testing.T) {
	const total = 4 * mb
	w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{})
	many := w.crowd(1, 10)
	w.client.Weight = 3
	heavy := w.crowd(2, 2)
	start(w.flows...)
	w.Run(5 * time.Second)
	sums, _, _ := w.sums(5*time.Second, many, heavy)
	within(t, "connections that weigh three times as much", sums[1], total*3/4, 0.05)
	peer := limits.PeerOf(netip.MustParseAddr("10.0.1.2"))
	if err := w.pool.SetPeerWeight(peer, 9); err != nil {
		t.Fatal(err)
	}
	w.Run(2 * time.Second)
	sums, _, _ = w.sums(5*time.Second, many, heavy)
	within(t, "a host that weighs nine", sums[0], total*3/4, 0.05)
	if err := w.pool.SetPeerWeight(peer, 0); err != nil {
		t.Fatal(err)
	}
	w.Run(2 * time.Second)
	sums, _, _ = w.sums(5*time.Second, many, heavy)
	within(t, "a host whose weight was taken back", sums[0], total/4, 0.05)
}

// TestAStrictPoolKnowsNoHosts: there every connection has the described formula's share.
func TestAStrictPoolKnowsNoHosts(t *testing.T) {
	const total, n = 4 * mb, 9
	w := newWorld(t, newPool(t, total, 0), defaultController, simnet.LinkConfig{})
	w.pool.SetStrict(true)
	many, one := w.crowd(1, n), w.crowd(2, 1)
	start(w.flows...)
	w.Run(5 * time.Second)
	sums, _, _ := w.sums(5*time.Second, many, one)
	share := float64(pool.Share(total, n+1, 0))
	within(t, "the host with nine", sums[0], n*share, 0.05)
	within(t, "the host with one", sums[1], share, 0.05)
}

package simnet

import (
	"bytes"
	"math"
	"math/bits"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/internal/endpoint"
)

const ms = time.Millisecond

// at returns the times of the arrivals of size-byte datagrams sent at the given
// times; -1 stands for one that does not arrive.
func at(l *Link, size int, sent ...time.Duration) []time.Duration {
	var got []time.Duration
	for _, now := range sent {
		a, n := l.Send(now, make([]byte, size))
		if n == 0 {
			got = append(got, -1)
		}
		for _, a := range a[:n] {
			got = append(got, a.At)
		}
	}
	return got
}

func repeat(t time.Duration, n int) []time.Duration {
	ts := make([]time.Duration, n)
	for i := range ts {
		ts[i] = t
	}
	return ts
}

func TestLinkTiming(t *testing.T) {
	tests := []struct {
		name string
		cfg  LinkConfig
		size int
		sent []time.Duration
		want []time.Duration
	}{
		{"zero value", LinkConfig{}, 1200,
			[]time.Duration{0, 0, 5 * ms}, []time.Duration{0, 0, 5 * ms}},
		{"delay", LinkConfig{Delay: 20 * ms}, 1200,
			[]time.Duration{0, 3 * ms}, []time.Duration{20 * ms, 23 * ms}},
		{"rate charges the headers", LinkConfig{Rate: 1_000_000}, 972,
			repeat(0, 3), []time.Duration{1 * ms, 2 * ms, 3 * ms}},
		{"overhead of its own", LinkConfig{Rate: 1_000_000, Overhead: 48}, 952,
			repeat(0, 2), []time.Duration{1 * ms, 2 * ms}},
		{"no overhead", LinkConfig{Rate: 1_000_000, Overhead: -1}, 1000,
			repeat(0, 2), []time.Duration{1 * ms, 2 * ms}},
		{"idle between", LinkConfig{Rate: 1_000_000, Delay: 10 * ms}, 972,
			[]time.Duration{0, 5 * ms, 5 * ms}, []time.Duration{11 * ms, 16 * ms, 17 * ms}},
		{"queue of two behind the one on the wire", LinkConfig{Rate: 1_000_000, Queue: 3000}, 972,
			repeat(0, 5), []time.Duration{1 * ms, 2 * ms, 3 * ms, -1, -1}},
		{"queue drains", LinkConfig{Rate: 1_000_000, Queue: 2000}, 972,
			[]time.Duration{0, 0, ms / 2, 1 * ms, 1 * ms}, []time.Duration{1 * ms, 2 * ms, -1, 3 * ms, -1}},
		{"an idle link takes what no queue holds", LinkConfig{Rate: 1_000_000, Queue: 100}, 972,
			[]time.Duration{0, 0, 1 * ms}, []time.Duration{1 * ms, -1, 2 * ms}},
		{"MTU counts the headers", LinkConfig{MTU: 1500}, 1472,
			[]time.Duration{7}, []time.Duration{7}},
		{"above the MTU", LinkConfig{MTU: 1500}, 1473,
			[]time.Duration{7}, []time.Duration{-1}},
		{"all lost", LinkConfig{Loss: 1}, 100,
			repeat(0, 2), []time.Duration{-1, -1}},
		{"all twice", LinkConfig{Duplicate: 1, DuplicateBy: 3 * ms}, 100,
			[]time.Duration{0, 1 * ms}, []time.Duration{0, 3 * ms, 1 * ms, 4 * ms}},
		{"lost bytes do not use the bottleneck",
			LinkConfig{Rate: 1_000_000, Drop: func(n int, _ []byte) bool { return n == 1 }}, 972,
			repeat(0, 3), []time.Duration{1 * ms, -1, 2 * ms}},
		{"early by half the delay, not before it left",
			LinkConfig{Rate: 1_000_000, Delay: 10 * ms, Reorder: 1}, 972,
			repeat(0, 2), []time.Duration{6 * ms, 7 * ms}},
		{"early by more than the delay", LinkConfig{Delay: 10 * ms, Reorder: 1, ReorderBy: time.Second}, 972,
			[]time.Duration{1 * ms}, []time.Duration{1 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := at(NewLink(tt.cfg, 1), tt.size, tt.sent...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("arrivals (-want +got):\n%s", diff)
			}
		})
	}
}

// A rate that does not divide a second loses nothing to rounding, however many
// datagrams there are.
func TestLinkRateAddsUp(t *testing.T) {
	const n, size = 100_000, 1001
	for _, rate := range []int64{3, 7_777_777, 1_250_000_000} {
		l := NewLink(LinkConfig{Rate: rate, Overhead: -1}, 1)
		b := make([]byte, size)
		var last time.Duration
		for range n {
			a, _ := l.Send(0, b)
			last = a[0].At
		}
		hi, lo := bits.Mul64(n*size, uint64(time.Second))
		want, _ := bits.Div64(hi, lo, uint64(rate))
		if last != time.Duration(want) {
			t.Errorf("rate %d: %d bytes took %v, want %v", rate, n*size, last, time.Duration(want))
		}
		if got := l.Queued(0); got != n*size {
			t.Errorf("rate %d: %d bytes queued, want %d", rate, got, n*size)
		}
	}
}

func TestLinkSetConfig(t *testing.T) {
	const rate = 1_000_000
	l := NewLink(LinkConfig{Rate: rate, Delay: 10 * ms}, 1)
	at(l, 972, repeat(0, 4)...) // leave at 1 to 4 ms, arrive at 11 to 14

	// At 2 ms two datagrams are queued; a quarter of the rate needs 8 ms for them.
	l.SetConfig(2*ms, LinkConfig{Rate: rate / 4, Delay: 10 * ms})
	if got := l.Queued(2 * ms); got != 2000 {
		t.Errorf("%d bytes queued after the step, want 2000", got)
	}
	got := at(l, 972, 2*ms)
	// And at 14 ms, idle, the delay goes: the next waits for the last.
	l.SetConfig(14*ms, LinkConfig{})
	got = append(got, at(l, 972, 14*ms, 30*ms)...)
	want := []time.Duration{24 * ms, 24 * ms, 30 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrivals (-want +got):\n%s", diff)
	}
}

func TestLinkStats(t *testing.T) {
	l := NewLink(LinkConfig{
		Rate: 1_000_000, Queue: 3000, MTU: 1000, Duplicate: 1,
		Drop: func(n int, b []byte) bool { return n == 0 },
	}, 1)
	at(l, 972, repeat(0, 6)...) // scripted, three through, two dropped
	at(l, 973, 1*ms)            // too large
	l.SetConfig(1*ms, LinkConfig{Loss: 1})
	at(l, 972, 1*ms)
	want := LinkStats{
		Sent: 8, Delivered: 3, Scripted: 1, TooLarge: 1, Lost: 1, Dropped: 2, Duplicated: 3,
		Bytes: 3000, MaxQueue: 3000, MaxQueueDelay: 2 * ms,
	}
	if diff := cmp.Diff(want, l.Stats()); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// within reports a count that is not within five standard deviations of a
// binomial distribution's mean.
func within(t *testing.T, what string, got, n int, p float64) {
	t.Helper()
	mean, sigma := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(got)-mean) > 5*sigma {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, got, n, mean, 5*sigma)
	}
}

func TestLinkFractions(t *testing.T) {
	const n = 50_000
	for _, p := range []float64{0.001, 0.03, 0.5, 0.9} {
		for seed := range uint64(2) {
			lossy := NewLink(LinkConfig{Loss: p}, seed)
			noisy := NewLink(LinkConfig{Duplicate: p, Corrupt: p / 2, Reorder: p, Delay: 10 * ms}, seed)
			b := make([]byte, 10)
			for i := range n {
				lossy.Send(time.Duration(i)*ms, b)
				noisy.Send(time.Duration(i)*ms, b)
			}
			within(t, "lost", lossy.Stats().Lost, n, p)
			s := noisy.Stats()
			within(t, "duplicated", s.Duplicated, n, p)
			within(t, "corrupted", s.Corrupted, n+s.Duplicated, p/2)
			// One that is early overtakes unless the five before it were early
			// too; that they were not all has probability 1-p^4 (the fifth would
			// arrive with it).
			within(t, "reordered", s.Reordered, n, p*(1-math.Pow(p, 4)))
		}
	}
}

// What is lost at a small fraction is lost at a larger one, and no other
// impairment changes which.
func TestLinkRollsAreIndependent(t *testing.T) {
	lost := func(cfg LinkConfig) map[int]bool {
		l, lost := NewLink(cfg, 42), map[int]bool{}
		for i := range 10_000 {
			if _, n := l.Send(0, []byte{1}); n == 0 {
				lost[i] = true
			}
		}
		return lost
	}
	low := lost(LinkConfig{Loss: 0.01})
	if len(low) == 0 {
		t.Fatal("nothing lost")
	}
	mixed := lost(LinkConfig{Loss: 0.01, Duplicate: 0.5, Jitter: ms, Corrupt: 0.5, Reorder: 0.5})
	if diff := cmp.Diff(low, mixed); diff != "" {
		t.Errorf("other impairments changed what is lost:\n%s", diff)
	}
	high := lost(LinkConfig{Loss: 0.02})
	for i := range low {
		if !high[i] {
			t.Errorf("datagram %d is lost at 1 %% and not at 2 %%", i)
		}
	}
}

func trace(seed uint64) []Arrival {
	l := NewLink(LinkConfig{
		Rate: 500_000, Queue: 20_000, Delay: 10 * ms, Jitter: 5 * ms, Loss: 0.05, Burst: BurstLoss(0.02, 3),
		Reorder: 0.1, Duplicate: 0.1, DuplicateBy: 7 * ms, Corrupt: 0.1,
	}, seed)
	var all []Arrival
	for i := range 2000 {
		a, n := l.Send(time.Duration(i)*ms, make([]byte, i%1200))
		all = append(all, a[:n]...)
	}
	return all
}

func TestLinkDeterminism(t *testing.T) {
	if diff := cmp.Diff(trace(7), trace(7)); diff != "" {
		t.Errorf("the same seed differs:\n%s", diff)
	}
	if cmp.Equal(trace(7), trace(8)) {
		t.Error("another seed does not differ")
	}
}

func TestLinkJitterKeepsOrder(t *testing.T) {
	l := NewLink(LinkConfig{Delay: 10 * ms, Jitter: 20 * ms}, 3)
	var last, low, high time.Duration
	low = time.Hour
	for i := range 10_000 {
		now := time.Duration(i) * ms
		a := at(l, 100, now)[0]
		if a < last {
			t.Fatalf("datagram %d arrives at %v, the one before at %v", i, a, last)
		}
		last, low, high = a, min(low, a-now), max(high, a-now)
	}
	if low < 10*ms || high >= 30*ms || high < 29*ms {
		t.Errorf("delays from %v to %v, want 10ms to 30ms", low, high)
	}
}

func TestLinkReorderOvertakes(t *testing.T) {
	// The third datagram of ten is early by half the delay.
	var seed uint64
	for ; ; seed++ {
		d := dice{seed}
		if d.chance(rollReorder, 2, 0.1) && !d.chance(rollReorder, 0, 0.1) && !d.chance(rollReorder, 1, 0.1) {
			break
		}
	}
	l := NewLink(LinkConfig{Delay: 10 * ms, Reorder: 0.1}, seed)
	got := at(l, 100, 0, 1*ms, 2*ms)
	want := []time.Duration{10 * ms, 11 * ms, 7 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("arrivals (-want +got):\n%s", diff)
	}
	if got := l.Stats().Reordered; got != 1 {
		t.Errorf("%d reordered, want 1", got)
	}
}

func TestCorruptionFlipsOneBit(t *testing.T) {
	l := NewLink(LinkConfig{Corrupt: 1, Duplicate: 1}, 9)
	sent := bytes.Repeat([]byte{0xa5}, 64)
	hit := map[int]bool{}
	differ := false
	for range 5000 {
		a, n := l.Send(0, sent)
		if n != 2 {
			t.Fatalf("%d arrivals, want 2", n)
		}
		for _, a := range a {
			got := bytes.Clone(sent)
			a.Apply(got)
			flipped := 0
			for i := range got {
				flipped += bits.OnesCount8(got[i] ^ sent[i])
			}
			if flipped != 1 {
				t.Fatalf("%d bits flipped, want 1", flipped)
			}
			hit[a.Bit] = true
		}
		differ = differ || a[0].Bit != a[1].Bit
	}
	if len(hit) != 8*len(sent) {
		t.Errorf("%d different bits flipped, want all %d", len(hit), 8*len(sent))
	}
	if !differ {
		t.Error("the copy is always corrupted as the original is")
	}
	if a, n := l.Send(0, nil); n != 2 || a[0].Corrupted {
		t.Errorf("an empty datagram: %+v, %d arrivals", a, n)
	}
}

func TestBurstLoss(t *testing.T) {
	const n = 200_000
	for _, tt := range []struct{ fraction, length float64 }{
		{0.01, 1}, {0.05, 4}, {0.2, 10}, {0.5, 2},
	} {
		l := NewLink(LinkConfig{Burst: BurstLoss(tt.fraction, tt.length)}, 11)
		runs, in := 0, false
		for range n {
			_, arrived := l.Send(0, []byte{1})
			if arrived == 0 && !in {
				runs++
			}
			in = arrived == 0
		}
		lost := l.Stats().Lost
		// Over renewals of mean length m the fraction and the length have
		// relative errors of about 1/sqrt(runs); five of them.
		tolerance := 5 / math.Sqrt(float64(runs))
		if got := float64(lost) / n; math.Abs(got/tt.fraction-1) > tolerance {
			t.Errorf("%+v: %.4f lost", tt, got)
		}
		if got := float64(lost) / float64(runs); math.Abs(got/tt.length-1) > tolerance {
			t.Errorf("%+v: runs of %.2f", tt, got)
		}
	}
}

func TestBurstPartialLoss(t *testing.T) {
	const n = 100_000
	l := NewLink(LinkConfig{Burst: Burst{Enter: 1, Loss: 0.3}}, 5)
	for range n {
		l.Send(0, nil)
	}
	within(t, "lost in the bad state", l.Stats().Lost, n, 0.3)
}

func TestBurstLossRange(t *testing.T) {
	for _, tt := range []struct {
		fraction, length float64
		want             Burst
	}{
		{0, 4, Burst{Leave: 0.25}},
		{-1, 0, Burst{Leave: 1}},
		{1, 4, Burst{Enter: 1}},
		{0.9, 1, Burst{Enter: 1, Leave: 1}},
		{0.5, 2, Burst{Enter: 0.5, Leave: 0.5}},
	} {
		if got := BurstLoss(tt.fraction, tt.length); got != tt.want {
			t.Errorf("BurstLoss(%v, %v) = %+v, want %+v", tt.fraction, tt.length, got, tt.want)
		}
	}
}

func TestLinkSendAllocates(t *testing.T) {
	l := NewLink(LinkConfig{Rate: 1e6, Queue: 1e5, Delay: ms, Jitter: ms, Loss: 0.1, Duplicate: 0.1, Corrupt: 0.1}, 1)
	b, now := make([]byte, 1200), time.Duration(0)
	if got := testing.AllocsPerRun(1000, func() { now += ms; l.Send(now, b) }); got != 0 {
		t.Errorf("%v allocations a datagram, want 0", got)
	}
}

// TestCodepointsPass: a link carries the ECN codepoint of each datagram, its copy
// included, or changes it as its configuration says.
func TestCodepointsPass(t *testing.T) {
	l := NewLink(LinkConfig{Duplicate: 1, Remark: func(n int, ecn endpoint.ECN) endpoint.ECN {
		if n == 1 {
			return endpoint.CE
		}
		return ecn
	}}, 1)
	for i, want := range []endpoint.ECN{endpoint.ECT0, endpoint.CE, endpoint.ECT0} {
		a, n := l.SendECN(0, []byte("x"), endpoint.ECT0)
		if n != 2 || a[0].ECN != want || a[1].ECN != want {
			t.Errorf("datagram %d: %+v, want two with codepoint %d", i, a[:n], want)
		}
	}
	if a, _ := l.Send(0, []byte("x")); a[0].ECN != endpoint.NotECT {
		t.Errorf("a datagram without a codepoint arrives with %d", a[0].ECN)
	}
}

package kernel

import (
	"testing"
	"time"
)

// TestModelFillsThePath: what the simulated bottleneck writes down adds up to its rate, and every
// flow is told apart.
func TestModelFillsThePath(t *testing.T) {
	p := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 64_000}
	flows := []flow{
		{kind: "reno", port: 1, runs: 30 * time.Second},
		{kind: "cubic", port: 2, after: time.Second, runs: 30 * time.Second},
	}
	tr := model(1, p, flows)
	in := span{10 * time.Second, 30 * time.Second}
	if got := percent(tr.sum().rate(in), p.bytesPerSecond()); got < 99 || got > 101 {
		t.Errorf("%.1f %% of the link", got)
	}
	for _, f := range flows {
		if got := percent(tr[f.port].rate(in), p.bytesPerSecond()); got < 15 || got > 85 {
			t.Errorf("%s has %.1f %%", f.kind, got)
		}
		if got, want := tr[f.port].start(), f.after; got < want || got > want+2*tick {
			t.Errorf("%s starts at %v, want %v", f.kind, got, want)
		}
	}
	all := tr.sum()
	if all.drops(in) == 0 {
		t.Error("loss-based flows for 20 s, and no loss")
	}
	// 64,000 bytes and a packet at 10 Mbit/s.
	if q := quantile(all.queues(in), 1); q > 53*time.Millisecond || q < 30*time.Millisecond {
		t.Errorf("the largest mean queue is %v, want close to the buffer's 52 ms", q)
	}
	if got := tr[1].rate(span{31 * time.Second, 31*time.Second + tick}); got != 0 {
		t.Errorf("reno goes on at %v bytes/s behind its end", got)
	}
}

// TestModelRepeats: equal seeds give equal traces.
func TestModelRepeats(t *testing.T) {
	p := path{mbit: 10, rtt: 20 * time.Millisecond, queue: 30_000, loss: 0.01}
	flows := []flow{{kind: "bbr", port: 1, runs: 5 * time.Second}}
	a, b, c := model(1, p, flows), model(1, p, flows), model(2, p, flows)
	same := func(x, y series) bool {
		for i := range min(len(x), len(y)) {
			if x[i] != y[i] {
				return false
			}
		}
		return len(x) == len(y)
	}
	if !same(a[1], b[1]) {
		t.Error("the same seed gave another trace")
	}
	if same(a[1], c[1]) {
		t.Error("another seed gave the same trace")
	}
}

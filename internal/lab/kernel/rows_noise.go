package kernel

import (
	"context"
	"path/filepath"
	"time"
)

// ownQueue is how far above the path's own noise the p95 of our queue may be, in ms.
const ownQueue = 15

// noisyBars are what a row asks of ours alone: of the link, in the median and the worst round.
type noisyBars struct{ share, worst float64 }

// noisy is ours alone on a path that delays packets for reasons of its own, what a packet sees there when nothing else
// is sent, and a CUBIC that keeps what it has alone and then leaves.
func (b bench) noisy(ctx context.Context, p path, bars noisyBars) ([]figure, error) {
	noise, err := b.noise(ctx, p)
	if err != nil {
		return nil, err
	}
	s, in, err := b.oursAlone(ctx, p, b.last(24*time.Second))
	if err != nil {
		return nil, err
	}
	queue := ms(quantile(s.queues(in), 0.95))
	all := []figure{
		atLeast("rate alone", percent(s.rate(in), p.bytesPerSecond()), "%", bars.share, bars.worst),
		atMost("queue p95 above the path's own", queue-noise, "ms", ownQueue, ownQueue),
		shown("path's own p95", noise, "ms"),
	}
	d := b.last(26 * time.Second)
	base, err := b.aloneRate(ctx, p, "cubic", d)
	if err != nil {
		return nil, err
	}
	flows := []flow{
		{kind: "cubic", port: theirs, runs: d},
		{kind: ebb, port: ours, after: 1500 * time.Millisecond, runs: d + behind},
	}
	t, err := b.run(ctx, p, flows)
	if err != nil {
		return nil, err
	}
	all = append(all, atLeast("CUBIC keeps", percent(t[theirs].rate(together(t, flows)), base), "%", 95, 90))
	return append(all, regain("", t, p, flows[0])), nil
}

// noise is the p95 of the wait of single packets, in ms.
func (b bench) noise(ctx context.Context, p path) (float64, error) {
	f := flow{kind: probe, port: ours, runs: 8 * time.Second}
	t, err := b.run(ctx, p, []flow{f})
	if err != nil {
		return 0, err
	}
	return ms(quantile(t[ours].queues(span{0, length([]flow{f}) + setupTime}), 0.95)), nil
}

// noisyPath is that of N1 to N3 before its noise.
func noisyPath() path { return path{mbit: 50, rtt: 40 * time.Millisecond, queue: 500_000} }

// aggregated is scenario N1.
func aggregated(ctx context.Context, b bench) ([]figure, error) {
	p := noisyPath()
	p.aggregate = 10 * time.Millisecond
	return b.noisy(ctx, p, noisyBars{98, 93})
}

// jittery is scenario N2.
func jittery(ctx context.Context, b bench) ([]figure, error) {
	p := noisyPath()
	p.jitter = 20 * time.Millisecond
	return b.noisy(ctx, p, noisyBars{97, 90})
}

// reordered is scenario N3.
func reordered(ctx context.Context, b bench) ([]figure, error) {
	p := noisyPath()
	p.reorder = 0.01
	return b.noisy(ctx, p, noisyBars{95, 88})
}

// mobile is scenario N4: ours, CUBIC, and both over the same stretch of a trace.
func mobile(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 50, rtt: 50 * time.Millisecond, queue: 500_000, trace: filepath.Join(b.traces, mobileTrace)}
	d := b.last(45 * time.Second)
	mine := flow{kind: ebb, port: ours, runs: d}
	cubic := flow{kind: "cubic", port: theirs, runs: d}
	var rate, queue [2]float64
	for i, f := range []flow{mine, cubic} {
		t, err := b.run(ctx, p, []flow{f})
		if err != nil {
			return nil, err
		}
		s := t[f.port]
		in := span{s.start() + warm(d)/2, s.start() + d}
		rate[i], queue[i] = s.rate(in), ms(quantile(s.queues(in), 0.95))
	}
	mine.after = 1500 * time.Millisecond
	mine.runs -= mine.after
	t, err := b.run(ctx, p, []flow{cubic, mine})
	if err != nil {
		return nil, err
	}
	from := t[theirs].start()
	keeps := t[theirs].rate(span{from + warm(d)/2, from + d})
	return []figure{
		atLeast("rate, of CUBIC's", percent(rate[0], rate[1]), "%", 85, 80),
		atMost("queue p95, of CUBIC's", percent(queue[0], queue[1]), "%", 50, 60),
		atLeast("CUBIC keeps", percent(keeps, rate[1]), "%", 95, 90),
		shown("rate alone", rate[0]*8/1e6, "Mbit/s"),
		shown("CUBIC's", rate[1]*8/1e6, "Mbit/s"),
		shown("queue p95", queue[0], "ms"),
		shown("CUBIC's queue p95", queue[1], "ms"),
	}, nil
}

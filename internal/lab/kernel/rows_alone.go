package kernel

import (
	"context"
	"fmt"
	"time"
)

// oursAlone runs one flow of ours, and returns what was seen of it and when it is to be judged.
func (b bench) oursAlone(ctx context.Context, p path, d time.Duration) (series, span, error) {
	t, err := b.run(ctx, p, []flow{{kind: ebb, port: ours, runs: d}})
	if err != nil {
		return nil, span{}, err
	}
	s := t[ours]
	return s, span{s.start() + warm(d), s.start() + d}, nil
}

// alone is scenario 1.
func alone(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 100, rtt: 40 * time.Millisecond, queue: 1_000_000}
	d := b.last(24 * time.Second)
	s, in, err := b.oursAlone(ctx, p, d)
	if err != nil {
		return nil, err
	}
	q := s.queues(in)
	return []figure{
		atLeast("rate", percent(s.rate(in), p.bytesPerSecond()), "%", 96, 94),
		atMost("queue p50", ms(quantile(q, 0.5)), "ms", 30, 30),
		atMost("queue p95", ms(quantile(q, 0.95)), "ms", 60, 60),
		atMost("drops", float64(s.drops(in)), "", 0, 0),
		shown("drops, first seconds included", float64(s.drops(span{0, in.to})), ""),
	}, nil
}

// ramp is scenario 3a: from the handshake, which ends half a round trip before the first byte arrives, to the end of
// the first 100 ms in which the receiver has 90 % of the link.
func ramp(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 256_000}
	d := 5 * time.Second
	t, err := b.run(ctx, p, []flow{{kind: ebb, port: ours, runs: d, watched: true}})
	if err != nil {
		return nil, err
	}
	s := t[ours]
	in := span{s.start(), s.start() + d}
	took, ok := t[ours+received].reaches(span{0, d}, 100*time.Millisecond, 0.9*p.bytesPerSecond())
	if !ok {
		took = d
	}
	return []figure{
		atMost("90 % of the rate within", ms(took+p.rtt/2), "ms", 350, 350),
		atMost("dropped", percent(float64(s.drops(in)), float64(s.drops(in))+s.rate(in)*d.Seconds()/1500), "%", 0.5, 0.5),
	}, nil
}

// lossy is scenario 12.
func lossy(ctx context.Context, b bench) ([]figure, error) {
	var all []figure
	for _, c := range []struct{ loss, bar float64 }{{0.001, 95}, {0.01, 90}, {0.03, 75}} {
		p := path{mbit: 50, rtt: 50 * time.Millisecond, queue: 312_000, loss: c.loss}
		d := b.last(24 * time.Second)
		t, err := b.run(ctx, p, []flow{{kind: ebb, port: ours, runs: d}})
		if err != nil {
			return nil, err
		}
		s := t[ours]
		in := span{s.start() + warm(d), s.start() + d}
		all = append(all,
			atLeast(fmt.Sprintf("rate at %g %%", c.loss*100), percent(s.rate(in), p.bytesPerSecond()), "%", c.bar, c.bar),
			shown(fmt.Sprintf("queue p50 at %g %%", c.loss*100), ms(quantile(s.queues(in), 0.5)), "ms"))
	}
	return all, nil
}

// detour is scenario 14.
func detour(ctx context.Context, b bench) ([]figure, error) {
	third := b.last(15 * time.Second)
	p := path{mbit: 50, rtt: 40 * time.Millisecond, queue: 500_000,
		at: fmt.Sprintf("%s:rtt=100ms,%s:rtt=40ms", third, 2*third)}
	t, err := b.run(ctx, p, []flow{{kind: ebb, port: ours, runs: 3 * third}})
	if err != nil {
		return nil, err
	}
	s := t[ours]
	regained := func(from, to time.Duration) float64 {
		took, ok := s.reaches(span{from, to}, time.Second, 0.9*p.bytesPerSecond())
		if !ok {
			took = to - from
		}
		return took.Seconds()
	}
	return []figure{
		atMost("90 % again, base risen", regained(third, 2*third), "s", 10, 10),
		atMost("90 % again, base fallen", regained(2*third, s.start()+3*third), "s", 2, 2),
		shown("queue p50, base risen", ms(quantile(s.queues(span{third + third/2, 2 * third}), 0.5)), "ms"),
	}, nil
}

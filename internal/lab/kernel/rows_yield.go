package kernel

import (
	"context"
	"fmt"
	"time"
)

// aloneRate is the steady rate of a competitor that has the path for itself, in bytes per second.
func (b bench) aloneRate(ctx context.Context, p path, kind string, d time.Duration) (float64, error) {
	d = min(d, b.last(aloneTime))
	t, err := b.run(ctx, p, []flow{{kind: kind, port: theirs, runs: d}})
	if err != nil {
		return 0, err
	}
	s := t[theirs]
	return s.rate(span{s.start() + warm(d), s.start() + d}), nil
}

// together is the span in which flows of a trace are all active and past the start.
func together(t trace, flows []flow) span {
	var in span
	for i, f := range flows {
		from := t[f.port].start()
		in.from = max(in.from, from+warm(f.runs))
		if to := from + f.runs; i == 0 || to < in.to {
			in.to = to
		}
	}
	return in
}

// kept are the figures of a competitor beside us: what it keeps of its rate alone, and how much of
// the link is used.
func kept(name string, t trace, in span, p path, port int, alone, bar, worst float64) []figure {
	return []figure{
		atLeast("keep"+name, percent(t[port].rate(in), alone), "%", bar, worst),
		atLeast("link used"+name, percent(t.sum().rate(in), p.bytesPerSecond()), "%", 95, 95),
	}
}

// besideReno is scenario 4.
func besideReno(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 256_000}
	d := b.last(40 * time.Second) // Reno's window goes up and down once in some 15 s
	base, err := b.aloneRate(ctx, p, "reno", d)
	if err != nil {
		return nil, err
	}
	const earlier = 1500 * time.Millisecond
	flows := []flow{
		{kind: "reno", port: theirs, runs: d},
		{kind: ebb, port: ours, after: earlier, runs: d + behind},
	}
	t, err := b.run(ctx, p, flows)
	if err != nil {
		return nil, err
	}
	all := kept("", t, together(t, flows), p, theirs, base, 95, 90)
	return append(all, regain("", t, p, flows[0])), nil
}

// behind is how long we go on at least when a competitor has left: time for the regaining.
const behind = 6 * time.Second

// regain is how soon the flows that stay have 85 % of the link after a competitor's end, over half
// a second. If they never do, it is the time that they had.
func regain(name string, t trace, p path, leaves flow) figure {
	rest := make(trace)
	for port, s := range t {
		if port != leaves.port {
			rest[port] = s
		}
	}
	s := rest.sum()
	in := span{t[leaves.port].start() + leaves.runs, s[len(s)-1].at}
	took, ok := s.reaches(in, 500*time.Millisecond, 0.85*p.bytesPerSecond())
	f := atMost("85 % regained"+name, took.Seconds(), "s", 3, 3)
	if !ok {
		f.value, f.details = (in.to - in.from).Seconds(), "and not then"
	}
	return f
}

// besideCUBIC is scenario 5.
func besideCUBIC(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 50, rtt: 30 * time.Millisecond, queue: 375_000}
	leaves := b.last(32 * time.Second)
	base, err := b.aloneRate(ctx, p, "cubic", leaves)
	if err != nil {
		return nil, err
	}
	const apart = 1500 * time.Millisecond
	var all []figure
	for _, order := range []struct {
		name         string
		their, after time.Duration
	}{{", it first", 0, apart}, {", we first", apart, 0}} {
		flows := []flow{
			{kind: "cubic", port: theirs, after: order.their, runs: leaves - order.their},
			{kind: ebb, port: ours, after: order.after, runs: leaves + behind - order.after},
		}
		t, err := b.run(ctx, p, flows)
		if err != nil {
			return nil, err
		}
		all = append(all, kept(order.name, t, together(t, flows), p, theirs, base, 95, 90)...)
		all = append(all, regain(order.name, t, p, flows[0]))
	}
	return all, nil
}

// besideBBR is scenario 6.
func besideBBR(ctx context.Context, b bench) ([]figure, error) {
	var all []figure
	for _, rtt := range []time.Duration{20, 40, 100} {
		for _, queue := range []int{1, 4} {
			p := path{mbit: 50, rtt: rtt * time.Millisecond}
			p.queue = queue * p.bdp()
			// Two visits to ProbeRTT, which come every ten seconds, are enough.
			d := b.last(26 * time.Second)
			base, err := b.aloneRate(ctx, p, "bbr", d)
			if err != nil {
				return nil, err
			}
			flows := []flow{
				{kind: "bbr", port: theirs, runs: d},
				{kind: ebb, port: ours, after: 1500 * time.Millisecond, runs: d + behind},
			}
			t, err := b.run(ctx, p, flows)
			if err != nil {
				return nil, err
			}
			name := fmt.Sprintf(", %d ms, %d BDP", rtt, queue)
			all = append(all, kept(name, t, together(t, flows), p, theirs, base, 90, 90)...)
			all = append(all, regain(name, t, p, flows[0]))
		}
	}
	return all, nil
}

// shallow is scenario 7.
func shallow(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 16_000}
	d := b.last(24 * time.Second)
	s, in, err := b.oursAlone(ctx, p, d)
	if err != nil {
		return nil, err
	}
	all := []figure{atLeast("rate alone", percent(s.rate(in), p.bytesPerSecond()), "%", 80, 80)}
	base, err := b.aloneRate(ctx, p, "cubic", d)
	if err != nil {
		return nil, err
	}
	flows := []flow{
		{kind: "cubic", port: theirs, runs: d},
		{kind: ebb, port: ours, after: 1500 * time.Millisecond, runs: d},
	}
	t, err := b.run(ctx, p, flows)
	if err != nil {
		return nil, err
	}
	in = together(t, flows)
	return append(all,
		atLeast("keep", percent(t[theirs].rate(in), base), "%", 75, 75),
		shown("link used", percent(t.sum().rate(in), p.bytesPerSecond()), "%"),
	), nil
}

// latecomer is scenario 9.
func latecomer(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 256_000}
	d := b.last(50 * time.Second)
	var all []figure
	for _, apart := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond, min(10*time.Second, d/4)} {
		flows := []flow{
			{kind: ebb, port: ours, runs: d},
			{kind: ebb, port: ours + 1, after: apart, runs: d - apart},
		}
		t, err := b.run(ctx, p, flows)
		if err != nil {
			return nil, err
		}
		late := t[ours+1].start()
		in := span{late + min(20*time.Second, d/5), t[ours].start() + d}
		worst := 50.0
		for w := in.from; w+10*time.Second <= in.to; w += 10 * time.Second {
			one := span{w, w + 10*time.Second}
			share := percent(t[ours+1].rate(one), t.sum().rate(one))
			if (share-50)*(share-50) > (worst-50)*(worst-50) {
				worst = share
			}
		}
		name := fmt.Sprintf(", %v apart", apart)
		all = append(all,
			atMost("off an even split in the worst 10 s"+name, max(worst-50, 50-worst), "%", 5, 5),
			atLeast("Jain"+name, jain([]float64{t[ours].rate(in), t[ours+1].rate(in)}), "", 0.99, 0.99),
			shown("link used"+name, percent(t.sum().rate(in), p.bytesPerSecond()), "%"))
	}
	return all, nil
}

// many is scenario 11.
func many(ctx context.Context, b bench) ([]figure, error) {
	p := path{mbit: 50, rtt: 40 * time.Millisecond, queue: 500_000}
	d := b.last(32 * time.Second)
	base, err := b.aloneRate(ctx, p, "cubic", d)
	if err != nil {
		return nil, err
	}
	flows := []flow{{kind: "cubic", port: theirs, after: 1500 * time.Millisecond, runs: d}}
	for i := range 10 {
		flows = append(flows, flow{kind: ebb, port: ours + i, runs: d + 1500*time.Millisecond + behind})
	}
	t, err := b.run(ctx, p, flows)
	if err != nil {
		return nil, err
	}
	all := kept("", t, together(t, flows), p, theirs, base, 80, 70)
	return append(all, regain("", t, p, flows[0])), nil
}

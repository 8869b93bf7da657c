package kernel

import (
	"context"
	"time"
)

// talk is the port of a call.
const talk = 7101

// lowerEffort is scenario LE: what a queue for Lower Effort makes of ours beside a CUBIC and beside a call, and what FQ-CoDel does,
// which gives every flow its share whatever that asks for.
func lowerEffort(ctx context.Context, b bench) ([]figure, error) {
	bands, err := b.beside(ctx, "diffserv")
	if err != nil {
		return nil, err
	}
	fair, err := b.beside(ctx, "fq_codel")
	if err != nil {
		return nil, err
	}
	return []figure{
		atLeast("CUBIC keeps, bands", bands.keeps, "%", 95, 90),
		shown("link used beside it, bands", bands.used, "%"),
		atMost("the call's p99 rises, bands", bands.rises, "ms", 2, 2),
		atMost("the call's losses, bands", bands.lost, "packets", 0, 0),
		atLeast("the rest of the link is ours, bands", bands.rest, "%", 90, 85),
		shown("CUBIC keeps, FQ-CoDel", fair.keeps, "%"),
		shown("link used beside it, FQ-CoDel", fair.used, "%"),
		shown("the call's p99 rises, FQ-CoDel", fair.rises, "ms"),
		shown("the call's losses, FQ-CoDel", fair.lost, "packets"),
		shown("the rest of the link is ours, FQ-CoDel", fair.rest, "%"),
	}, nil
}

// beside is what ours leaves to others at a managed queue.
func (b bench) beside(ctx context.Context, aqm string) (r served, err error) {
	p := path{mbit: 20, rtt: 40 * time.Millisecond, queue: 500_000, aqm: aqm}
	d := b.last(30 * time.Second)
	base, err := b.aloneRate(ctx, p, "cubic", d)
	if err != nil {
		return r, err
	}
	flows := []flow{
		{kind: "cubic", port: theirs, runs: d},
		{kind: ebb, port: ours, after: 1500 * time.Millisecond, runs: d},
	}
	t, err := b.run(ctx, p, flows)
	if err != nil {
		return r, err
	}
	in := together(t, flows)
	r.keeps, r.used = percent(t[theirs].rate(in), base), percent(t.sum().rate(in), p.bytesPerSecond())

	alone := flow{kind: call, port: talk, runs: b.last(15 * time.Second)}
	if t, err = b.run(ctx, p, []flow{alone}); err != nil {
		return r, err
	}
	calm := t[talk].queues(together(t, []flow{alone}))
	flows = []flow{
		{kind: call, port: talk, runs: d},
		{kind: ebb, port: ours, after: 1500 * time.Millisecond, runs: d},
	}
	if t, err = b.run(ctx, p, flows); err != nil {
		return r, err
	}
	in = together(t, flows)
	r.rises = ms(quantile(t[talk].queues(in), 0.99) - quantile(calm, 0.99))
	r.lost = float64(t[talk].drops(span{0, in.to}))
	r.rest = percent(t[ours].rate(in), p.bytesPerSecond()-t[talk].rate(in))
	return r, nil
}

// served is what ours has left to others, and taken itself.
type served struct {
	keeps float64 // by a CUBIC, percent of what it has alone
	used  float64 // of the link by both, percent
	rises float64 // the p99 of a call's queueing delay, ms
	lost  float64 // packets of the call
	rest  float64 // of what the call leaves, percent
}

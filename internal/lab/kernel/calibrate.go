package kernel

import (
	"context"
	"fmt"
	"time"
)

// How far a controller of Ebb's may be from the kernel's of the same name, in percent of that.
const (
	rateTolerance  = 10
	queueTolerance = 25
)

// calibrations compare Ebb's Reno, CUBIC and BBR with the kernel's over real packets: each alone in a deep buffer, on
// a faster link and in a shallow buffer, and two together in the first two; and BBR where packets are lost.
func calibrations() []scenario {
	deep := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 256_000}
	fast := path{mbit: 50, rtt: 30 * time.Millisecond, queue: 375_000}
	low := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 16_000}
	var all []scenario
	for _, kind := range []string{"reno", "cubic", "bbr"} {
		for _, p := range []path{deep, fast, low} {
			all = append(all, calibration(kind, p, 1))
		}
		for _, p := range []path{deep, fast} {
			all = append(all, calibration("two "+kind, p, 2))
		}
	}
	// Random loss leaves the other two so little that only runs of minutes would tell how much.
	return append(all, calibration("bbr", path{mbit: 50, rtt: 50 * time.Millisecond, queue: 312_000, loss: 0.05}, 1))
}

// calibration compares flows of one kind, which the name ends with.
func calibration(name string, p path, n int) scenario {
	var kind string
	fmt.Sscanf(name, "two %s", &kind)
	if n == 1 {
		kind = name
	}
	return scenario{name: name + ", " + p.text(), about: "Ebb's and the kernel's, real packets", run: func(ctx context.Context, b bench) ([]figure, error) {
		d := b.last(40 * time.Second)
		var theirFlows, ourFlows []flow
		for i := range n {
			// Two start together: who is first is not what is compared.
			after := time.Duration(i) * 500 * time.Millisecond
			theirFlows = append(theirFlows, flow{kind: kind, port: theirs + i, after: after, runs: d})
			ourFlows = append(ourFlows, flow{kind: ebb, control: kind, port: ours + i, after: after, runs: d})
		}
		kernel, err := b.run(ctx, p, theirFlows)
		if err != nil {
			return nil, err
		}
		product, err := b.run(ctx, p, ourFlows)
		if err != nil {
			return nil, err
		}
		return compare(measure(product, ourFlows), measure(kernel, theirFlows), measure(model(1, p, theirFlows), theirFlows), p, n), nil
	}}
}

// text names a path.
func (p path) text() string {
	text := fmt.Sprintf("%g Mbit/s, %d ms, %d KB", p.mbit, p.rtt.Milliseconds(), p.queue/1000)
	if p.loss > 0 {
		text += fmt.Sprintf(", %g %% lost", 100*p.loss)
	}
	return text
}

// measures are what is compared of a run.
type measures struct {
	rate  float64 // Mbit/s through the bottleneck, all flows
	loss  float64 // % of the packets offered
	queue float64 // ms, mean of the intervals
	share float64 // % that the flow with more has, if there are several
}

// measure takes the figures from a trace.
func measure(t trace, flows []flow) measures {
	in := together(t, flows)
	sum := t.sum()
	m := measures{rate: sum.rate(in) * 8 / 1e6}
	packets := sum.rate(in) * (in.to - in.from).Seconds() / fullPacket
	drops := float64(sum.drops(in))
	m.loss = percent(drops, drops+packets)
	waits := sum.queues(in)
	for _, w := range waits {
		m.queue += ms(w) / float64(len(waits))
	}
	for _, f := range flows {
		m.share = max(m.share, percent(t[f.port].rate(in), sum.rate(in)))
	}
	return m
}

// compare lists Ebb's measures on a path beside the kernel's, and those of what simulations compete with.
func compare(product, kernel, simulated measures, p path, flows int) []figure {
	queue := closeTo("queue, of the kernel's", product.queue, kernel.queue, queueTolerance)
	if p.loss > 0 {
		queue.kind, queue.bar = noBar, 0 // there is hardly one
	}
	all := []figure{
		closeTo("rate, of the kernel's", product.rate, kernel.rate, rateTolerance), queue,
		shown("kernel's rate", kernel.rate, "Mbit/s"),
		shown("kernel's queue, mean", kernel.queue, "ms"),
		shown("kernel's loss", kernel.loss, "%"),
		shown("loss", product.loss, "%"),
		shown("simulated rate, of the kernel's", ratio(simulated.rate, kernel.rate), "%"),
		shown("simulated queue, of the kernel's", ratio(simulated.queue, kernel.queue), "%"),
	}
	if flows > 1 {
		all = append(all, shown("kernel's larger share", kernel.share, "%"), shown("larger share", product.share, "%"))
	}
	return all
}

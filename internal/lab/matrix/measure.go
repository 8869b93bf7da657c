package matrix

import (
	"slices"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// sent is what the sender's engine counts.
func (f *flow) sent() engine.Stats { return f.sender.Conn.Info().Stats }

// cost is the bytes on the link for each byte of the stream.
func (f *flow) cost() float64 {
	s := f.sent()
	if s.StreamBytesSent == 0 {
		return 1
	}
	return float64(s.BytesSent+simnet.DefaultOverhead*s.PacketsSent) / float64(s.StreamBytesSent)
}

// goodput is a flow's between two times, in bit/s of the link.
func (f *flow) goodput(from, to time.Duration) float64 {
	n := f.delivered[to/flowStep] - f.delivered[from/flowStep]
	return float64(n) * 8 * f.cost() / (to - from).Seconds()
}

// share is goodput in percent of the path's rate.
func (f *flow) share(from, to time.Duration) float64 {
	return 100 * f.goodput(from, to) / float64(f.lab.path.rate)
}

// used is how much of the bottleneck's time something passed it, in percent.
func (l *lab) used(from, to time.Duration) float64 {
	n := l.passed[to/flowStep] - l.passed[from/flowStep]
	return 100 * float64(n) * 8 / (float64(l.path.rate) * (to - from).Seconds())
}

// queueAt is a percentile of the queue between two times, in ms.
func (l *lab) queueAt(percent float64, from, to time.Duration) float64 {
	return percentile(percent, slices.Clone(l.queue[from/queueStep:to/queueStep])) / 1000
}

// percentile is the value that at most that many percent of the values are below; it sorts them.
func percentile[T uint32 | float64](percent float64, values []T) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return float64(values[min(int(percent/100*float64(len(values))), len(values)-1)])
}

// reaches is how long after a time the flow has had, over a window, the given goodput in bit/s for
// the first time: from the time to the end of the window. If it never has, it is the time there was.
func (f *flow) reaches(from time.Duration, goodput float64, window time.Duration) time.Duration {
	from = from.Truncate(flowStep)
	end := time.Duration(len(f.delivered)-1) * flowStep
	for t := from + window; t <= end; t += flowStep {
		if f.goodput(t-window, t) >= goodput {
			return t - from
		}
	}
	return end - from
}

// jain is the fairness index of rates: 1 if all are equal, 1/n if one has everything.
func jain(rates []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, r := range rates {
		sum += r
		squares += r * r
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(rates)) * squares)
}

// rates are the flows' goodputs between two times.
func rates(flows []*flow, from, to time.Duration) []float64 {
	var all []float64
	for _, f := range flows {
		all = append(all, f.goodput(from, to))
	}
	return all
}

// retransmitted is the part of a flow's stream bytes that were sent again, in percent.
func (f *flow) retransmitted() float64 {
	s := f.sent()
	return 100 * float64(s.BytesRetransmitted) / max(1, float64(s.StreamBytesSent))
}

// lost is the part of a flow's packets that were declared lost and did not turn up, in percent.
func (f *flow) lost() float64 {
	s := f.sent()
	return 100 * float64(s.PacketsLost-s.SpuriousLosses) / max(1, float64(s.PacketsSent))
}

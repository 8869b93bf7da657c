package kernel

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the width of an interval in netlab's series.
const tick = 100 * time.Millisecond

// row is what one flow did in one interval.
type row struct {
	at    time.Duration // end of the interval, since netlab began
	bytes float64       // IP bytes that the queue took
	queue time.Duration // mean wait of its packets; negative: there were none
	drops int
}

// series is the rows of one flow, in order.
type series []row

// trace is what a run left behind: the flows from A to B by their destination port.
type trace map[int]series

// readTrace parses netlab's CSV. Flows from B to A are left out; flows to one port are one flow.
func readTrace(r io.Reader) (trace, error) {
	t := make(trace)
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			continue
		}
		port, v, err := parseRow(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d of netlab's series: %w", n, err)
		}
		if port == 0 {
			continue
		}
		s := t[port]
		if k := len(s); k > 0 && s[k-1].at == v.at {
			s[k-1].add(v)
		} else {
			s = append(s, v)
		}
		t[port] = s
	}
	return t, lines.Err()
}

// add joins the same interval of another flow to the port.
func (r *row) add(o row) {
	switch {
	case r.queue < 0:
		r.queue = o.queue
	case o.queue >= 0 && r.bytes+o.bytes > 0:
		r.queue = time.Duration((float64(r.queue)*r.bytes + float64(o.queue)*o.bytes) / (r.bytes + o.bytes))
	}
	r.bytes += o.bytes
	r.drops += o.drops
}

// parseRow takes "0.6,a>b tcp 39996>5001,2.169,3.65,0" apart. The port is 0 if the flow is not
// one from A to B.
func parseRow(line string) (port int, r row, err error) {
	f := strings.Split(line, ",")
	if len(f) != 5 {
		return 0, r, fmt.Errorf("%q has %d fields, want 5", line, len(f))
	}
	var values [3]float64
	for i, text := range []string{f[0], f[2], f[3]} {
		if values[i], err = strconv.ParseFloat(text, 64); err != nil {
			return 0, r, fmt.Errorf("%q: %w", line, err)
		}
	}
	if r.drops, err = strconv.Atoi(f[4]); err != nil {
		return 0, r, fmt.Errorf("%q: %w", line, err)
	}
	r.at = time.Duration(math.Round(values[0]*10)) * tick
	r.bytes = values[1] * 1e6 / 8 * tick.Seconds()
	r.queue = -1
	if !math.IsNaN(values[2]) {
		r.queue = time.Duration(values[2] * float64(time.Millisecond))
	}
	dir, rest, _ := strings.Cut(f[1], " ")
	_, to, ok := strings.Cut(rest, ">")
	if dir != "a>b" || !ok {
		return 0, r, nil
	}
	if port, err = strconv.Atoi(to); err != nil {
		return 0, r, fmt.Errorf("%q: the port: %w", line, err)
	}
	return port, r, nil
}

// span is a stretch of a run: intervals that end after from and not after to.
type span struct{ from, to time.Duration }

func (s span) has(at time.Duration) bool { return at > s.from && at <= s.to }

// start is when a flow's first interval began.
func (s series) start() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[0].at - tick
}

// rate is the mean in bytes per second over a span.
func (s series) rate(in span) float64 {
	var sum float64
	for _, r := range s {
		if in.has(r.at) {
			sum += r.bytes
		}
	}
	return sum / max(in.to-in.from, tick).Seconds()
}

// drops is the number of packets lost in a span.
func (s series) drops(in span) int {
	n := 0
	for _, r := range s {
		if in.has(r.at) {
			n += r.drops
		}
	}
	return n
}

// queues are the waits of a span's intervals, in order of size.
func (s series) queues(in span) []time.Duration {
	var q []time.Duration
	for _, r := range s {
		if in.has(r.at) && r.queue >= 0 {
			q = append(q, r.queue)
		}
	}
	slices.Sort(q)
	return q
}

// quantile of sorted values, by the nearest rank; 0 of none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// reaches is how long after from the mean over the given width first is at least the rate in bytes
// per second, or false if it never is within the span.
func (s series) reaches(in span, width time.Duration, rate float64) (time.Duration, bool) {
	for _, r := range s {
		if w := (span{r.at - width, r.at}); w.from >= in.from && in.has(r.at) && s.rate(w) >= rate {
			return r.at - in.from, true
		}
	}
	return 0, false
}

// sum adds flows up, interval by interval.
func (t trace) sum() series {
	at := make(map[time.Duration]row)
	for _, s := range t {
		for _, r := range s {
			v, ok := at[r.at]
			if ok {
				v.add(r)
			} else {
				v = r
			}
			at[r.at] = v
		}
	}
	var all series
	for _, r := range at {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b row) int { return int(a.at - b.at) })
	return all
}

// jain is Jain's index of fairness: 1 if all are equal, 1/n if one has all.
func jain(rates []float64) float64 {
	var sum, squares float64
	for _, r := range rates {
		sum += r
		squares += r * r
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(rates)) * squares)
}

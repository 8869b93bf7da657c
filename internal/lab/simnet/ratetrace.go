package simnet

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// opportunity is how many bytes a line of a trace is worth.
const opportunity = 1500

// Trace is a recorded rate in mahimahi's format: times, in whole milliseconds, at which the link can carry 1500 bytes.
// What a millisecond offers may be used by all that is there in it, and is lost afterwards. A packet that is longer
// than what is left of it goes on in the next. At its end a trace begins again. A Trace does not change.
type Trace struct {
	slots  []traceSlot
	period time.Duration
	total  int64 // bytes
}

// traceSlot is a millisecond with opportunities.
type traceSlot struct {
	at    time.Duration
	bytes int
}

// ParseTrace reads a trace: one time a line, none before the one above it; a repeated time offers as much again.
// Empty lines do not count. The error names the line.
func ParseTrace(r io.Reader) (*Trace, error) {
	t := new(Trace)
	lines := bufio.NewScanner(r)
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		at, err := strconv.ParseInt(text, 10, 32)
		if err != nil || at < 0 {
			return nil, fmt.Errorf("simnet: trace, line %d: %.40q is no time in milliseconds", n, text)
		}
		if last := t.period; !t.add(time.Duration(at) * time.Millisecond) {
			return nil, fmt.Errorf("simnet: trace, line %d: %d ms after %d ms", n, at, last.Milliseconds())
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("simnet: trace, line %d: %w", n+1, err)
	}
	if t.period == 0 {
		return nil, fmt.Errorf("simnet: trace, line %d: it ends at 0 ms", n)
	}
	return t, nil
}

// add adds an opportunity, and reports whether it is not before the last.
func (t *Trace) add(at time.Duration) bool {
	switch {
	case at < t.period:
		return false
	case len(t.slots) > 0 && at == t.period:
		t.slots[len(t.slots)-1].bytes += opportunity
	default:
		t.slots = append(t.slots, traceSlot{at, opportunity})
	}
	t.period = at
	t.total += opportunity
	return true
}

// Length is how long the trace lasts before it begins again.
func (t *Trace) Length() time.Duration { return t.period }

// Mean is the mean rate in bytes a second.
func (t *Trace) Mean() int64 { return int64(float64(t.total) / t.period.Seconds()) }

// Pause is the longest time without an opportunity.
func (t *Trace) Pause() time.Duration {
	longest, last := time.Duration(0), time.Duration(0)
	for _, s := range t.slots {
		longest, last = max(longest, s.at-last), s.at
	}
	return longest
}

// From is the trace as the Schedule of a link: when the link begins, start of the trace has passed.
func (t *Trace) From(start time.Duration) Schedule { return traceFrom{t, start} }

type traceFrom struct {
	trace *Trace
	start time.Duration
}

func (f traceFrom) begin(now time.Duration, _ dice) playing {
	p := &tracePlaying{Trace: f.trace, lap: now - f.start%f.trace.period}
	for p.next < len(p.slots) && p.lap+p.slots[p.next].at < now {
		p.next++
	}
	p.advance()
	return p
}

type tracePlaying struct {
	*Trace
	next   int           // the slot after the present one
	lap    time.Duration // when the trace last began
	moment time.Duration // of the present slot
	credit int           // bytes left in it
}

func (p *tracePlaying) advance() {
	if p.next == len(p.slots) {
		p.next, p.lap = 0, p.lap+p.period
	}
	s := p.slots[p.next]
	p.next++
	p.moment, p.credit = p.lap+s.at, s.bytes
}

func (p *tracePlaying) ready(now time.Duration, _ int64) time.Duration {
	for p.credit == 0 || now >= p.moment+time.Millisecond {
		p.advance()
	}
	return max(now, p.moment)
}

func (p *tracePlaying) send(at time.Duration, size int) time.Duration {
	for size > p.credit {
		size -= p.credit
		p.advance()
		at = p.moment
	}
	p.credit -= size
	return at
}

func (p *tracePlaying) late() time.Duration { return 0 }

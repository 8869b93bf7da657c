package ledbat

import (
	"slices"
	"time"
)

const (
	// recentSamples is how many samples are asked whether the path has become shorter, and
	// enoughSamples how many of them have to say so (A18).
	recentSamples = 8
	enoughSamples = 5
)

// sample is the delays of one packet.
type sample struct {
	rtt, oneWay time.Duration
	hasOneWay   bool
}

// recentDelays is the last samples, of packets that did not overtake others. It has them in
// microseconds, because every idle connection keeps them. One-way delays wrap; their differences
// to the base do not.
type recentDelays struct {
	rtts    [recentSamples]uint32
	oneWays [recentSamples]uint32
	next    uint8
	count   uint8
}

func (r *recentDelays) add(s sample) {
	r.rtts[r.next], r.oneWays[r.next] = uint32(s.rtt/time.Microsecond), uint32(s.oneWay/time.Microsecond)
	r.next = (r.next + 1) % recentSamples
	r.count = min(r.count+1, recentSamples)
}

// most is the delays that most of the recent samples do not exceed (A18). It is the given
// base if they exceed that, or are too few.
func (r *recentDelays) most(base sample) sample {
	if r.count < enoughSamples {
		return base
	}
	typical := r.typical(base)
	base.rtt, base.oneWay = min(base.rtt, typical.rtt), min(base.oneWay, typical.oneWay)
	return base
}

// typical is the delays that enoughSamples of the recent samples, which are that many or more, do not exceed. One-way delays are
// near the given one.
func (r *recentDelays) typical(near sample) sample {
	var rtts, oneWays [recentSamples]int64
	for i := range r.count {
		rtts[i] = int64(r.rtts[i]) - int64(near.rtt/time.Microsecond)
		oneWays[i] = int64(int32(r.oneWays[i] - uint32(near.oneWay/time.Microsecond)))
	}
	near.rtt += time.Duration(enough(rtts[:r.count])) * time.Microsecond
	near.oneWay += time.Duration(enough(oneWays[:r.count])) * time.Microsecond
	return near
}

// least is the lowest round trip of the recent samples.
func (r *recentDelays) least() time.Duration {
	return time.Duration(slices.Min(r.rtts[:r.count])) * time.Microsecond
}

// enough is what enoughSamples of the given numbers do not exceed. It sorts the lowest to the front.
func enough(numbers []int64) int64 {
	for i := range enoughSamples {
		for j := i + 1; j < len(numbers); j++ {
			if numbers[j] < numbers[i] {
				numbers[i], numbers[j] = numbers[j], numbers[i]
			}
		}
	}
	return numbers[enoughSamples-1]
}

// minima is the least that was seen in some time, from which a base can be made.
type minima struct {
	seen      bool
	hasOneWay bool
	queue     time.Duration
	rtt       time.Duration
	oneWay    time.Duration
}

func (m *minima) add(queue, rtt, oneWay time.Duration, hasOneWay bool) {
	if !m.seen || rtt < m.rtt {
		m.rtt = rtt
	}
	if !m.seen || queue < m.queue {
		m.queue = queue
	}
	if hasOneWay && (!m.hasOneWay || oneWay < m.oneWay) {
		m.oneWay, m.hasOneWay = oneWay, true
	}
	m.seen = true
}

// merge adds what another time has shown.
func (m *minima) merge(o minima) {
	if o.seen {
		m.add(o.queue, o.rtt, o.oneWay, o.hasOneWay)
	}
}

// look is what samples with little in flight have shown: of each delay the second lowest, if
// there are two samples (A13). A single one may be of a packet that was early.
type look struct {
	queue, rtt, oneWay time.Duration // the lowest
	found              minima
	more               bool // than one sample
}

func (l *look) add(queue time.Duration, s sample) {
	if !l.found.seen || !l.more {
		l.more = l.found.seen
		if !l.more {
			l.queue, l.rtt, l.oneWay = queue, s.rtt, s.oneWay
		}
		l.found = minima{true, s.hasOneWay, queue, s.rtt, s.oneWay}
	}
	if !l.more {
		return
	}
	secondLowest(&l.queue, &l.found.queue, queue)
	secondLowest(&l.rtt, &l.found.rtt, s.rtt)
	if s.hasOneWay {
		secondLowest(&l.oneWay, &l.found.oneWay, s.oneWay)
	}
}

// secondLowest puts a delay in its place among the two lowest.
func secondLowest(lowest, second *time.Duration, d time.Duration) {
	if d < *lowest {
		*second, *lowest = *lowest, d
	} else {
		*second = min(*second, d)
	}
}

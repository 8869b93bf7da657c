package simnet

import (
	"math"
	"time"
)

// Schedule says when a bottleneck may send. The link asks it anew from the time at which it begins. Aggregates,
// Grants, Rates and what Trace.From returns are the schedules there are; each can be shared by links, and each link
// plays its own.
type Schedule interface {
	begin(now time.Duration, d dice) playing
}

// playing is a Schedule on one link. Of two calls the later has the later time.
type playing interface {
	// ready is the first moment from now on at which the link can take a packet. What went unused before is lost.
	ready(now time.Duration, rate int64) time.Duration
	// send takes a packet at a moment that ready returned, and says when its last bit has left.
	send(at time.Duration, size int) time.Duration
	// late is how much later than others arrives what is sent at the moment that ready returned.
	late() time.Duration
}

// Aggregates is a link on which packets leave only at multiples of Every, each moment late by up to a quarter of
// it as by contention: all that wait, up to Most bytes at a time, as with Wi-Fi. The mean stays the link's Rate: what
// a packet exceeds a burst by is taken from the next.
type Aggregates struct {
	Every time.Duration // above 0
	// Most is the largest burst in bytes. Above what the rate carries in Every, unused time is made up for, up to
	// Most; below it, it limits the rate. 0: what the rate carries in Every.
	Most int
}

// Grants is a mobile link's scheduler: it lets all that wait leave at moments that are from Least to Most apart,
// uniformly, each time as many bytes as the link's Rate carries in the time since the last; unused they are lost. What
// leaves together is a block. A block that fails is repeated Step later, and again, and nothing overtakes it.
type Grants struct {
	Least, Most time.Duration // 0, 0: 1 and 10 ms
	Fail        float64       // of every transmission of a block
	Step        time.Duration // 0: 8 ms
}

// maxRepeats is how often a block is repeated before it arrives whatever Fail says.
const maxRepeats = 4

// Rates is a link whose rate changes at regular times, from one step to the next and from the last to the first.
// LinkConfig.Rate does not count.
type Rates struct {
	Every time.Duration // above 0
	Steps []int64       // bytes a second, each above 0
}

// credit is bytes that may leave, times 1e9: so that a rate times nanoseconds is exact.
type credit int64

const creditByte credit = 1e9

// unlimited is the credit of a link without a rate.
const unlimited credit = math.MaxInt64 / 2

// earned is what a rate is worth in a time.
func earned(rate int64, d time.Duration) credit {
	if rate <= 0 || int64(d) > int64(unlimited)/rate {
		return unlimited
	}
	return credit(rate * int64(d))
}

// opening is the moment at which packets leave together, and how much more may leave then.
type opening struct {
	moment time.Duration
	left   credit
}

func (b *opening) send(at time.Duration, size int) time.Duration {
	b.left -= credit(size) * creditByte
	return at
}

type aggregating struct {
	Aggregates
	opening
	dice dice
	slot int
}

func (a Aggregates) begin(now time.Duration, d dice) playing {
	if a.Every <= 0 {
		panic("BUG: aggregates without a time")
	}
	return &aggregating{Aggregates: a, dice: d, slot: int(now / a.Every), opening: opening{moment: -1}}
}

func (a *aggregating) ready(now time.Duration, rate int64) time.Duration {
	for a.left <= 0 || a.moment < now {
		a.slot++
		a.moment = time.Duration(a.slot)*a.Every + a.dice.upTo(rollSlot, a.slot, a.Every/4+1)
		gain := earned(rate, a.Every)
		most := gain
		if a.Most > 0 {
			most = credit(a.Most) * creditByte
		}
		a.left = min(a.left+gain, most)
	}
	return a.moment
}

func (a *aggregating) late() time.Duration { return 0 }

type granting struct {
	Grants
	opening
	dice  dice
	grant int
}

func (g Grants) begin(now time.Duration, d dice) playing {
	if g.Least == 0 && g.Most == 0 {
		g.Least, g.Most = time.Millisecond, 10*time.Millisecond
	}
	if g.Step == 0 {
		g.Step = 8 * time.Millisecond
	}
	if g.Least <= 0 || g.Most < g.Least || g.Step < 0 {
		panic("BUG: grants that do not go on")
	}
	return &granting{Grants: g, dice: d, opening: opening{moment: now}}
}

func (g *granting) ready(now time.Duration, rate int64) time.Duration {
	for g.left <= 0 || g.moment < now {
		g.grant++
		apart := g.Least + g.dice.upTo(rollSlot, g.grant, g.Most-g.Least+1)
		g.moment += apart
		g.left = min(g.left, 0) + earned(rate, apart)
	}
	return g.moment
}

func (g *granting) late() time.Duration {
	n := 0
	for n < maxRepeats && g.dice.chance(rollRepeat, g.grant*maxRepeats+n, g.Fail) {
		n++
	}
	return time.Duration(n) * g.Step
}

type stepping struct {
	*Rates
	free time.Duration // when the wire is free, rounded up
	part credit        // what it has sent by then of the packet to come: rounding does not add up
}

func (r *Rates) begin(now time.Duration, _ dice) playing {
	if r.Every <= 0 || len(r.Steps) == 0 {
		panic("BUG: rates without a step")
	}
	for _, rate := range r.Steps {
		if rate <= 0 {
			panic("BUG: a rate of nothing")
		}
	}
	return &stepping{Rates: r, free: now}
}

// Mean is the mean rate in bytes a second.
func (r *Rates) Mean() int64 {
	sum := int64(0)
	for _, rate := range r.Steps {
		sum += rate
	}
	return sum / int64(len(r.Steps))
}

func (r *stepping) ready(now time.Duration, _ int64) time.Duration {
	if now > r.free {
		r.free, r.part = now, 0
	}
	return r.free
}

func (r *stepping) send(at time.Duration, size int) time.Duration {
	need := credit(size)*creditByte - r.part
	for {
		step := int(at / r.Every)
		rate, end := r.Steps[step%len(r.Steps)], time.Duration(step+1)*r.Every
		if gain := earned(rate, end-at); gain < need {
			need -= gain
			at = end
			continue
		}
		whole := time.Duration((int64(need) + rate - 1) / rate)
		r.free, r.part = at+whole, credit(int64(whole)*rate)-need
		return r.free
	}
}

func (r *stepping) late() time.Duration { return 0 }

// schedulePlay is a bottleneck with a Schedule, and what waits at it.
type schedulePlay struct {
	playing               // nil: there is no Schedule
	taken   time.Duration // when the last packet began to leave

	waiting []scheduled // by the time at which they begin to leave
	head    int
	bytes   int
}

type scheduled struct {
	at   time.Duration
	size int
}

// begin begins a Schedule, or none. What waits goes on waiting until its time.
func (p *schedulePlay) begin(now time.Duration, s Schedule, d dice) {
	p.playing = nil
	if s != nil {
		p.playing, p.taken = s.begin(now, d), max(p.taken, now)
	}
}

// next is when what comes now begins to leave.
func (p *schedulePlay) next(now time.Duration, rate int64) time.Duration {
	return p.ready(max(now, p.taken), rate)
}

// send takes a packet and says when it begins to leave, when it has left, and how late it arrives.
func (p *schedulePlay) send(now time.Duration, size int, rate int64) (began, left, late time.Duration) {
	began = p.next(now, rate)
	late = p.late()
	left = p.playing.send(began, size)
	p.taken = began
	if began > now {
		p.waiting = append(p.waiting, scheduled{began, size})
		p.bytes += size
	}
	return began, left, late
}

// queued is how many bytes wait. What has begun to leave does not.
func (p *schedulePlay) queued(now time.Duration) int {
	for p.head < len(p.waiting) && p.waiting[p.head].at <= now {
		p.bytes -= p.waiting[p.head].size
		p.head++
	}
	if 2*p.head >= len(p.waiting) {
		n := copy(p.waiting, p.waiting[p.head:])
		p.waiting, p.head = p.waiting[:n], 0
	}
	return p.bytes
}

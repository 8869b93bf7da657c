package ledbat

import (
	"math/bits"
	"slices"
	"time"
)

const (
	// jitterRounds is how many rounds must all show a jitter, with jitterSamples
	// samples each (A8). A few samples of one round may all be of the same clump.
	jitterRounds  = 8
	jitterSamples = 24
	maxJitter     = 7 * time.Millisecond // A8

	// burstRise is by how much the queue must rise from one sample to the next to say that packets
	// wait for each other in clumps (A19): two packets of 10 Mbit/s are 2.4 ms.
	burstRise = 4 * time.Millisecond
	// noisyRounds is for how many rounds a path counts as noisy (A18).
	noisyRounds = 8
	// noisyBaseSamples is how many samples in a row must be near the base where the path is noisy
	// to say that it is true (A12).
	noisyBaseSamples = 3

	// A round with a queue of more than othersTargets T0 and J says that somebody is there who does not yield, for othersRounds (A22). Flows of
	// this kind leave such a queue only when one of them begins. Who begins does not know who is there.
	othersTargets = 3
	othersRounds  = 70
	// eveningPackets is how many more packets' time the target has among flows of this kind, at most J, and eveningShare the part of J that
	// this must exceed (A22), so that one flow alone on 50 Mbit/s has the queue that it would have without.
	eveningPackets = 8
	eveningShare   = 4
)

// noise is how much delays vary of themselves.
type noise struct {
	jitter     jitter
	riseBefore time.Duration // the largest rise of the round before
	steps      steps
	rounds     uint8 // for which the path counts as noisy still
	near       uint8 // samples in a row near the base
	others     uint8 // rounds for which somebody who does not yield still counts as there (A22)
}

func newNoise() noise { return noise{others: othersRounds} }

// endRound takes a round of congestion avoidance, and the least queue of the one before. target is T0.
func (n *noise) endRound(r *round, before, target time.Duration) {
	n.jitter.add(r)
	if r.samples > 0 {
		n.steps.add(r.least - before)
	}
	switch {
	case n.jitter.allowed(target) > 0 || n.rise(r) > 0:
		n.rounds = noisyRounds
	case n.rounds > 0:
		n.rounds--
	}
}

// lookForOthers takes a round of any stage. target is T0.
func (n *noise) lookForOthers(r *round, target time.Duration) {
	switch {
	case r.samples > 0 && r.least > othersTargets*target+n.jitter.allowed(target):
		n.others = othersRounds
	case n.others > 0:
		n.others--
	}
}

// noisy says whether delays vary of themselves (A18).
func (n *noise) noisy() bool { return n.rounds > 0 }

// rise is P (A19): the most by which the queue rose from one sample to the next in this round
// and the last, or 0 if that is little.
func (n *noise) rise(r *round) time.Duration {
	if rise := max(r.rise, n.riseBefore); rise > burstRise {
		return rise
	}
	return 0
}

// unclumped says whether delays vary, but not because packets arrive in clumps: P does not say by how much.
func (n *noise) unclumped(r *round) bool { return n.noisy() && n.rise(r) == 0 }

// nearBase counts a sample as near the base or not, and says whether the base is in sight
// (A12): where delays vary, one sample says little.
func (n *noise) nearBase(near, overtook bool) bool {
	switch {
	case !near:
		n.near = 0
	case !overtook:
		n.near = min(n.near+1, noisyBaseSamples)
	}
	return n.near >= noisyBaseSamples || n.near > 0 && !n.noisy()
}

// jitter is how much delays vary within a round whatever the queue does: the least
// range of the last rounds (A8). The queue of another flow varies too, but not in each
// of so many rounds.
type jitter struct {
	ranges [jitterRounds]uint32 // in microseconds
	least  time.Duration

	low, high, rise uint32 // of rounds that had too few samples, put together; likewise
	samples         int32  // of those
	next            uint8
	clumps          uint8 // a bit for each of the last ranges: 1 if most of it was one rise (A23)
}

// add takes a round. Rounds with few samples are put together until they have enough, or a
// small window would see no jitter.
func (j *jitter) add(r *round) {
	if r.samples == 0 {
		return
	}
	low, high, rise := uint32(r.least/time.Microsecond), uint32(r.most/time.Microsecond), uint32(r.rise/time.Microsecond)
	if j.samples == 0 {
		j.low, j.high, j.rise = low, high, 0
	}
	j.low, j.high, j.rise = min(j.low, low), max(j.high, high), max(j.rise, rise)
	if j.samples += int32(r.samples); j.samples < jitterSamples {
		return
	}
	j.ranges[j.next] = j.high - j.low
	j.clumps <<= 1
	if 4*j.rise >= clumpShare*(j.high-j.low) {
		j.clumps |= 1
	}
	j.samples = 0
	j.next = (j.next + 1) % jitterRounds
	j.least = time.Duration(slices.Min(j.ranges[:])) * time.Microsecond
}

// allowed is J, the queue that is allowed for jitter (A8). Up to half of the target, T0, a range is what the
// flow's own bursts make.
func (j *jitter) allowed(target time.Duration) time.Duration {
	return min(max(0, 2*j.least-target), maxJitter)
}

// clumped says whether most of the last ranges were mostly one rise (A23).
func (j *jitter) clumped() bool { return bits.OnesCount8(j.clumps) >= clumpRanges }

// evening is what the target has besides the time of one packet, so that flows that yield share a noisy path evenly (A22). What they see of its
// queue differs by a millisecond or two: the bases do, and who sends little sees fewer moments without a queue. A little jitter is what the bursts of
// flows with other round trips make, and is different for each of them. Short clumps differ still less.
func (c *adaptive) evening(packet time.Duration) time.Duration {
	jitter := c.jitterTime()
	more := max(0, min(eveningPackets*packet, jitter)-jitter/eveningShare) * jitter / maxJitter
	if c.clumped() {
		more = more * jitter / maxJitter
	}
	return more
}

package engine

import (
	"math"
	"time"
)

const (
	// trainTrials is how many trials in a row must be lost as wholes, with single packets of the same size
	// passing around them, before trains themselves are taken to be the cause.
	trainTrials = 8
	// trainRetry is after what time trains that were found to vanish are tried again.
	trainRetry = 10 * time.Minute
	// trainFollowers is how many single packets the window must have room for behind a trial.
	trainFollowers = 3
)

// trainPhase is what is known of trains of several packets on the path.
type trainPhase uint8

const (
	trainsPass      trainPhase = iota // as far as is known
	trainsSuspected                   // they are short, but for a trial now and then
	trainsVanish                      // they are short
)

// trainState watches for a path that loses every train from some size on and carries smaller ones, or single
// packets: segmentation offload that a driver or a router gets wrong without refusing it.
//
// A train lost whole, of which a smaller one or a single packet that left later has arrived, is enough for
// a suspicion, as that costs nothing but work of our own: on the path, packets that leave alone at once
// are the same. From then on packets leave alone, and a train of two is tried, once a round trip; then of twice as
// many, until one of the size that was lost has arrived.
type trainState struct {
	phase trainPhase
	lost  int8   // trials in a row that were lost as wholes
	limit uint16 // packets that a train may have, unless it is a trial or they pass
	size  uint16 // packets of the train that was lost: if as many arrive, it was bad luck

	least uint16 // packets of the smallest train lost since one as large was acknowledged; 0: none
	run   int32  // packets of these trains

	trialSize uint16 // packets of the trial under way
	trialLost uint16 // of them, lost
	trial     uint64 // number of the first
	trialEnd  uint64 // and the one behind the last; 0: there is none

	again time.Duration // when trains that vanish are tried again
}

// known has trains vanish until a time, as another connection has found.
func (t *trainState) known(until time.Duration) {
	*t = trainState{phase: trainsVanish, limit: 1, size: 2, again: until}
}

// begin is how many packets the next train may have. natural is how many it would have, and steady that it may
// be a trial.
func (t *trainState) begin(now time.Duration, natural int, steady bool) int {
	if t.phase == trainsVanish && now >= t.again {
		t.phase, t.lost = trainsSuspected, trainTrials-1 // one more decides
	}
	if t.phase == trainsSuspected && steady && t.trialEnd == 0 {
		return max(int(t.limit), min(natural, 2*int(t.limit)))
	}
	return int(t.limit)
}

// sent notes that n packets left as a train, with the numbers from first up to next.
func (t *trainState) sent(n int, first, next uint64) {
	if t.phase == trainsSuspected && n > int(t.limit) {
		t.trial, t.trialEnd, t.trialSize, t.trialLost = first, next, uint16(n), 0
	}
}

// trying reports whether the packet is of the trial under way: that it is lost is no sign of anything else.
func (t *trainState) trying(n uint64) bool { return n >= t.trial && n < t.trialEnd }

// deliver notes the ACK of packet n.
func (t *trainState) deliver(n uint64, p *sentPacket) {
	if p.train >= t.least {
		t.run, t.least = 0, 0
	}
	if t.trying(n) {
		t.limit, t.lost, t.trialEnd = t.trialSize, 0, 0
		if t.limit >= t.size {
			t.phase = trainsPass
		}
	}
}

// lose notes the loss of packet n.
func (t *trainState) lose(n uint64, p *sentPacket) {
	switch {
	case t.trying(n):
		t.trialLost++
	case p.train > 1:
		t.run++
		if t.least == 0 || p.train < t.least {
			t.least = p.train
		}
	}
}

// doubt reports whether losses are reason for a suspicion, and begins it. newest is the newest packet acknowledged,
// which has left after all of them.
func (t *trainState) doubt(newest *sentPacket) bool {
	if t.run == 0 || t.run < int32(t.least) || newest.train >= t.least || t.phase != trainsPass && t.least > t.limit {
		return false
	}
	t.phase, t.lost, t.limit, t.size = trainsSuspected, 0, 1, t.least
	t.run, t.least = 0, 0
	return true
}

// conclude reports whether trains have turned out to vanish, after the loss of a trial. next is the packet that
// left behind it, and full the size of a full packet.
func (t *trainState) conclude(now time.Duration, next *sentPacket, full int) bool {
	t.trialEnd = 0
	if next == nil || !next.has(isAcked) || next.train >= t.trialSize || int(next.size) < full {
		return false // others were lost as well, or it may have been the size of its packets
	}
	if t.lost++; t.lost < trainTrials {
		return false
	}
	t.phase, t.again = trainsVanish, now+trainRetry
	return true
}

// trainPackets is how many packets the next train may have. What follows a timeout is no train: trains may be what
// does not arrive.
func (c *Conn) trainPackets(now time.Duration) int {
	t := &c.path.trains
	if c.loss.ptoCount > 0 {
		return 1
	}
	if t.phase == trainsPass {
		return math.MaxUint16
	}
	size := c.path.mtu.size
	window := min(c.windowRoom(), c.path.cc.Window()-trainFollowers*size, c.trainLimit())
	natural := min(uint64(max(window, 0)), c.backlog()) / uint64(size)
	return max(1, t.begin(now, int(natural), c.path.ecn.phase != marksTesting))
}

// TrainsVanish is until when packets leave one by one, or few at a time, because larger trains get lost as wholes on
// the path while single packets arrive. 0: they do not.
func (c *Conn) TrainsVanish() time.Duration {
	if c.path.trains.phase != trainsVanish {
		return 0
	}
	return c.path.trains.again
}

// judgeLosses asks what losses just found say of the path: if it drops trains, or what is marked. Then they
// were no congestion, and the controller begins anew.
func (c *Conn) judgeLosses(now time.Duration) {
	t, newest := &c.path.trains, c.sent.find(c.sent.largestAcked)
	if newest == nil {
		newest = new(sentPacket) // it elicited nothing, so that it was sent alone and without a mark
	}
	if t.doubt(newest) {
		c.retestMarks() // what was lost in trains says nothing about its marks
	}
	vanish := t.trialEnd > 0 && t.trialLost == t.trialSize && t.conclude(now, c.sent.find(t.trialEnd), c.path.mtu.size)
	if c.judgeMarks(now, newest) || vanish {
		c.restart(now)
	}
}

// restart has the controller begin anew, because what it has learnt was of packets such as the path does not
// carry.
func (c *Conn) restart(now time.Duration) {
	c.path.since, c.loss.persistent = c.sent.next, c.sent.next
	c.path.prr.active = false
	c.path.cc.OnPathChange(now)
}

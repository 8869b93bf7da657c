package ledbat

import (
	"testing"
	"time"
)

func TestLossRateIsAMeanOfEightRounds(t *testing.T) {
	var l lossRate
	if worst, congested := l.add(0, 0, mss); worst != 0 || congested {
		t.Errorf("a round without packets: %d, %v", worst, congested)
	}
	// One round in which a tenth is lost is 1.25 % in the mean: tolerated.
	worst, congested := l.add(900, 100, mss)
	if want := int64(fullRate / 10); worst != want || congested || l.mean != want/8 {
		t.Errorf("worst %d, mean %d, congested %v", worst, l.mean, congested)
	}
	for i := 2; ; i++ {
		if _, congested := l.add(900, 100, mss); congested {
			// 1 - (7/8)^n > 0.4
			if i != 4 {
				t.Errorf("10 %% is congestion after %d rounds, want 4", i)
			}
			break
		}
	}
}

func TestToleratedLoss(t *testing.T) {
	for _, c := range []struct {
		lost int64 // of 1000
		want bool
	}{{0, false}, {1, false}, {10, false}, {30, false}, {39, false}, {41, true}, {50, true}, {1000, true}} {
		var l lossRate
		got := false
		for range 100 {
			_, congested := l.add(1000-c.lost, c.lost, mss)
			got = got || congested
		}
		if got != c.want {
			t.Errorf("%d of 1000: congestion %v", c.lost, got)
		}
	}
}

// A loss rate that is there at every window is the path's; one that a smaller window ends is not.
func TestLossThatDoesNotAnswerIsThePaths(t *testing.T) {
	const window = stretchPackets * mss / stretchRounds // a stretch in the least number of rounds
	// rounds plays some with a loss rate, in percent, and says in how many the loss was congestion.
	rounds := func(l *lossRate, n int, percent int64) (congested int) {
		for range n {
			if _, c := l.add(window-window*percent/100, window*percent/100, mss); c {
				congested++
			}
		}
		return congested
	}
	var l lossRate
	if rounds(&l, stretchRounds*lossStretches, 10) == 0 {
		t.Error("10 % is no congestion at first")
	}
	if n := rounds(&l, 100, 10); n > 0 {
		t.Errorf("10 %% is congestion in %d rounds, although it is always there", n)
	}
	if rounds(&l, 100, 30) == 0 {
		t.Error("30 % is no congestion where 10 % is the path's")
	}
	l = lossRate{}
	for range 20 { // as a policer that answers to the window
		rounds(&l, stretchRounds, 10)
		rounds(&l, stretchRounds, 0)
	}
	if rounds(&l, stretchRounds, 10) == 0 {
		t.Error("10 % is no congestion where it comes and goes")
	}
}

// lossyRound is a round with a loss: the queue then, and the largest in the round.
func lossyRound(atLoss, most time.Duration) *round {
	return &round{lostCount: 1, atLoss: atLoss, most: most}
}

// quietRound is a round with a queue and no loss.
func quietRound(queue time.Duration) *round { return &round{samples: 1, sum: queue, most: queue} }

func TestBufferIsHalfTheLargestQueueOfTheLastLossyRounds(t *testing.T) {
	b := newBuffer()
	b.add(0, lossyRound(7*ms, 8*ms), 0)
	if b.known() {
		t.Fatalf("size %v after one round", b.size)
	}
	b.add(time.Second, lossyRound(7*ms, 8*ms), 10*ms)
	if b.size != 5*ms {
		t.Errorf("size %v, want half of the 10ms of the round before", b.size)
	}
	b.add(2*time.Second, quietRound(20*ms), 0)
	if b.size != 5*ms {
		t.Errorf("size %v, want 5ms still", b.size)
	}
	b.add(3*time.Second, lossyRound(7*ms, ms), 0)
	b.add(3*time.Second, lossyRound(7*ms, ms), 0)
	if b.size != minBufferDelay {
		t.Errorf("size %v, want the least of 1ms", b.size)
	}
	if b.age(63 * time.Second); b.size != minBufferDelay {
		t.Errorf("forgotten after 60 s")
	}
	if b.age(63*time.Second + 1); b.known() {
		t.Errorf("size %v after more than 60 s without a loss", b.size)
	}
}

// What was taken for a part of the path was a queue in the buffer.
func TestABufferIsLongerThanItSeemedWhenTheBaseFalls(t *testing.T) {
	b := newBuffer()
	if b.deepen(20 * ms); b.known() {
		t.Errorf("size %v before a loss", b.size)
	}
	b.add(0, lossyRound(7*ms, 8*ms), 0)
	b.add(0, lossyRound(7*ms, 10*ms), 0)
	if b.deepen(20 * ms); b.size != 15*ms {
		t.Errorf("size %v, want 15ms", b.size)
	}
	b.add(time.Second, lossyRound(7*ms, 12*ms), 0)
	if b.size != 15*ms {
		t.Errorf("size %v after a round more, want 15ms", b.size)
	}
}

// Loss that comes whatever the queue is the path's own, and tells nothing of its buffer. That of a
// full buffer comes with more than the usual queue.
func TestLossThatDoesNotGoWithDelayIsNotTheBuffers(t *testing.T) {
	b := newBuffer()
	now := time.Duration(0)
	usual := func() {
		for i := range 4 * usualGain { // 3 to 5 ms
			b.add(now, quietRound(time.Duration(3+2*(i%2))*ms), 0)
		}
	}
	usual()
	lose := func(atLoss time.Duration, rounds int) {
		for range rounds {
			now += 20 * ms
			b.add(now, lossyRound(atLoss, 6*ms), 0)
		}
	}
	lose(6*ms, lossVotes)
	if b.size != 3*ms {
		t.Fatalf("size %v, want half of 6ms", b.size)
	}
	if lose(4*ms, lossVotes/4); b.size != 3*ms {
		t.Errorf("size %v: a quarter of the losses with the usual queue", b.size)
	}
	if lose(4*ms, 1); b.known() {
		t.Errorf("size %v: more than a quarter of them", b.size)
	}
	lose(4*ms, 2*lossVotes)
	if lose(6*ms, lossVotes*3/4-1); b.known() {
		t.Errorf("size %v: less than three quarters with more than it", b.size)
	}
	if lose(6*ms, 1); b.size != 3*ms {
		t.Errorf("size %v: three quarters with more than it", b.size)
	}
}

// A mark is a queue that is shared, however short.
func TestMarksShowTheBuffer(t *testing.T) {
	b := newBuffer()
	for range bufferRounds {
		b.add(0, &round{marked: true, most: 4 * ms}, 0)
	}
	if b.size != 2*ms {
		t.Errorf("size %v, want half of 4ms", b.size)
	}
}

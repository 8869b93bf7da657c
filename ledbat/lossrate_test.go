package ledbat

import (
	"testing"
	"time"
)

func TestLossRateIsAMeanOfEightRounds(t *testing.T) {
	var l lossRate
	if worst, congested := l.add(0, 0); worst != 0 || congested {
		t.Errorf("a round without packets: %d, %v", worst, congested)
	}
	// One round in which a tenth is lost is 1.25 % in the mean: tolerated.
	worst, congested := l.add(900, 100)
	if want := int64(fullRate / 10); worst != want || congested || l.mean != want/8 {
		t.Errorf("worst %d, mean %d, congested %v", worst, l.mean, congested)
	}
	for i := 2; ; i++ {
		if _, congested := l.add(900, 100); congested {
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
			_, congested := l.add(1000-c.lost, c.lost)
			got = got || congested
		}
		if got != c.want {
			t.Errorf("%d of 1000: congestion %v", c.lost, got)
		}
	}
}

func TestBufferIsHalfTheLargestQueueOfEightLossyRounds(t *testing.T) {
	b := newBuffer()
	lossy := func(now, queue time.Duration) { b.add(now, queue, false, 100_000, 1) }
	for i := range 7 {
		lossy(time.Duration(i)*time.Second, 8*ms)
		if b.size != unknownBuffer {
			t.Fatalf("%d rounds: %v", i+1, b.size)
		}
	}
	lossy(7*time.Second, 10*ms)
	if b.size != 5*ms {
		t.Errorf("size %v, want 5ms", b.size)
	}
	for range 7 {
		lossy(8*time.Second, 0)
		b.add(8*time.Second, 20*ms, false, 100_000, 0)
	}
	if b.size != 5*ms {
		t.Errorf("size %v, want 5ms still", b.size)
	}
	lossy(8*time.Second, 0)
	if b.size != minBufferDelay {
		t.Errorf("size %v, want the least of 1ms", b.size)
	}
	if b.age(38 * time.Second); b.size != minBufferDelay {
		t.Errorf("forgotten after 30 s")
	}
	if b.age(38*time.Second + 1); b.size != unknownBuffer {
		t.Errorf("size %v after more than 30 s without a loss", b.size)
	}
}

// A path that loses as often without a queue as with one has told nothing of its buffer.
func TestLossWithoutAQueueIsNotTheBuffers(t *testing.T) {
	b := newBuffer()
	now := time.Duration(0)
	round := func(clear bool, lost int) {
		now += 20 * ms
		b.add(now, 4*ms, clear, 100_000, lost)
	}
	for range bufferRounds {
		round(false, 1)
	}
	if b.size != 2*ms {
		t.Fatalf("size %v, want half of 4ms", b.size)
	}
	for range ownLosses - 1 {
		round(true, 1)
	}
	if b.size != 2*ms {
		t.Errorf("size %v: %d packets without a queue are too few", b.size, ownLosses-1)
	}
	if round(true, 1); b.size != unknownBuffer {
		t.Errorf("size %v, and as much is lost without a queue", b.size)
	}
	for range 2 * ownLosses { // no longer, as it turns out
		round(true, 0)
	}
	if b.size != 2*ms {
		t.Errorf("size %v, and a third is lost without a queue", b.size)
	}
	for range ownLosses {
		round(true, 2)
	}
	if b.size != unknownBuffer {
		t.Errorf("size %v, and as much is lost without a queue again", b.size)
	}
	for range tallyTime / (20 * ms) { // the rate with a queue goes out of date
		round(true, 0)
	}
	for range ownLosses {
		round(true, 1)
	}
	if b.size != unknownBuffer {
		t.Errorf("size %v, and nothing is known of loss with a queue", b.size)
	}
	for range 6 * tallyTime / (20 * ms) { // what is known without one does too
		round(false, 1)
	}
	if b.size != 2*ms {
		t.Errorf("size %v after 18 s without a queue", b.size)
	}
}

func TestJitterIsWhatEveryRoundShows(t *testing.T) {
	var j jitter
	round := func(samples int, spread time.Duration) {
		j.add(&round{samples: samples, least: 3 * ms, most: 3*ms + spread})
	}
	for range jitterRounds - 1 {
		round(20, 6*ms)
	}
	if j.least != 0 {
		t.Errorf("%v after seven rounds", j.least)
	}
	if round(20, 5*ms); j.least != 5*ms {
		t.Errorf("%v, want 5ms", j.least)
	}
	if round(20, 500*us); j.least != 500*us {
		t.Errorf("%v after a round without jitter", j.least)
	}
	for range jitterRounds {
		round(jitterSamples-1, 6*ms)
	}
	if j.least != 0 {
		t.Errorf("%v from too few samples", j.least)
	}
}

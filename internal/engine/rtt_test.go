package engine

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestRTTVectors(t *testing.T) {
	var r rttState
	if got := r.pto(0); got != time.Second {
		t.Errorf("timeout before any sample: %v, want 1s", got)
	}
	r.update(50*ms, 0)
	if r.smoothed != 50*ms || r.variance != 25*ms {
		t.Errorf("after 50 ms: %v, %v", r.smoothed, r.variance)
	}
	r = rttState{}
	r.update(100*ms, 0)
	r.update(200*ms, 0)
	if r.smoothed != 112500*time.Microsecond || r.variance != 62500*time.Microsecond {
		t.Errorf("after 100 and 200 ms: %v, %v; want 112.5 and 62.5", r.smoothed, r.variance)
	}
}

func TestRTTAckDelay(t *testing.T) {
	var r rttState
	r.update(100*ms, 0)
	if got := r.update(120*ms, 15*ms); got != 105*ms {
		t.Errorf("120 ms of which 15 at the peer: %v", got)
	}
	if got := r.update(105*ms, 15*ms); got != 105*ms {
		t.Errorf("a delay that would put the sample below the minimum counted: %v", got)
	}
	if got := r.update(-5*ms, 0); got <= 0 {
		t.Errorf("a sample from the future: %v", got)
	}
}

func TestOneWayDelayAcrossTheWrap(t *testing.T) {
	var o oneWayState
	const wrap = ^uint32(0)
	o.update(wrap-1000, wrap-500)
	if got := o.update(wrap-100, 700); got != 301*time.Microsecond {
		t.Errorf("delay grew by %v, want 301µs", got)
	}
	if got := o.update(100, 500); got != -100*time.Microsecond {
		t.Errorf("delay is %v after the wrap, want -100µs", got)
	}
}

func TestTailProbeWaitsForTheAckDelay(t *testing.T) {
	r := rttState{smoothed: 40 * ms, variance: ms}
	if got := r.tailProbe(25*ms, false); got != 80*ms {
		t.Errorf("several in flight: %v", got)
	}
	if got := r.tailProbe(25*ms, true); got != 105*ms {
		t.Errorf("one in flight: %v", got)
	}
}

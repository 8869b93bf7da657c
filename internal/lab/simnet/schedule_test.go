package simnet

import (
	"slices"
	"testing"
	"time"
)

// withSchedule is a link with a schedule, at 1000 bytes a millisecond.
func withSchedule(s Schedule, queue int) *Link {
	return NewLink(LinkConfig{Rate: 1_000_000, Schedule: s, Queue: queue}, 1)
}

func TestAggregatesLeaveTogether(t *testing.T) {
	const every = 4 * ms
	l := withSchedule(Aggregates{Every: every}, 0)
	late := func(slot int) time.Duration { return l.rolls.upTo(rollSlot, slot, every/4+1) }
	first, second, third := every+late(1), 2*every+late(2), 3*every+late(3)
	got := at(l, 972, repeat(0, 5)...) // four fill a burst
	got = append(got, at(l, 972, second-1, second, second+1)...)
	want := []time.Duration{first, first, first, first, second, second, second, third}
	if !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
}

// A burst may end with part of a packet too much, which the next has less: the mean is the rate, whatever divides.
func TestAggregatesKeepTheRate(t *testing.T) {
	for _, size := range []int{500, 1172, 1472} {
		l := withSchedule(Aggregates{Every: 4 * ms}, 0)
		moments := map[time.Duration]int{}
		for range 10_000_000 / (size + DefaultOverhead) {
			moments[at(l, size, 0)[0]] += size + DefaultOverhead
		}
		for when, bytes := range moments {
			if behind := when % (4 * ms); behind > ms {
				t.Errorf("left %v behind a multiple of 4ms", behind)
			}
			if bytes > 4000+1500 {
				t.Errorf("%d bytes at %v", bytes, when)
			}
		}
		if last := l.play.taken; last < 9990*ms || last > 10_005*ms {
			t.Errorf("10 MB of packets of %d took %v, want 10 s", size, last)
		}
	}
}

func TestAggregatesMost(t *testing.T) {
	for _, tt := range []struct {
		most         int
		first, total int // packets of 1000 bytes in the first burst, and in 1 s
	}{
		{0, 10, 1000},      // what the rate carries in 10 ms
		{3000, 3, 300},     // less than that
		{25_000, 25, 1015}, // more: what was not used is made up for
	} {
		l := withSchedule(Aggregates{Every: 10 * ms, Most: tt.most}, 0)
		got := at(l, 972, repeat(95*ms, 2000)...)
		first, total := 0, 0
		for _, a := range got {
			if a == got[0] {
				first++
			}
			if a <= 1095*ms {
				total++
			}
		}
		if first != tt.first || total < tt.total-tt.first || total > tt.total+tt.first {
			t.Errorf("most %d: %d in the first burst, %d in a second; want %d, %d", tt.most, first, total, tt.first, tt.total)
		}
	}
	unlimited := NewLink(LinkConfig{Schedule: Aggregates{Every: 10 * ms}}, 1)
	if got := at(unlimited, 1472, repeat(0, 10_000)...); got[0] != got[9999] || got[0] < 10*ms || got[0] > 12500*time.Microsecond {
		t.Errorf("without a rate, left from %v to %v", got[0], got[9999])
	}
}

func TestScheduledQueue(t *testing.T) {
	l := withSchedule(Aggregates{Every: 10 * ms}, 3000)
	moment := 10*ms + l.rolls.upTo(rollSlot, 1, 10*ms/4+1)
	if got := l.QueueDelay(2 * ms); got != moment-2*ms {
		t.Errorf("an empty queue is a wait of %v, want %v for the burst", got, moment-2*ms)
	}
	got := at(l, 972, repeat(2*ms, 5)...)
	if want := []time.Duration{moment, moment, moment, -1, -1}; !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
	if got := l.Queued(moment - 1); got != 3000 {
		t.Errorf("%d bytes queued, want 3000", got)
	}
	if got := l.Queued(moment); got != 0 {
		t.Errorf("%d bytes queued behind the burst, want 0", got)
	}
	s := l.Stats()
	if s.Dropped != 2 || s.Bytes != 3000 || s.MaxQueue != 3000 || s.MaxQueueDelay != moment-2*ms {
		t.Errorf("%+v", s)
	}
}

func TestGrants(t *testing.T) {
	l := withSchedule(Grants{}, 0)
	var moments []time.Duration
	last := time.Duration(0)
	for range 5000 {
		if a := at(l, 972, 0)[0]; a != last {
			moments = append(moments, a)
			last = a
		}
	}
	low, high := time.Hour, time.Duration(0)
	for i := 1; i < len(moments); i++ {
		low, high = min(low, moments[i]-moments[i-1]), max(high, moments[i]-moments[i-1])
	}
	if low < ms || low > 2*ms || high < 9*ms {
		t.Errorf("grants are from %v to %v apart, want 1 to 10 ms", low, high)
	}
	if last < 4980*ms || last > 5020*ms {
		t.Errorf("5 MB took %v, want 5 s", last)
	}
	if got := at(l, 972, 30*time.Second, 30*time.Second+20*ms)[1]; got <= 30*time.Second+20*ms || got > 30*time.Second+30*ms {
		t.Errorf("a packet in an idle time arrived at %v", got)
	}
}

// A block that fails is 8 ms late, or 16, and holds up what is behind it.
func TestGrantsRepeat(t *testing.T) {
	clean, lossy := withSchedule(Grants{}, 0), withSchedule(Grants{Fail: 0.1}, 0)
	blocks, failed, last := 0, 0, time.Duration(0)
	for now := time.Duration(0); now < 200*time.Second; now += 50 * ms { // apart: none waits for another
		a, b := at(clean, 100, now)[0], at(lossy, 100, now)[0]
		blocks++
		if late := b - a; late > 0 {
			failed++
			if late%(8*ms) != 0 || late > 32*ms {
				t.Fatalf("late by %v", late)
			}
		}
		if b < last {
			t.Fatalf("%v after %v", b, last)
		}
		last = b
	}
	within(t, "failed", failed, blocks, 0.1)
	l := withSchedule(Grants{Fail: 1}, 0)
	if a, b := at(clean, 100, 300*time.Second)[0], at(l, 100, 300*time.Second)[0]; b-a != 32*ms {
		t.Errorf("where each fails, %v late, want four repeats", b-a)
	}
}

func TestRates(t *testing.T) {
	l := NewLink(LinkConfig{Delay: ms, Schedule: &Rates{Every: 10 * ms, Steps: []int64{1_000_000, 250_000}}}, 1)
	got := at(l, 972, 8*ms, 8*ms, 8*ms, 8*ms, 8*ms, 35*ms)
	// 1 ms each until 10 ms, then 4; at 20 ms half of the fifth is left.
	want := []time.Duration{10 * ms, 11 * ms, 15 * ms, 19 * ms, 21500 * time.Microsecond, 40 * ms}
	if !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
	if got := (&Rates{Steps: []int64{1, 2, 6}}).Mean(); got != 3 {
		t.Errorf("mean %d", got)
	}
	// Rounding does not add up: 3 bytes a second, and one packet in many steps.
	slow := NewLink(LinkConfig{Overhead: -1, Schedule: &Rates{Every: 7 * ms, Steps: []int64{3}}}, 1)
	if got := at(slow, 1, repeat(0, 300)...)[299]; got != 100*time.Second {
		t.Errorf("300 bytes took %v, want 100 s", got)
	}
}

func TestScheduleChanges(t *testing.T) {
	l := NewLink(LinkConfig{Rate: 1_000_000}, 1)
	at(l, 972, repeat(0, 3)...) // until 3 ms
	l.SetConfig(ms, LinkConfig{Rate: 1_000_000, Schedule: &Rates{Every: time.Second, Steps: []int64{500_000}}})
	got := at(l, 972, ms)
	l.SetConfig(2*ms, LinkConfig{Rate: 1_000_000})
	got = append(got, at(l, 972, 2*ms)...)
	if want := []time.Duration{5 * ms, 5 * ms}; !slices.Equal(got, want) {
		t.Errorf("arrivals at %v, want %v", got, want)
	}
}

func TestFreeJitterOvertakes(t *testing.T) {
	l := NewLink(LinkConfig{Delay: 10 * ms, FreeJitter: 5 * ms}, 3)
	low, high, overtaken, last := time.Hour, time.Duration(0), 0, time.Duration(0)
	for i := range 10_000 {
		now := time.Duration(i) * ms
		a := at(l, 100, now)[0]
		low, high = min(low, a-now), max(high, a-now)
		if a < last {
			overtaken++
		}
		last = max(last, a)
	}
	if low < 10*ms || low > 10*ms+ms/10 || high >= 15*ms || high < 15*ms-ms/10 {
		t.Errorf("delays from %v to %v, want 10ms to 15ms", low, high)
	}
	if got := l.Stats().Reordered; got != overtaken || got < 3000 {
		t.Errorf("%d were overtaken, %d counted", overtaken, got)
	}
}

// Early packets keep what is around them in order.
func TestEarlyByAGivenTime(t *testing.T) {
	for _, by := range []time.Duration{10 * ms, 20 * ms} { // with 20 ms of delay, the second is half of the round trip
		l := NewLink(LinkConfig{Delay: 20 * ms, Reorder: 0.05, ReorderBy: by}, 3)
		early := 0
		for i := range 2000 {
			now := time.Duration(i) * ms
			switch a := at(l, 100, now)[0]; a - now {
			case 20 * ms:
			case 20*ms - by:
				early++
			default:
				t.Fatalf("datagram %d under way for %v", i, a-now)
			}
		}
		within(t, "early", early, 2000, 0.05)
	}
}

// A probe sees what a packet would, and changes nothing.
func TestProbe(t *testing.T) {
	for _, cfg := range []LinkConfig{
		{Rate: 1_000_000, Delay: 20 * ms},
		{Rate: 1_000_000, Delay: 20 * ms, Aggregate: 4 * ms},
		{Rate: 1_000_000, Delay: 20 * ms, Schedule: Aggregates{Every: 10 * ms}},
		{Rate: 1_000_000, Delay: 20 * ms, Schedule: Grants{Fail: 0.5}},
		{Delay: 20 * ms, Schedule: &Rates{Every: 5 * ms, Steps: []int64{1_000_000, 100_000}}},
	} {
		cfg.Overhead = -1
		asked, alone := NewLink(cfg, 1), NewLink(cfg, 1)
		for i := range 500 {
			now := time.Duration(i) * 7 * ms / 10
			probed := asked.Probe(now, i)
			asked.Probe(now, i+1000)
			got, want := at(asked, 700, now)[0], at(alone, 700, now)[0]
			if got != want {
				t.Fatalf("%+v: a packet arrived at %v, without probes at %v", cfg, got, want)
			}
			if i == 0 { // an empty packet arrives when the probe said
				if free := at(NewLink(cfg, 1), 0, now)[0]; free != now+20*ms+probed {
					t.Errorf("%+v: probed %v, and an empty packet took %v", cfg, 20*ms+probed, free-now)
				}
			}
		}
	}
	// Jitter: uniform where nothing is in front.
	l, high := NewLink(LinkConfig{Jitter: 10 * ms, FreeJitter: 5 * ms}, 1), time.Duration(0)
	for i := range 2000 {
		high = max(high, l.Probe(time.Duration(i)*time.Second, i))
	}
	if high < 14*ms || high >= 15*ms {
		t.Errorf("probes are late by up to %v, want 15 ms", high)
	}
}

func TestScheduledLinkAllocates(t *testing.T) {
	l := withSchedule(Aggregates{Every: 4 * ms}, 50_000)
	b, now := make([]byte, 1200), time.Duration(0)
	for range 1000 {
		now += ms
		l.Send(now, b)
	}
	if got := testing.AllocsPerRun(1000, func() { now += ms; l.Send(now, b) }); got != 0 {
		t.Errorf("%v allocations a datagram, want 0", got)
	}
}

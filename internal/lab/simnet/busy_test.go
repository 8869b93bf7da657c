package simnet

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

// Ten times a minute the process stands still for 200 ms: what comes then waits, and nothing else does.
func TestBusy(t *testing.T) {
	w := newPair(t, 1)
	ends := w.b.SetBusy(Busy{PerMinute: 10, Length: 200 * ms, From: w.Now(), Until: w.Now() + time.Minute}, 7)
	still, times, was := time.Duration(0), 0, false
	for range 60_000 {
		w.Run(ms)
		if w.b.process.state == paused {
			still += ms
			if !was {
				times++
			}
		}
		if was && w.b.process.state == running && w.Now()-ends[times-1] > ms {
			t.Errorf("it went on at %v, want %v", w.Now(), ends[times-1])
		}
		was = w.b.process.state == paused
	}
	if times != 10 || len(ends) != 10 || still < 1990*ms || still > 2010*ms {
		t.Errorf("%d times, %v in all; want 10 and 2 s", times, still)
	}
	w.Run(time.Minute)
	if w.b.process.state != running {
		t.Error("it does not end")
	}
}

// A process that was stopped or killed by others is left alone.
func TestBusyLeavesOthersAlone(t *testing.T) {
	w := newPair(t, 1)
	w.b.SetBusy(Busy{PerMinute: 60, Length: 100 * ms, From: w.Now(), Until: w.Now() + 10*time.Second}, 7)
	w.b.Pause()
	w.Run(3 * time.Second)
	if w.b.process.state != paused {
		t.Error("a stopped process went on")
	}
	w.b.Resume(TimersFirst)
	for w.b.process.state != paused {
		w.Run(ms)
	}
	w.b.Kill()
	w.Run(3 * time.Second)
	if w.b.process.state != dead {
		t.Error("a dead process went on")
	}
}

// latestRTT is a controller that notes the last round trip that it is told of.
type latestRTT struct {
	steady
	rtt time.Duration
}

func (l *latestRTT) OnAck(_ time.Duration, e congestion.AckEvent) { l.rtt = e.RTT }

// While a process stands still its datagrams arrive all the same. If its socket tells when, the wait for the reader is
// not taken for one on the path; if not, it is.
func TestReceiveTimesOfALateReader(t *testing.T) {
	for _, tt := range []struct {
		read bool
		want time.Duration
	}{{false, 20 * ms}, {true, 35 * ms}} {
		seen := new(latestRTT)
		s := NewSim(1)
		a, b := s.NewStation("10.0.0.1:1000", func(congestion.Params) congestion.Controller { return seen }), s.NewStation("10.0.0.2:2000", newSteady)
		s.Join(a, b, LinkConfig{Delay: 10 * ms}, LinkConfig{Delay: 10 * ms})
		b.Accept = func(*Flow) {}
		b.ReadTimes = tt.read
		f := a.Dial(b)
		s.Run(time.Second)
		b.Pause()
		f.Conn.Write(make([]byte, 1000))
		f.Flush()
		s.Run(25 * ms)
		b.Resume(DatagramsFirst)
		s.Run(30 * ms)
		if seen.rtt != tt.want {
			t.Errorf("times of reading %v: a round trip of %v, want %v", tt.read, seen.rtt, tt.want)
		}
	}
}

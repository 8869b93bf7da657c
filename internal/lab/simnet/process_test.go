package simnet

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPausedStationDoesNothing: it sends nothing and hands its application nothing, and then everything at once.
func TestPausedStationDoesNothing(t *testing.T) {
	for _, order := range []Order{TimersFirst, DatagramsFirst} {
		w := newPair(t, 1)
		w.b.Pause()
		sent := w.ba.Stats().Sent
		w.write(t, 50_000)
		w.Run(3 * time.Second)
		if got := w.ba.Stats().Sent - sent; got != 0 || w.received != 0 {
			t.Fatalf("paused, it sent %d datagrams and read %d bytes", got, w.received)
		}
		w.b.Resume(order)
		if w.received != 50_000 {
			t.Errorf("order %d: resumed, it read %d bytes at once, want all", order, w.received)
		}
		if w.b.Overflow() != 0 {
			t.Errorf("%d datagrams found no room", w.b.Overflow())
		}
	}
}

// TestPausedStationHoldsWhatItsApplicationDoes: it leaves when the process goes on.
func TestPausedStationHoldsWhatItsApplicationDoes(t *testing.T) {
	w := newPair(t, 1)
	w.Run(time.Second)
	sent := w.ab.Stats().Sent
	w.a.Pause()
	w.write(t, 1000)
	w.Run(time.Second)
	if got := w.ab.Stats().Sent; got != sent {
		t.Errorf("paused, it sent %d datagrams", got-sent)
	}
	w.a.Resume(TimersFirst)
	w.Run(10 * ms)
	if w.received != 1000 {
		t.Errorf("%d bytes arrived a delay after it went on", w.received)
	}
}

// TestOrderOfResume: a process is stopped while the ACK of its bytes is under way. If it finds the ACK first, it
// sends nothing; if it finds the late timer first, it sends a probe.
func TestOrderOfResume(t *testing.T) {
	for order, probes := range map[Order]bool{TimersFirst: true, DatagramsFirst: false} {
		w := newPair(t, 1)
		w.Run(time.Second)
		w.write(t, 1000)
		w.Run(5 * ms)
		w.a.Pause()
		w.Run(3 * time.Second)
		sent := w.ab.Stats().Sent
		w.a.Resume(order)
		if got := w.ab.Stats().Sent > sent; got != probes {
			t.Errorf("order %d: sent at once: %v, want %v", order, got, probes)
		}
	}
}

// TestPausedBatchIsFlushedOnce: what has waited is handled as a batch, with one answer for each connection.
func TestPausedBatchIsFlushedOnce(t *testing.T) {
	w := newPair(t, 1)
	w.Run(time.Second)
	w.b.Pause()
	w.write(t, 30_000)
	w.Run(15 * ms)
	flushes := 0
	read := w.accepted.OnChange
	w.accepted.OnChange = func() { flushes++; read() }
	w.b.Resume(DatagramsFirst)
	if flushes != 1 || w.received != 30_000 {
		t.Errorf("%d flushes for %d bytes, want 1 for all", flushes, w.received)
	}
}

// TestPausedSocketIsBounded: it keeps what fits, the first ones, and drops the rest.
func TestPausedSocketIsBounded(t *testing.T) {
	w := newPair(t, 1)
	w.b.Pause()
	w.b.ReadBuffer = 3000
	for i := range 5 {
		w.After(time.Duration(i)*ms, func() { w.b.Inject(w.a.Addr, make([]byte, 972)) })
	}
	w.Run(5 * ms)
	if got := w.b.Overflow(); got != 2 {
		t.Errorf("%d datagrams of 1000 bytes found no room in 3000, want 2", got)
	}
	if got := len(w.b.process.held); got != 3 {
		t.Errorf("%d are kept, want 3", got)
	}
	w.b.Resume(TimersFirst)
	w.b.Pause()
	w.b.ReadBuffer = 100
	w.b.Inject(w.a.Addr, make([]byte, 972))
	if got := w.b.Overflow(); got != 2 {
		t.Errorf("%d found no room, want one to fit always", got)
	}
}

// TestDeadStationReportsPorts: a killed process says nothing. Its host answers each datagram with a port
// unreachable that quotes it, over the way back.
func TestDeadStationReportsPorts(t *testing.T) {
	w := newPair(t, 1)
	w.Run(time.Second)
	w.write(t, 1000)
	w.Run(ms)
	w.b.Kill()
	var sent, quoted [][]byte
	w.rules(Rule{Match: func(p Packet) bool {
		sent = append(sent, bytes.Clone(p.Payload[:min(len(p.Payload), 520)]))
		return false
	}})
	w.a.Unreachable = func(u Unreachable) {
		if u.Code != PortUnreachable || u.To != w.b.Addr {
			t.Errorf("%v for %v, want a port unreachable for %v", u.Code, u.To, w.b.Addr)
		}
		quoted = append(quoted, bytes.Clone(u.Quoted))
	}
	back := w.ba.Stats()
	w.Run(2 * time.Second)
	if len(sent) == 0 || len(quoted) == 0 {
		t.Fatalf("%d sent to the dead, %d reported", len(sent), len(quoted))
	}
	// The first one was on its way when the process died.
	if diff := cmp.Diff(sent, quoted[1:]); diff != "" {
		t.Errorf("quoted (-want +got):\n%s", diff)
	}
	if got := w.ba.Stats().Sent - back.Sent; got != len(quoted) {
		t.Errorf("the dead host sent %d packets, want its %d reports", got, len(quoted))
	}
}

// TestDeadFlowsStayDead: no timer of a killed process fires, not even after it was started anew.
func TestDeadFlowsStayDead(t *testing.T) {
	w := newPair(t, 1)
	w.Run(time.Second)
	w.write(t, 5000)
	w.a.Kill()
	if got := w.a.Chunks(); got != 0 {
		t.Errorf("a dead process holds %d chunks", got)
	}
	sent := 0
	w.rules(Rule{Match: func(p Packet) bool {
		if p.ICMP == 0 {
			sent++
		}
		return false
	}})
	w.dialled.Flush()
	w.Run(time.Minute)
	w.b.Kill() // nobody asks the new process anything
	w.a.Restart()
	w.Run(time.Minute)
	if sent != 0 {
		t.Errorf("%d datagrams of a dead process", sent)
	}
}

// TestReportsAreLimited: six at once, then one in a while, each peer for itself.
func TestReportsAreLimited(t *testing.T) {
	w := newPair(t, 1)
	w.b.Kill()
	w.b.ReportEvery = time.Second
	reports := 0
	w.a.Unreachable = func(Unreachable) { reports++ }
	want := func(at time.Duration, want int) {
		t.Helper()
		for range 10 {
			w.b.Inject(w.a.Addr, []byte("x"))
		}
		w.Run(10 * ms)
		if reports != want {
			t.Errorf("%v: %d reports so far, want %d", at, reports, want)
		}
	}
	w.Run(time.Minute)
	reports = 0
	want(0, 6)
	w.Run(990*ms - 1)
	want(time.Second-1, 6)
	w.Run(1)
	want(time.Second, 7)
	w.Run(time.Hour)
	want(time.Hour, 13)
}

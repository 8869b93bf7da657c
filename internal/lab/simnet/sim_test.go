package simnet

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
)

// steady is a controller with a window of 64 KiB that never changes, and no pacing.
type steady struct{ congestion.Base }

func (steady) Window() int                    { return 64 << 10 }
func (steady) PacingRate(time.Duration) int64 { return 0 }
func (steady) Stats() congestion.Stats        { return congestion.Stats{Name: "steady"} }

func newSteady(congestion.Params) congestion.Controller { return steady{} }

// pair is two stations that are 10 ms apart, and a connection between them.
type pair struct {
	*Sim
	a, b     *Station
	ab, ba   *Link
	dialled  *Flow
	accepted *Flow
	received int // bytes that b's application has read
}

func newPair(t *testing.T, seed uint64) *pair {
	t.Helper()
	w := &pair{Sim: NewSim(seed)}
	w.a, w.b = w.NewStation("10.0.0.1:1000", newSteady), w.NewStation("10.0.0.2:2000", newSteady)
	w.ab, w.ba = w.Join(w.a, w.b, LinkConfig{Delay: 10 * ms}, LinkConfig{Delay: 10 * ms})
	w.b.Accept = func(f *Flow) {
		w.accepted = f
		f.OnChange = func() {
			buf := make([]byte, 64<<10)
			for {
				n, err := f.Conn.Read(buf)
				w.received += n
				if n == 0 || err != nil {
					return
				}
			}
		}
	}
	w.dialled = w.a.Dial(w.b)
	if !w.RunUntil(time.Second, func() bool { return w.accepted != nil && w.dialled.Conn.Established() }) {
		t.Fatal("no connection")
	}
	return w
}

// write sends n bytes on the dialled connection, as there is room for them.
func (w *pair) write(t *testing.T, n int) {
	t.Helper()
	w.dialled.OnChange = func() {
		for n > 0 {
			got, err := w.dialled.Conn.Write(make([]byte, n))
			if err != nil {
				t.Fatalf("with %d bytes to go: %v", n, err)
			}
			if got == 0 {
				return
			}
			n -= got
		}
	}
	w.dialled.Flush()
}

// rules puts rules on the way from a to b.
func (w *pair) rules(rules ...Rule) {
	w.ab.SetConfig(w.Now(), LinkConfig{Delay: 10 * ms, Rules: rules})
}

// TestLinksSeeTrains: the datagrams of one train tell how many they are and how large in all, and together they
// are that.
func TestLinksSeeTrains(t *testing.T) {
	w := newPair(t, 1)
	w.Run(time.Second) // the size of packets is found
	var sizes, segments []int
	var train int
	w.rules(Rule{Match: func(p Packet) bool {
		if p.Segments > 1 && (train == 0 || p.Train == train) {
			sizes, segments, train = append(sizes, len(p.Payload)), append(segments, p.Segments), p.Train
		}
		return false
	}})
	w.write(t, 20_000)
	w.Run(5 * ms)
	sum := DefaultOverhead
	for i, n := range sizes {
		sum += n
		if segments[i] != len(sizes) {
			t.Errorf("datagram %d of %d says that it is one of %d", i, len(sizes), segments[i])
		}
	}
	if len(sizes) < 2 || sum != train {
		t.Errorf("trains of %v bytes, %d with headers, want several and %d", sizes, sum, train)
	}
}

// TestTrainsVanishAsWholes: not one datagram of a train passes, and what is sent alone does.
func TestTrainsVanishAsWholes(t *testing.T) {
	w := newPair(t, 1)
	w.rules(Rule{Match: InTrain(0), Loss: 1}, Rule{Match: func(p Packet) bool {
		if p.Segments > 1 {
			t.Errorf("a datagram passed that is one of %d", p.Segments)
		}
		return false
	}})
	w.write(t, 200_000)
	if !w.RunUntil(time.Minute, func() bool { return w.received == 200_000 }) {
		t.Errorf("%d bytes arrived, want all, alone", w.received)
	}
	if w.ab.Stats().Scripted == 0 {
		t.Error("no train was lost")
	}
}

// TestOutageIsReported: what is lost comes back as a report to who sent it, quoted, a delay after it was sent.
func TestOutageIsReported(t *testing.T) {
	for _, code := range []ICMPCode{NetUnreachable, HostUnreachable} {
		w := newPair(t, 1)
		w.Run(time.Second)
		var sent, quoted [][]byte
		var at []time.Duration
		w.rules(Rule{From: w.Now(), Until: w.Now() + 5*ms, Loss: 1, Report: code, Match: func(p Packet) bool {
			sent = append(sent, bytes.Clone(p.Payload[:min(len(p.Payload), 520)]))
			return true
		}})
		w.a.Unreachable = func(u Unreachable) {
			if u.Code != code || u.To != w.b.Addr {
				t.Errorf("%v for %v, want %v for %v", u.Code, u.To, code, w.b.Addr)
			}
			quoted, at = append(quoted, bytes.Clone(u.Quoted)), append(at, w.Now())
		}
		start := w.Now()
		w.write(t, 5000)
		w.RunUntil(time.Minute, func() bool { return w.received == 5000 })
		if diff := cmp.Diff(sent, quoted); len(sent) == 0 || diff != "" {
			t.Errorf("%d sent; quoted (-want +got):\n%s", len(sent), diff)
		}
		for _, at := range at {
			if at != start+10*ms {
				t.Errorf("reported at %v, want %v", at-start, 10*ms)
			}
		}
		if w.received != 5000 {
			t.Errorf("%d bytes arrived after the outage", w.received)
		}
	}
}

// TestSimIsRepeatable: with rules, pauses and reports, equal seeds give equal results and others do not.
func TestSimIsRepeatable(t *testing.T) {
	run := func(seed uint64) (LinkStats, LinkStats, time.Duration, engine.Info) {
		w := newPair(t, seed)
		w.rules(Rule{Loss: 0.1}, Rule{Every: 3, Late: 7 * ms})
		w.write(t, 1_000_000)
		w.At(w.Now()+50*ms, w.b.Pause)
		w.At(w.Now()+400*ms, func() { w.b.Resume(DatagramsFirst) })
		w.RunUntil(time.Minute, func() bool { return w.received == 1_000_000 })
		return w.ab.Stats(), w.ba.Stats(), w.Now(), w.dialled.Conn.Info()
	}
	ab, ba, at, info := run(1)
	ab2, ba2, at2, info2 := run(1)
	if ab != ab2 || ba != ba2 || at != at2 || !cmp.Equal(info, info2) {
		t.Errorf("the same seed differs: %+v %+v %v, then %+v %+v %v", ab, ba, at, ab2, ba2, at2)
	}
	if other, _, _, _ := run(2); other == ab {
		t.Error("another seed does not differ")
	}
}

// TestReportsGoToNobodyUnlessAsked: without the function they are lost, and change nothing.
func TestReportsGoToNobodyUnlessAsked(t *testing.T) {
	w := newPair(t, 1)
	w.rules(Rule{From: w.Now(), Until: w.Now() + time.Second, Loss: 1, Report: HostUnreachable})
	w.write(t, 5000)
	if !w.RunUntil(time.Minute, func() bool { return w.received == 5000 }) {
		t.Errorf("%d bytes arrived", w.received)
	}
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

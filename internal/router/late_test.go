package router

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/wire"
)

// TestTombstoneHasTheLastWord carries, of docs/wire.md: [W112] [W114] [W115] [W119] [W162].
func TestTombstoneHasTheLastWord(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	local, _ := s.opens(alice, 7)
	s.Remove(s.now, local, FinalState{Code: wire.CodeReset, NextNumber: 1<<33 + 40, Hold: time.Second})

	for i := range uint64(3) {
		v := s.get(alice, short(local, 7, data(3)), Reply)
		h, f := s.parsed(v.Reply, wire.Seed(wire.Version, 7, local))
		if h.Type != wire.Short || h.Dst != 7 || f.Type != wire.FrameClose || f.Code != wire.CodeReset {
			t.Fatalf("reply %v %v", h, f)
		}
		if n := wire.DecodeNumber(1<<33+39, true, h.Number, h.NumberLen); n != 1<<33+40+i {
			t.Errorf("answer %d has number %d", i, n)
		}
	}
	corrupt := short(local, 7, data(3))
	corrupt[12] ^= 4
	s.drops(alice, corrupt, Corrupt)
	s.drops(alice, short(local, 8, data(3)), Corrupt)                               // not its peer
	s.drops(alice, short(local, 7, wire.AppendClose(nil, wire.CodeNone, "")), Late) // no ping-pong
	s.drops(alice, short(local, 7, append(wire.AppendPing(nil), wire.AppendClose(nil, 0, "")...)), Late)
	s.drops(alice, short(local, 7, data(3))[:13], Malformed)

	s.now += time.Second - tick
	s.get(alice, short(local, 7, data(3)), Reply)
	s.now += 2 * tick
	v := s.get(alice, short(local, 7, data(30)), Reply)
	if h, _ := s.parsed(v.Reply, wire.Seed(wire.Version, 0, local)); h.Type != wire.Unknown {
		t.Errorf("after its time: %v", h)
	}
	if got := s.Counters(); got.Closes != 4 || got.Unknowns != 1 {
		t.Errorf("counters %+v", got)
	}
}

func TestTombstoneOfADialWithoutAnswer(t *testing.T) {
	s := newScene(t, Config{})
	s.dials(bob, 0x10)
	s.Remove(s.now, 0x10, FinalState{Hold: time.Second})
	s.drops(bob, short(0x10, 0x20, data(50)), Late)
	s.drops(bob, long(wire.Accept, 0x10, 0x20, wire.AppendPing(nil), 60), Stray)
}

// TestLateInitialIsNoGhost carries, of docs/wire.md: [W112] [W113].
func TestLateInitialIsNoGhost(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	local, _ := s.opens(alice, 7)
	s.Remove(s.now, local, FinalState{Hold: 100 * time.Millisecond})
	s.drops(alice, initial(dstOf(7), 7, nil), Late)
	s.opens(bob, 7)   // another address
	s.opens(alice, 8) // another dial: a restarted client is not kept waiting
	s.now += 10*time.Second - tick
	s.drops(alice, initial(dstOf(7), 7, nil), Late)
	s.now += 2 * tick
	s.opens(alice, 7)
}

// TestTombstonesAreCapped carries, of docs/wire.md: [W116].
func TestTombstonesAreCapped(t *testing.T) {
	s := newScene(t, Config{Listening: true, MaxTombstones: 50, MaxHalfOpen: -1, RetryAfter: -1, ReplyRate: 1e6})
	var ids []wire.ID
	for i := range 70 {
		id, _ := s.opens(alice, wire.ID(i+1))
		ids = append(ids, id)
		s.Remove(s.now, id, FinalState{Hold: time.Second})
		// Replacement evicts one, the oldest.
		want := min(i+1, 50)
		if got := s.Counters(); got.Tombstones != want || got.Evicted != uint64(i+1-want) {
			t.Fatalf("after %d: %d tombstones, %d evicted", i+1, got.Tombstones, got.Evicted)
		}
	}
	for i, id := range ids {
		v := s.get(alice, short(id, wire.ID(i+1), data(30)), Reply)
		if known := wire.IsLong(v.Reply); known != (i < 20) {
			t.Errorf("tombstone %d: UNKNOWN is %v", i, known)
		}
	}
	// After their time they are swept, and the indexes with them.
	s.now += 11 * time.Second
	id, _ := s.opens(alice, 1000)
	s.Remove(s.now, id, FinalState{Hold: time.Second})
	if got := s.Counters(); got.Tombstones != 1 || len(s.closed.byID) != 1 || len(s.closed.byPair) != 1 {
		t.Errorf("%d tombstones, %d IDs, %d pairs", got.Tombstones, len(s.closed.byID), len(s.closed.byPair))
	}
	none := newScene(t, Config{Listening: true, MaxTombstones: -1})
	id, _ = none.opens(alice, 1)
	none.Remove(none.now, id, FinalState{Hold: time.Second})
	none.opens(alice, 1)
}

// TestSweepForgetsInTime: an idle router that is swept when it says so holds no tombstone, and no memory for any,
// a sweepGap after the last one's time.
func TestSweepForgetsInTime(t *testing.T) {
	s := newScene(t, Config{Listening: true, RetryAfter: -1})
	if _, more := s.Sweep(s.now); more {
		t.Fatal("a router without tombstones is to be swept")
	}
	for i := range 500 {
		id, _ := s.opens(alice, wire.ID(i+1))
		s.Remove(s.now, id, FinalState{Hold: 10*time.Second + time.Duration(i%7)*time.Second})
		s.now += 9 * time.Millisecond
	}
	over := s.now + 16*time.Second
	sweeps := 0
	next, more := s.Sweep(s.now)
	for more {
		if next < s.now+sweepGap {
			t.Fatalf("at %v the next sweep is at %v", s.now, next)
		}
		s.now, sweeps = next, sweeps+1
		next, more = s.Sweep(s.now)
	}
	if s.now > over+sweepGap || sweeps > 16 {
		t.Errorf("%d sweeps until %v after the last one's time", sweeps, s.now-over)
	}
	if got := s.Counters().Tombstones; got != 0 || s.closed.ring != nil {
		t.Errorf("%d tombstones, memory for %d", got, len(s.closed.ring))
	}
	s.opens(alice, 1) // whose pair was remembered
}

func TestTicksWrap(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, now := range []time.Duration{0, 497*24*time.Hour + 2*time.Hour, (1<<32)*tick - time.Second, (1 << 32) * tick, 2 * year} {
		at := ticksAt(now + 3*time.Second)
		if !at.after(now) || !at.after(now+2990*time.Millisecond) || at.after(now+3*time.Second+tick) {
			t.Errorf("3 s after %v", now)
		}
		var y closedTable
		y.ring, y.next = []tombstone{{idUntil: at, pairUntil: ticksAt(now)}}, 1
		if due := y.due(now); due < now+3*time.Second || due > now+3*time.Second+tick {
			t.Errorf("at %v: due at %v", now, due)
		}
	}
}

// The IDs of dials that cross.
const low, mid, high = wire.ID(10), wire.ID(20), wire.ID(30)

// TestCrossingOursIsLarger carries, of docs/wire.md: [W90] [W96] [W97].
func TestCrossingOursIsLarger(t *testing.T) {
	s := newScene(t, Config{})
	c := s.dials(bob, high)
	for range 2 { // it is told, to go again at once
		if v := s.get(bob, initial(dstOf(low), low, nil), Deliver); v.Conn != c {
			t.Errorf("delivered to %v", v.Conn)
		}
	}
	s.drops(netip.AddrPortFrom(bob.Addr(), bob.Port()+1), initial(dstOf(low), low, nil), Crossed) // the same host
	if v := s.get(alice, initial(dstOf(low), low, nil), Reply); v.Reply == nil {
		t.Error("another address is not refused")
	}
	// Once ours is established, another of theirs is one like any other.
	s.get(bob, long(wire.Accept, high, 1, wire.AppendPing(nil), 60), Deliver)
	if fate, _ := s.Establish(s.now, high); fate != Connected {
		t.Errorf("Establish = %v, want that whoever dials gets it", fate)
	}
	if fate, _ := s.Establish(s.now, high); fate != Unchanged {
		t.Error("established twice")
	}
	s.get(bob, initial(dstOf(low), low, nil), Reply)
	s.SetListening(true)
	s.opens(bob, low)
}

// TestCrossingTheirsIsLarger carries, of docs/wire.md: [W89] [W91] [W94].
func TestCrossingTheirsIsLarger(t *testing.T) {
	s := newScene(t, Config{})
	loser := s.dials(bob, low)
	v := s.get(bob, initial(dstOf(high), high, nil), Open)
	if v.Yields != loser {
		t.Errorf("%v yields", v.Yields)
	}
	local, _ := s.accepts(bob, v)
	// What they say to ours is of no interest any more.
	s.drops(bob, long(wire.Refuse, low, dstOf(low), wire.AppendClose(nil, wire.CodeRefused, ""), 0), Crossed)
	fate, dial := s.Establish(s.now, local)
	if fate != Replaces || dial != loser {
		t.Errorf("Establish = %v, %v", fate, dial)
	}
	if got := s.Counters(); got.Queued != 0 || got.HalfOpen != 0 {
		t.Errorf("counters %+v", got)
	}
	if fate, _ := s.Establish(s.now, local); fate != Unchanged {
		t.Error("established twice")
	}
	s.get(bob, initial(dstOf(low+1), low+1, nil), Reply) // no dial is pending: refused
}

// TestRefusalThatIsOlderThanACrossing: what a peer refused before it began to dial does not end our dial, and what
// it refuses afterwards does.
// Of docs/wire.md: [W98].
func TestRefusalThatIsOlderThanACrossing(t *testing.T) {
	refusal := long(wire.Refuse, high, dstOf(high), wire.AppendClose(nil, wire.CodeRefused, ""), 0)
	s := newScene(t, Config{})
	c := s.dials(bob, high)
	s.get(bob, initial(dstOf(low), low, nil), Deliver)
	s.drops(bob, refusal, Crossed)
	s.now += refusalDelay
	if v := s.get(bob, refusal, Deliver); v.Conn != c {
		t.Errorf("delivered to %v", v.Conn)
	}
}

// TestAnswerEndsAWaitAtOnce: an INITIAL that comes in one batch with the answer to a dial does not cross it. If it
// did, the peer would have a connection, and the dial an error.
// Of docs/wire.md: [W100].
func TestAnswerEndsAWaitAtOnce(t *testing.T) {
	for name, answer := range map[string][]byte{
		"REFUSE": long(wire.Refuse, low, dstOf(low), wire.AppendClose(nil, wire.CodeRefused, ""), 0),
		"ACCEPT": long(wire.Accept, low, 1, wire.AppendPing(nil), 60),
	} {
		s := newScene(t, Config{})
		s.dials(bob, low)
		s.get(bob, answer, Deliver)
		if v := s.Route(s.now, bob, initial(dstOf(high), high, nil), nil); v.Action != Reply {
			t.Errorf("behind %s: action %v, want a REFUSE", name, v.Action)
		}
	}
}

// TestCrossingSeveralOfOurs carries, of docs/wire.md: [W91] [W92].
func TestCrossingSeveralOfOurs(t *testing.T) {
	s := newScene(t, Config{})
	s.dials(bob, high)
	s.dials(bob, high+1)
	first, second := s.dials(bob, low+1), s.dials(bob, low)
	for i, want := range []*client{second, first} {
		local, _ := s.opens(bob, mid+wire.ID(i))
		if fate, dial := s.Establish(s.now, local); fate != Replaces || dial != want {
			t.Errorf("%d: Establish = %v, %v", i, fate, dial)
		}
	}
	for i := range wire.ID(4) { // those left are larger, and go again in turn
		if v := s.get(bob, initial(1, mid+2, nil), Deliver); v.Conn.name != fmt.Sprint(high+i%2) {
			t.Errorf("%d: delivered to %v", i, v.Conn)
		}
	}
}

// TestCrossingOursEnded carries, of docs/wire.md: [W93].
func TestCrossingOursEnded(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	s.dials(bob, low)
	local, _ := s.opens(bob, high)
	s.Remove(s.now, low, FinalState{Hold: time.Second})
	if fate, _ := s.Establish(s.now, local); fate != Queued {
		t.Error("completed a dial that is gone")
	}
	if got := s.Counters(); got.Queued != 1 {
		t.Errorf("not in the queue: %+v", got)
	}
}

func TestCrossingTheirsEnded(t *testing.T) {
	s := newScene(t, Config{})
	c := s.dials(bob, low)
	local, _ := s.opens(bob, high)
	s.Remove(s.now, local, FinalState{Hold: time.Second})
	refusal := long(wire.Refuse, low, dstOf(low), wire.AppendClose(nil, wire.CodeRefused, ""), 0)
	if v := s.get(bob, refusal, Deliver); v.Conn != c {
		t.Errorf("delivered to %v", v.Conn)
	}
}

// TestCrossingOursCameLater carries, of docs/wire.md: [W101].
func TestCrossingOursCameLater(t *testing.T) {
	// Theirs is a connection for the listener, whatever the IDs.
	s := newScene(t, Config{Listening: true})
	local, _ := s.opens(bob, high)
	s.dials(bob, low)
	s.opens(bob, mid)
	if fate, _ := s.Establish(s.now, local); fate != Queued {
		t.Error("completed a dial that it did not cross")
	}
	if got := s.Counters(); got.Queued != 1 {
		t.Errorf("not in the queue: %+v", got)
	}
}

func TestCrossingFullBacklog(t *testing.T) {
	s := newScene(t, Config{Listening: true, Backlog: 1})
	id, _ := s.opens(alice, 1)
	s.Establish(s.now, id)
	s.drops(bob, initial(1, high, nil), BacklogFull)
	s.dials(bob, low)
	s.opens(bob, high)
}

// TestCrossingOurselves carries, of docs/wire.md: [W99].
func TestCrossingOurselves(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	c := s.dials(bob, low)
	local, server := s.opens(bob, low)
	if v := s.get(bob, long(wire.Accept, low, local, wire.AppendPing(nil), 60), Deliver); v.Conn != c {
		t.Errorf("ACCEPT went to %v", v.Conn)
	}
	if v := s.get(bob, short(local, low, data(1)), Deliver); v.Conn != server {
		t.Errorf("CONFIRM went to %v", v.Conn)
	}
	if fate, _ := s.Establish(s.now, local); fate != Queued {
		t.Error("completed itself")
	}
}

// TestEveryReasonHasAName keeps the names beside the reasons; that each is
// counted, the tests of the rules show.
func TestEveryReasonHasAName(t *testing.T) {
	for r := range Reasons {
		if r.String() == "" || r.String() == Reasons.String() {
			t.Errorf("reason %d has no name", r)
		}
	}
}

// TestTombstoneRepeatsTheEnd: one whose peer may lack the end says it before its CLOSE, as long as its ID is remembered.
// Of docs/wire.md: [W175].
func TestTombstoneRepeatsTheEnd(t *testing.T) {
	for _, stop := range []bool{false, true} {
		s := newScene(t, Config{Listening: true})
		local, _ := s.opens(alice, 7)
		s.Remove(s.now, local, FinalState{NextNumber: 5, Hold: 30 * time.Second, Fin: true, Stop: stop, Final: 1 << 40})
		s.now += 30*time.Second - tick
		v := s.get(alice, short(local, 7, data(3)), Reply)
		h, payload, err := wire.ParseHeader(v.Reply)
		if err != nil || !wire.Verify(v.Reply, wire.Seed(wire.Version, 7, local)) || h.Number != 5 {
			t.Fatalf("%v, %v\n%s", h, err, wire.Describe(v.Reply))
		}
		offset, bytes, fin, n, err := wire.ParseData(payload)
		if offset != 1<<40 || len(bytes) != 0 || !fin || err != nil {
			t.Errorf("offset %d, %d bytes, fin %v, %v", offset, len(bytes), fin, err)
		}
		want := wire.AppendClose(nil, wire.CodeNone, "")
		if stop {
			want = append(wire.AppendStop(nil, wire.CodeNone), want...)
		}
		if got := payload[n:]; string(got) != string(want) {
			t.Errorf("behind FIN % x, want % x", got, want)
		}
		s.now += 2 * tick
		s.Sweep(s.now)
		if n := len(s.closed.ends); n != 0 {
			t.Errorf("%d ends outlive their tombstones", n)
		}
	}
	none := newScene(t, Config{Listening: true, MaxTombstones: -1})
	id, _ := none.opens(alice, 7)
	none.Remove(none.now, id, FinalState{Hold: time.Second, Fin: true})
	if n := len(none.closed.ends); n != 0 {
		t.Errorf("%d ends without a tombstone", n)
	}
}

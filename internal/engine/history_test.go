package engine_test

import (
	"reflect"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// Tests of invariants that systems before this one have broken, as far as others do not
// test them in passing:
//
//	the longest ACK delay is bounded              TestAckTiming
//	retransmit spacing doubles                    TestProbeSpacingDoubles
//	a burst behind the handshake is delivered     TestBurstBehindHandshakeIsDelivered
//	bytes in flight are the sum of packets        TestInFlightIsTheSumOfWhatIsTracked
//	any new ACK resets the backoff                TestAnyNewAckResetsBackoff
//	no timeout on a lossless path                 TestNoTimeoutOnLosslessPath
//	path estimates survive a timeout              TestPersistentCongestionIsReportedOnce
//	replacement evicts one                        TestAckRangesReplaceOne
//	every wait has a deadline                     TestNoWaitIsUnbounded
//	headers and payload within the packet size    TestPacketsFit, TestPacketSizeSearch
//	completion carries the outcome                TestLingerTimeout
//	round trips at the edges of a packet          TestRoundTripSizes

// TestReconnectFromSameAddress: a client that was restarted and dials from the address
// it had before is served at once, whatever the server still knows of the old connection.
func TestReconnectFromSameAddress(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	_, old := w.connect()
	write(t, old, "to somebody who is gone")
	w.client.Restart()
	start := w.Now()
	c, s := w.connect()
	write(t, c, "here again")
	w.Run(rtt)
	if got, err := readAll(s); got != "here again" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if took := w.Now() - start; took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestAppLimitedSamplesAreMarked: the delivery rate of a probe, or of a message now and
// then, says nothing about the path, and the controller is told so.
func TestAppLimitedSamplesAreMarked(t *testing.T) {
	w, c, _, notes := watched(t, path(1_250_000, rtt), path(0, rtt), 40_000)
	for range 10 {
		send(c, 100)
		w.Run(time.Second)
	}
	w.Run(time.Minute) // keep-alives
	if len(notes.acks) < 10 {
		t.Fatalf("%d ACKs", len(notes.acks))
	}
	for _, e := range notes.acks {
		if !e.AppLimited || !e.Delivery.AppLimited {
			t.Fatalf("not marked: %+v", e)
		}
	}
	notes.acks = nil
	out := &feed{f: c, n: 2 << 20}
	c.OnChange = out.pump
	c.Flush()
	w.Run(500 * time.Millisecond)
	full := 0
	for _, e := range notes.acks {
		if !e.AppLimited && !e.Delivery.AppLimited {
			full++
		}
	}
	if full < len(notes.acks)/2 {
		t.Errorf("%d of %d samples of a bulk transfer count as full", full, len(notes.acks))
	}
}

// TestCallsDoNotPostponeTheIdleTimeout: an application that polls in vain does not keep
// a dead connection alive.
func TestCallsDoNotPostponeTheIdleTimeout(t *testing.T) {
	w, c, _ := plainWorld(t)
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	start := w.Now()
	for !c.Conn.Done() && w.Now()-start < 2*time.Minute {
		c.Conn.Read(make([]byte, 10))
		c.Conn.Write(nil)
		c.Flush()
		w.Run(100 * time.Millisecond)
	}
	if took := w.Now() - start; took > 46*time.Second {
		t.Errorf("gave up after %v", took)
	}
}

// TestWaitsSleep: a sender that is blocked by the peer's window or by its rate sets few
// timers.
func TestWaitsSleep(t *testing.T) {
	w, c, _ := plainWorld(t)
	out := &feed{f: c, salt: 1, n: 1 << 20}
	turns := 0
	c.OnChange = func() { turns++; out.pump() }
	c.Flush()
	w.Run(time.Second)
	if c.Conn.Info().Limit != engine.LimitReceiver {
		t.Fatalf("limited by %v", c.Conn.Info().Limit)
	}
	turns = 0
	w.Run(time.Minute)
	if turns > 20 {
		t.Errorf("%d turns in a minute of waiting", turns)
	}
}

// TestOnlyNewBytesRefreshTheLinger: a peer that acknowledges the same again and again
// does not keep a closed connection.
func TestOnlyNewBytesRefreshTheLinger(t *testing.T) {
	f := newForger(t)
	write(t, f.server, "never acknowledged")
	f.server.Conn.Close(f.w.Now())
	f.server.Flush()
	start := f.w.Now()
	for !f.server.Removed && f.w.Now()-start < 2*time.Minute {
		f.say(wire.AppendPing(nil))
		f.w.Run(time.Second)
	}
	if took := f.w.Now() - start; took > 32*time.Second {
		t.Errorf("the connection lingered for %v", took)
	}
	if f.server.Conn.Delivered() {
		t.Error("reported as delivered")
	}
}

// TestOneUnit: what is counted as sent, what is in flight and what the link carries are
// the same bytes: UDP payload.
func TestOneUnit(t *testing.T) {
	w, c, _, _ := watched(t, simnet.LinkConfig{Delay: rtt / 2, Overhead: -1}, path(0, rtt), 1<<20)
	sent, carried := c.Conn.Info().Stats.BytesSent, w.up.Stats().Bytes
	send(c, 100_000)
	in := c.Conn.Info()
	if got, want := int64(in.Stats.BytesSent-sent), w.up.Stats().Bytes-carried; got != want {
		t.Errorf("counted %d bytes, the link %d", got, want)
	}
	if int64(in.InFlight) != w.up.Stats().Bytes-carried {
		t.Errorf("%d in flight of %d", in.InFlight, w.up.Stats().Bytes-carried)
	}
}

// TestEveryCounterMoves: no counter of Stats is written by nobody.
func TestEveryCounterMoves(t *testing.T) {
	var sum engine.Stats
	add := func(f *simnet.Flow) {
		s, total := reflect.ValueOf(f.Conn.Info().Stats), reflect.ValueOf(&sum).Elem()
		for i := range s.NumField() {
			total.Field(i).SetUint(total.Field(i).Uint() + s.Field(i).Uint())
		}
	}
	bad := simnet.LinkConfig{Delay: rtt / 2, Loss: 0.05, Reorder: 0.1, Duplicate: 0.05, Corrupt: 0.02}
	bad.Remark = func(n int, ecn engine.ECN) engine.ECN {
		if n%50 == 0 && ecn == engine.ECT0 {
			return engine.CE
		}
		return ecn
	}
	w := newWorld(t, 1, bad, bad)
	c, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	out := &feed{f: c, n: 500_000}
	c.OnChange = out.pump
	c.Flush()
	w.Run(2 * time.Minute)
	c.Conn.Unreachable(w.Now(), engine.Hint{Kind: engine.HintUnreachable})
	out = &feed{f: c, n: 100_000}
	good := w.up.Config()
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1}) // persistent congestion, a black hole
	c.Flush()
	w.Run(20 * time.Second)
	w.up.SetConfig(w.Now(), good)
	w.Run(20 * time.Second)
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	w.Run(3 * time.Minute)
	add(c)
	add(s)

	f := newForger(t)
	f.w.server.Inject(f.w.server.Addr, f.packet(wire.AppendPing(nil))) // another path
	f.say(wire.AppendPathResponse(nil, [8]byte{}))                     // unexpected
	for offset := uint64(1); offset < 3*256; offset += 2 {
		f.say(data(offset, 1, false)) // gaps
	}
	b := f.packet(wire.AppendPing(nil)) // a reserved bit
	b[0] |= 0x10
	f.w.server.Inject(f.w.client.Addr, wire.AppendTrailer(b[:len(b)-4], 0, wire.Seed(wire.Version, f.serverID, f.clientID)))
	f.say(ack(wire.Range{First: 0, Last: 1 << 40})) // a breach
	add(f.server)
	add(retried(t))

	v := reflect.ValueOf(sum)
	for i := range v.NumField() {
		if v.Field(i).Uint() == 0 {
			t.Errorf("%s has never moved", v.Type().Field(i).Name)
		}
	}
}

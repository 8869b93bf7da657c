package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/protect"
	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

// recorded counts what a tracer is told of one connection, and checks the order.
type recorded struct {
	t       *testing.T
	kinds   map[trace.Kind]uint64
	lost    uint64 // without those that tested a size
	late    uint64 // of those that are spurious, likewise
	bytes   uint64 // sent
	dropped map[string]uint64
	last    time.Duration
	updates uint64 // of keys
	frames  map[wire.FrameType]int
	stats   func() engine.Stats
	final   engine.Stats // at the end
}

func record(t *testing.T) *recorded {
	return &recorded{t: t, kinds: map[trace.Kind]uint64{}, dropped: map[string]uint64{}, frames: map[wire.FrameType]int{}}
}

func (r *recorded) tell(e *trace.Event) {
	if e.Time < r.last {
		r.t.Errorf("an event of kind %d is of %v, and the one before of %v", e.Kind, e.Time, r.last)
	}
	if r.kinds[trace.Closed] > 0 {
		r.t.Errorf("an event of kind %d follows the end", e.Kind)
	}
	r.last = e.Time
	r.kinds[e.Kind]++
	p := &e.Packet
	switch e.Kind {
	case trace.Sent:
		r.bytes += uint64(p.Size)
		r.parse(p)
	case trace.Received:
		r.parse(p)
	case trace.Lost:
		if !p.SizeProbe {
			r.lost++
		}
	case trace.Spurious:
		if !p.SizeProbe {
			r.late++
		}
	case trace.Dropped:
		r.dropped[e.Reason]++
	case trace.KeyChanged:
		if e.Key.Phase > 0 {
			r.updates++
		}
	case trace.Closed:
		r.final = r.stats()
	}
}

// parse reads the frames of a packet.
func (r *recorded) parse(p *trace.Packet) {
	for b := p.Frames; len(b) > 0; {
		var f wire.Frame
		n, err := f.Parse(b)
		if err != nil {
			r.t.Fatalf("packet %d, %v, has frames that are none: %v", p.Number, p.Type, err)
		}
		r.frames[f.Type]++
		b = b[n:]
	}
}

// check compares what was told with what was counted.
func (r *recorded) check(name string) {
	r.t.Helper()
	s := r.final
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"packets sent", r.kinds[trace.Sent], s.PacketsSent},
		{"bytes sent", r.bytes, s.BytesSent},
		{"packets lost", r.lost, s.PacketsLost},
		{"spurious losses", r.late, s.SpuriousLosses},
		{"duplicates", r.dropped[trace.Duplicate], s.Duplicates},
		{"bad trailers", r.dropped[trace.BadTrailer], s.BadTrailers},
		{"unexpected ones", r.dropped[trace.Unexpected], s.Unexpected},
		{"ends", r.kinds[trace.Closed], 1},
	} {
		if c.got != c.want {
			r.t.Errorf("%s: %d %s were told of, and %d counted", name, c.got, c.what, c.want)
		}
	}
}

// TestTraceEqualsTheCounts: over a network that loses, doubles, delays and damages packets, what a tracer is told is what the connection has
// counted; and a tracer changes nothing of what is sent.
func TestTraceEqualsTheCounts(t *testing.T) {
	run := func(client, server *recorded) uint64 {
		d := newDuo(t, 5)
		d.params = func(isClient bool, p *engine.Params) {
			p.KeyLimits = protect.Limits{Sealed: 1 << 20, Forged: 1 << 20, Update: 200}
			if r := client; r != nil {
				if !isClient {
					r = server
				}
				p.Trace = r.tell
			}
		}
		d.mangle = d.trouble
		if client != nil {
			client.stats = func() engine.Stats { return d.client.Info().Stats }
			server.stats = func() engine.Stats { return d.server.Info().Stats }
		}
		d.exchange(1<<20, 10*time.Minute)
		d.client.Close(d.now)
		d.server.Close(d.now)
		d.client.flush()
		d.server.flush()
		if !d.run(time.Minute, func() bool { return d.client.Done() && d.server.Done() }) {
			t.Fatal("the connections do not end")
		}
		return d.trace.Sum64()
	}
	client, server := record(t), record(t)
	if with, without := run(client, server), run(nil, nil); with != without {
		t.Errorf("with a tracer other packets are sent: the sum is %x, without %x", with, without)
	}
	client.check("client")
	server.check("server")
	for _, r := range []*recorded{client, server} {
		for _, k := range []trace.Kind{
			trace.RecoverySet, trace.StateChanged, trace.Sent, trace.Received, trace.Dropped, trace.Lost, trace.Spurious,
			trace.Measured, trace.Limited, trace.SizeChanged, trace.KeyChanged,
		} {
			if r.kinds[k] == 0 {
				t.Errorf("no event of kind %d was told: %v", k, r.kinds)
			}
		}
		if r.updates == 0 {
			t.Error("no key update was told of")
		}
		if r.frames[wire.FrameData] == 0 || r.frames[wire.FrameCrypto] == 0 {
			t.Errorf("packets have no frames: %v", r.frames)
		}
	}
}

// trouble is a mangle that loses, doubles, damages and delays packets.
func (d *duo) trouble(b []byte, _ bool) [][]byte {
	switch n := d.rand.Uint64N(100); {
	case n < 8:
		return nil
	case n < 12:
		return [][]byte{b, append([]byte(nil), b...)}
	case n < 14:
		b[len(b)-1] ^= 1
	case n < 20:
		d.post(letter{at: d.now + 5*d.delay, to: d.receiver(b), b: b})
		return nil
	}
	return [][]byte{b}
}

// receiver is whom a packet of a duo is for.
func (d *duo) receiver(b []byte) *player {
	dst, ok := wire.ShortDst(b)
	if wire.IsLong(b) {
		h, _, err := wire.ParseSealed(b)
		dst, ok = h.Dst, err == nil
	}
	if ok && dst == duoClient {
		return d.client
	}
	return d.server
}

// TestTraceAllocatesNothing: neither a connection without a tracer, which TestNoAllocationOnceWarm checks, nor the hook of one that has one.
func TestTraceAllocatesNothing(t *testing.T) {
	var events int
	tell := func(*trace.Event) { events++ }
	checkAllocations(t, makeTwins(1<<20, func(p *engine.Params) { p.Trace = tell }).connect(t))
	if events < 1000 {
		t.Fatalf("%d events were told", events)
	}
}

// TestTraceOfAFailedDial: nobody answers, and the trace ends with why.
func TestTraceOfAFailedDial(t *testing.T) {
	w := makeTwins(1<<20, nil)
	var end trace.End
	p := engine.Params{
		Client: true, Local: 11, Peer: 99, Path: w.pa, Chunks: &pool{}, Controller: &fixed{window: 1 << 20, quiet: true},
		SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20, MaxDatagram: 1472, HandshakeTimeout: 3 * time.Second,
		Trace: func(e *trace.Event) {
			if e.Kind == trace.Closed {
				end = e.End
			}
		},
	}
	c := engine.New(0, p)
	for now := time.Duration(0); !c.Done(); now = c.NextTimeout() {
		c.Advance(now)
		c.AppendSegments(now, w.buf[:0], 64<<10)
	}
	if end.Peer || end.Kind != "handshake timeout" || end.Code != wire.CodeTimeout {
		t.Errorf("the trace ends with %+v, want our handshake timeout", end)
	}
}

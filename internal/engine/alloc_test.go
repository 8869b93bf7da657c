package engine_test

import (
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

// twins is two connected engines without a network: what one appends the other
// handles.
type twins struct {
	a, b  *engine.Conn
	pa    engine.Path
	pb    engine.Path
	now   time.Duration
	buf   []byte
	bytes []byte
}

// pool is an allocator that keeps its chunks.
type pool struct{ free [][]byte }

// Room is part of stream.Allocator.
func (p *pool) Room(stream.Level) bool { return true }

// Trim is part of stream.Allocator.
func (p *pool) Trim() {}

func (p *pool) Chunk(stream.Level) []byte {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	return make([]byte, stream.ChunkSize)
}

func (p *pool) Free(b []byte) { p.free = append(p.free, b) }

func newTwins(t testing.TB, window int) *twins {
	t.Helper()
	return makeTwins(window, nil).connect(t)
}

// connect has them make their handshake.
func (w *twins) connect(t testing.TB) *twins {
	t.Helper()
	for range 10 {
		w.exchange()
	}
	if !w.a.Established() || !w.b.Established() {
		t.Fatal("no handshake")
	}
	return w
}

// newIdleTwins is twins that have not begun their handshake.
func newIdleTwins() *twins { return makeTwins(64<<10, nil) }

// makeTwins makes them, each from what change, unless it is nil, has made of its parameters.
func makeTwins(window int, change func(*engine.Params)) *twins {
	a, b := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2")
	w := &twins{pa: engine.Path{Local: a, Remote: b}, pb: engine.Path{Local: b, Remote: a}}
	w.buf = make([]byte, 0, 128<<10)
	w.bytes = make([]byte, 64<<10)
	chunks := &pool{}
	base := engine.Params{
		Chunks: chunks, SendBuffer: 16 << 20, ReceiveBuffer: 16 << 20, MaxDatagram: 1472,
		IdleTimeout: 30 * time.Second, HandshakeTimeout: 10 * time.Second,
	}
	p := base
	p.Client, p.Local, p.Peer, p.Path, p.Controller = true, 11, 99, w.pa, &fixed{window: window, quiet: true}
	if change != nil {
		change(&p)
	}
	w.a = engine.New(0, p)
	p = base
	p.Local, p.Peer, p.OriginalDst, p.Path, p.Controller = 22, 11, 99, w.pb, &fixed{window: window, quiet: true}
	if change != nil {
		change(&p)
	}
	w.b = engine.New(0, p)
	return w
}

// exchange carries everything both ways once.
func (w *twins) exchange() {
	w.now += 100 * time.Microsecond
	w.carry(w.a, w.b, w.pb)
	w.carry(w.b, w.a, w.pa)
}

func (w *twins) carry(from, to *engine.Conn, path engine.Path) {
	from.Advance(w.now)
	for {
		b, train := from.AppendSegments(w.now, w.buf[:0], 64<<10)
		if len(b) == 0 {
			return
		}
		for len(b) > 0 {
			n := min(train.SegmentSize, len(b))
			to.HandleSegment(w.now, &engine.Arrival{Path: path, At: w.now, ECN: train.ECN}, b[:n])
			b = b[n:]
		}
	}
}

// TestNoAllocationOnceWarm: bulk data, its ACKs and a ping-pong allocate nothing.
func TestNoAllocationOnceWarm(t *testing.T) { checkAllocations(t, newTwins(t, 1<<20)) }

func checkAllocations(t *testing.T, w *twins) {
	t.Helper()
	bulk := func() {
		w.a.Write(w.bytes)
		w.exchange()
		for {
			if n, _ := w.b.Read(w.bytes); n == 0 {
				break
			}
		}
		w.exchange()
	}
	pingPong := func() {
		w.a.Write(w.bytes[:64])
		w.exchange()
		n, _ := w.b.Read(w.bytes)
		w.b.Write(w.bytes[:n])
		w.exchange()
		w.a.Read(w.bytes)
	}
	for range 500 {
		bulk()
		pingPong()
	}
	if n := testing.AllocsPerRun(500, bulk); n != 0 {
		t.Errorf("64 KiB of bulk data allocate %v times", n)
	}
	if n := testing.AllocsPerRun(500, pingPong); n != 0 {
		t.Errorf("a ping-pong allocates %v times", n)
	}
}

// BenchmarkBulk is what the two engines cost without sockets: 64 KiB written, cut into
// packets, received, read and acknowledged.
func BenchmarkBulk(b *testing.B) { bulk(b, newTwins(b, 1<<20)) }

func bulk(b *testing.B, w *twins) {
	b.SetBytes(int64(len(w.bytes)))
	b.ReportAllocs()
	for b.Loop() {
		w.a.Write(w.bytes)
		w.exchange()
		for {
			if n, _ := w.b.Read(w.bytes); n == 0 {
				break
			}
		}
		w.exchange()
	}
}

// BenchmarkDirections is the same by parts, each for a full packet: what its sender does until it is ready to leave, what
// its receiver does, and what its ACK costs the sender. Write and Read are in none of them.
func BenchmarkDirections(b *testing.B) {
	w := newTwins(b, 1<<20)
	for range 100 { // the path is found to carry more, and what is to grow has grown
		w.a.Write(w.bytes)
		w.exchange()
		w.b.Read(w.bytes)
		w.exchange()
	}
	var sent, received, acked time.Duration
	packets := 0
	for b.Loop() {
		w.now += 100 * time.Microsecond
		w.a.Write(w.bytes[:60<<10])
		t0 := time.Now()
		train, how := w.a.AppendSegments(w.now, w.buf[:0], 64<<10)
		t1 := time.Now()
		for rest := train; len(rest) > 0; packets++ {
			n := min(how.SegmentSize, len(rest))
			w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now, ECN: how.ECN}, rest[:n])
			rest = rest[n:]
		}
		t2 := time.Now()
		w.b.Read(w.bytes)
		t3 := time.Now()
		w.carry(w.b, w.a, w.pa)
		t4 := time.Now()
		w.carry(w.a, w.b, w.pb)
		sent, received, acked = sent+t1.Sub(t0), received+t2.Sub(t1), acked+t4.Sub(t3)
	}
	per := func(d time.Duration, unit string) { b.ReportMetric(float64(d)/float64(packets), unit) }
	per(sent, "ns/packet-sent")
	per(received, "ns/packet-received")
	per(acked, "ns/packet-acked")
}

// BenchmarkPingPong is a 64-byte message and its answer.
func BenchmarkPingPong(b *testing.B) { pingPong(b, newTwins(b, 1<<20)) }

func pingPong(b *testing.B, w *twins) {
	b.ReportAllocs()
	for b.Loop() {
		w.a.Write(w.bytes[:64])
		w.exchange()
		n, _ := w.b.Read(w.bytes)
		w.b.Write(w.bytes[:n])
		w.exchange()
		w.a.Read(w.bytes)
	}
}

// TestPacketsFit: no packet is larger than the path was found to carry.
func TestPacketsFit(t *testing.T) {
	w := newTwins(t, 1<<20)
	for range 10 { // the path is found to carry more
		w.a.Write(w.bytes[:5000])
		w.exchange()
		w.b.Read(w.bytes)
	}
	w.a.Write(w.bytes)
	size := w.a.Info().PacketSize
	if size != 1472 {
		t.Errorf("packets of %d bytes", size)
	}
	for {
		b, train := w.a.AppendSegments(w.now, w.buf[:0], 64<<10)
		if len(b) == 0 {
			return
		}
		if train.SegmentSize > size || len(b) > 64<<10 {
			t.Fatalf("a train of %d bytes in segments of %d on a path of %d", len(b), train.SegmentSize, size)
		}
		for rest := b; len(rest) > 0; rest = rest[min(train.SegmentSize, len(rest)):] {
			if _, _, err := wire.ParseHeader(rest[:min(train.SegmentSize, len(rest))]); err != nil {
				t.Fatalf("segment %q: %v", wire.Describe(rest), err)
			}
		}
	}
}

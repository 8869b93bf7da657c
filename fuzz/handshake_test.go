package fuzz

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

// noChunks is memory for an engine that needs none before its handshake is over.
type noChunks struct{}

func (noChunks) Chunk(stream.Level) []byte { return make([]byte, stream.ChunkSize) }
func (noChunks) Room(stream.Level) bool    { return true }
func (noChunks) Trim()                     {}
func (noChunks) Free([]byte)               {}

// FuzzHandshake is a peer that knows the IDs and says what the fuzzer likes in INITIALs, or in ACCEPTs, whose trailers are
// right: nothing panics, a server that has not seen the address proved sends no more than three times what it got,
// and the handshake is over in bounded time.
func FuzzHandshake(f *testing.F) {
	p := wire.DefaultParameters()
	p.Version, p.FirstDst, p.Src = wire.Version, 99, 11
	hello := wire.Must(wire.AppendParameters(nil, &p))
	f.Add(false, append([]byte{255}, wire.Must(wire.AppendCrypto(nil, 0, hello))...))
	f.Add(false, append(append([]byte{13}, wire.Must(wire.AppendCrypto(nil, 0, hello[:10]))...), append([]byte{200}, wire.Must(wire.AppendCrypto(nil, 10, hello[10:]))...)...))
	p.Src, p.Dst = 22, 11
	f.Add(true, append([]byte{255}, wire.Must(wire.AppendCrypto(nil, 0, wire.Must(wire.AppendParameters(nil, &p))))...))
	f.Add(true, append([]byte{255}, wire.Must(wire.AppendAck(nil, &wire.Ack{}, []wire.Range{{First: 0, Last: 1}}, 100))...))
	f.Add(false, []byte{0, 1, byte(wire.FramePing), 3, byte(wire.FrameClose), 0, 0})
	f.Fuzz(func(t *testing.T, client bool, said []byte) {
		h := newHandshaking(t, client)
		h.flush()
		for tp := (&tape{said}); len(tp.b) > 0 && !h.c.Done(); {
			n := min(int(tp.next()), len(tp.b))
			if n == 0 {
				h.advance(min(h.now+2*time.Second, h.c.NextTimeout()))
				continue
			}
			h.say(tp.b[:n])
			tp.b = tp.b[n:]
		}
		for range 1000 {
			next := h.c.NextTimeout()
			if h.over() || next == engine.Never {
				break
			}
			h.advance(next)
		}
		if !h.over() {
			t.Fatalf("not over at %v: %+v", h.now, h.c.Info())
		}
		if !h.c.Established() && h.now > 12*time.Second { // the bound, and a step of the tape
			t.Errorf("over after %v", h.now)
		}
	})
}

// handshaking is an engine in its handshake, and its peer.
type handshaking struct {
	t         *testing.T
	c         *engine.Conn
	client    bool // the engine is
	typ       wire.PacketType
	dst, src  wire.ID // of what the peer says
	number    uint64
	now       time.Duration
	got, sent int // bytes, by the engine
}

func newHandshaking(t *testing.T, client bool) *handshaking {
	params := engine.Params{
		Local: 22, Peer: 11, OriginalDst: 99, Controller: controller(congestion.Params{MaxDatagramSize: 1200, Seed: 1}),
		Chunks: noChunks{}, MaxDatagram: 1472, SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20,
		IdleTimeout: 30 * time.Second, HandshakeTimeout: 10 * time.Second,
	}
	h := &handshaking{t: t, client: client, typ: wire.Initial, dst: 99, src: 11}
	if client {
		params.Client, params.Local, params.Peer, params.OriginalDst = true, 11, 99, 0
		h.typ, h.dst, h.src = wire.Accept, 11, 22
	}
	h.c = engine.New(0, params)
	return h
}

func (h *handshaking) over() bool { return h.c.Done() || h.c.Established() }

// advance lets time pass until a moment, if it has not passed.
func (h *handshaking) advance(to time.Duration) {
	h.now = max(h.now, to)
	h.c.Advance(h.now)
	h.flush()
}

// say hands the engine a packet with the frames.
func (h *handshaking) say(frames []byte) {
	b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: h.typ, Version: wire.Version, Dst: h.dst, Src: h.src, Number: h.number, NumberLen: 2}))
	h.number++
	b = append(b, frames...)
	if !h.client {
		b = wire.AppendPadding(b, wire.MinInitialSize-wire.TrailerSize-len(b))
	}
	b = wire.AppendTrailer(b, 0, wire.Seed(wire.Version, h.dst, h.src))
	h.got += len(b)
	h.c.HandleSegment(h.now, &engine.Arrival{At: h.now}, b)
	h.flush()
}

// flush takes what the engine sends.
func (h *handshaking) flush() {
	for range 100 {
		b, _ := h.c.AppendSegments(h.now, nil, 64<<10)
		if len(b) == 0 {
			return
		}
		if h.sent += len(b); !h.client && !h.c.Established() && h.sent > 3*h.got {
			h.t.Fatalf("%d bytes sent for %d", h.sent, h.got)
		}
	}
	h.t.Fatal("there is no end to what it sends")
}

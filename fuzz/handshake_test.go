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

func (noChunks) Chunk() []byte { return make([]byte, stream.ChunkSize) }
func (noChunks) Free([]byte)   {}

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
		params := engine.Params{
			Local: 22, Peer: 11, OriginalDst: 99, Controller: controller(congestion.Params{MaxDatagramSize: 1200, Seed: 1}),
			Chunks: noChunks{}, MaxDatagram: 1472, SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20,
			IdleTimeout: 30 * time.Second, HandshakeTimeout: 10 * time.Second,
		}
		typ, dst, src := wire.Initial, wire.ID(99), wire.ID(11)
		if client {
			params.Client, params.Local, params.Peer, params.OriginalDst = true, 11, 99, 0
			typ, dst, src = wire.Accept, 11, 22
		}
		c := engine.New(0, params)
		var now time.Duration
		got, sent := 0, 0
		flush := func() {
			for range 100 {
				b, _ := c.AppendSegments(now, nil, 64<<10)
				if len(b) == 0 {
					return
				}
				if sent += len(b); !client && !c.Established() && sent > 3*got {
					t.Fatalf("%d bytes sent for %d", sent, got)
				}
			}
			t.Fatal("there is no end to what it sends")
		}
		flush()
		number := uint64(0)
		for tp := (&tape{said}); len(tp.b) > 0 && !c.Done(); number++ {
			n := min(int(tp.next()), len(tp.b))
			if n == 0 {
				now = max(now, min(now+2*time.Second, c.NextTimeout()))
				c.Advance(now)
				flush()
				continue
			}
			b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: typ, Version: wire.Version, Dst: dst, Src: src, Number: number, NumberLen: 2}))
			b = append(b, tp.b[:n]...)
			tp.b = tp.b[n:]
			if !client {
				b = wire.AppendPadding(b, wire.MinInitialSize-wire.TrailerSize-len(b))
			}
			b = wire.AppendTrailer(b, 0, wire.Seed(wire.Version, dst, src))
			got += len(b)
			c.HandleSegment(now, engine.Path{}, engine.NotECT, b)
			flush()
		}
		for range 1000 {
			next := c.NextTimeout()
			if c.Done() || c.Established() || next == engine.Never {
				break
			}
			now = max(now, next)
			c.Advance(now)
			flush()
		}
		if !c.Done() && !c.Established() {
			t.Fatalf("not over at %v: %+v", now, c.Info())
		}
		if !c.Established() && now > 12*time.Second { // the bound, and a step of the tape
			t.Errorf("over after %v", now)
		}
	})
}

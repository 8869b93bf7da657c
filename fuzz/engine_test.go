package fuzz

import (
	"io"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/internal/stream"
	"example.com/ebb/ledbat"
	"example.com/ebb/wire"
)

func controller(p congestion.Params) congestion.Controller {
	return ledbat.Factory(ledbat.Config{})(p)
}

const (
	rtt     = 40 * time.Millisecond
	message = 30_000 // bytes each way
)

// tape hands out the fuzzer's bytes, then zeros.
type tape struct{ b []byte }

func (t *tape) next() byte {
	if len(t.b) == 0 {
		return 0
	}
	v := t.b[0]
	t.b = t.b[1:]
	return v
}

// talker is an application that sends a message, reads the peer's and closes.
type talker struct {
	t    *testing.T
	sim  *simnet.Sim
	flow *simnet.Flow
	salt byte
	sent int
	got  int
	end  error
}

func (s *talker) pump() {
	for s.sent < message && s.flow.Conn.Established() {
		var b [5000]byte
		p := b[:min(len(b), message-s.sent)]
		for i := range p {
			p[i] = s.salt + byte(s.sent+i)
		}
		n, err := s.flow.Conn.Write(p)
		s.sent += n
		if err != nil || n == 0 {
			break
		}
		if s.sent == message {
			s.flow.Conn.CloseWrite()
		}
	}
	for s.end == nil {
		var b [5000]byte
		n, err := s.flow.Conn.Read(b[:])
		for i := range n {
			if b[i] != ^s.salt+byte(s.got+i) {
				s.t.Fatalf("wrong byte at %d", s.got+i)
			}
		}
		s.got += n
		if err != nil {
			s.end = err
			s.flow.Conn.Close(s.sim.Now())
		}
		if n == 0 {
			break
		}
	}
}

// mangle lets the tape decide what becomes of each datagram on the way to a station.
func mangle(sim *simnet.Sim, tp *tape, to, from *simnet.Station) func(int, []byte) bool {
	inject := func(after time.Duration, p []byte) { sim.After(after, func() { to.Inject(from.Addr, p) }) }
	return func(_ int, p []byte) bool {
		v := tp.next()
		p = append([]byte(nil), p...)
		switch v % 8 {
		case 1: // lost
			return true
		case 2, 3: // late
			inject(time.Duration(v)*time.Millisecond, p)
			return true
		case 4: // twice
			inject(time.Duration(v)*10*time.Millisecond, p)
		case 5: // damaged
			p[int(v)*len(p)/256] ^= 1 << (v % 7)
			inject(rtt/2, p)
			return true
		}
		return false
	}
}

// FuzzNetwork lets the fuzzer lose, duplicate, delay and damage datagrams. Whatever it
// does, every byte arrives once and in order or both sides learn that it did not, and
// nothing is left over.
func FuzzNetwork(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 1, 0, 1})
	f.Add([]byte{0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 2, 3, 4, 5, 6, 7})
	f.Fuzz(func(t *testing.T, fate []byte) {
		tp := &tape{fate}
		sim := simnet.NewSim(1)
		a, b := sim.NewStation("10.0.0.1:1", controller), sim.NewStation("10.0.0.2:2", controller)
		up, down := sim.Join(a, b, simnet.LinkConfig{Delay: rtt / 2, Drop: mangle(sim, tp, b, a)}, simnet.LinkConfig{Delay: rtt / 2, Drop: mangle(sim, tp, a, b)})
		server := &talker{t: t, sim: sim, salt: 0xff}
		b.Accept = func(fl *simnet.Flow) {
			server.flow = fl
			fl.OnChange = server.pump
		}
		client := &talker{t: t, sim: sim, flow: a.Dial(b), salt: 0}
		client.flow.OnChange = client.pump
		client.flow.Flush()
		over := func() bool {
			return client.flow.Removed && (server.flow == nil || server.flow.Removed)
		}
		if !sim.RunUntil(time.Hour, over) {
			t.Fatalf("not over: %+v\nup %+v down %+v", client.flow.Conn.Info(), up.Stats(), down.Stats())
		}
		if a.Chunks()+b.Chunks() != 0 {
			t.Error("memory was kept")
		}
		if server.flow == nil {
			return
		}
		for _, x := range []struct{ from, to *talker }{{client, server}, {server, client}} {
			if x.to.end == io.EOF && x.to.got != message {
				t.Errorf("an orderly end after %d bytes", x.to.got)
			}
			if x.from.flow.Conn.Delivered() && x.to.got != message {
				t.Errorf("delivered, but %d bytes arrived", x.to.got)
			}
		}
	})
}

// FuzzFrames is a peer that knows both IDs and sends what the fuzzer likes in packets
// whose trailers are right: nothing panics, memory stays within the window, and the
// connection ends in bounded time once the peer falls silent.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{1, byte(wire.FramePing)})
	f.Add(append([]byte{13}, append(wire.Must(wire.AppendDataHeader(nil, 0, 5, true, true)), "hello"...)...))
	f.Add(append([]byte{9}, wire.Must(wire.AppendAck(nil, &wire.Ack{}, []wire.Range{{First: 0, Last: 1}}, 100))...))
	f.Add([]byte{2, byte(wire.FrameStop), 1, 3, byte(wire.FrameReset), 1, 0, 3, byte(wire.FrameClose), 0, 0})
	f.Fuzz(func(t *testing.T, said []byte) {
		var clientID, serverID wire.ID
		sim := simnet.NewSim(1)
		a, b := sim.NewStation("10.0.0.1:1", controller), sim.NewStation("10.0.0.2:2", controller)
		up, _ := sim.Join(a, b, simnet.LinkConfig{Delay: rtt / 2}, simnet.LinkConfig{Delay: rtt / 2, Drop: func(_ int, p []byte) bool {
			if h, _, err := wire.ParseHeader(p); err == nil && h.Type == wire.Accept {
				clientID, serverID = h.Dst, h.Src
			}
			return false
		}})
		var server *simnet.Flow
		b.Accept = func(fl *simnet.Flow) { server = fl }
		a.Dial(b)
		if !sim.RunUntil(time.Second, func() bool { return server != nil }) {
			t.Fatal("no handshake")
		}
		up.SetConfig(sim.Now(), simnet.LinkConfig{Loss: 1})
		server.Conn.Write(make([]byte, 5000))
		server.Flush()
		window := server.Conn.Info().ReceiveWindow
		number := uint64(100)
		for tp := (&tape{said}); len(tp.b) > 0; number++ {
			n := min(int(tp.next()), len(tp.b))
			if n == 0 {
				sim.Run(50 * time.Millisecond)
				continue
			}
			p := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Short, Version: wire.Version, Dst: serverID, Number: number, NumberLen: 2}))
			p = append(p, tp.b[:n]...)
			tp.b = tp.b[n:]
			b.Inject(a.Addr, wire.AppendTrailer(p, 0, wire.Seed(wire.Version, serverID, clientID)))
			if held := b.Chunks() * stream.ChunkSize; held > window+4*stream.ChunkSize {
				t.Fatalf("%d bytes held for a window of %d", held, window)
			}
		}
		server.Conn.Close(sim.Now())
		server.Flush()
		if !sim.RunUntil(10*time.Minute, func() bool { return server.Removed }) {
			t.Fatalf("not over: %+v", server.Conn.Info())
		}
		if b.Chunks() != 0 {
			t.Error("memory was kept")
		}
	})
}

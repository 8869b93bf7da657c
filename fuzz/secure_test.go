package fuzz

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// FuzzSecure is somebody who has all keys of a protected connection and says what the fuzzer likes to one of its sides, at
// each level, before the handshake and after it: nothing panics, and no connection goes on for ever.
func FuzzSecure(f *testing.F) {
	f.Add(false, true, []byte{3, 1, byte(wire.FramePing)})
	f.Add(true, true, append([]byte{3, 3}, wire.AppendClose(nil, wire.CodeReset, "")...))
	f.Add(true, false, append([]byte{1, 9}, wire.Must(wire.AppendCrypto(nil, 0, []byte("hello!")))...))
	f.Add(false, false, append([]byte{2, 9}, wire.Must(wire.AppendCrypto(nil, 0, []byte("hello!")))...))
	f.Add(true, true, append([]byte{7, 17}, wire.Must(wire.AppendResetToken(nil, make([]byte, wire.ResetTokenSize)))...))
	f.Add(false, true, append([]byte{0, 35}, wire.Must(wire.AppendUnknownToken(nil, 11, make([]byte, wire.ResetTokenSize)))...))
	f.Fuzz(func(t *testing.T, toClient, connected bool, said []byte) {
		w := newSecurePair(t)
		if connected {
			for range 20 {
				w.exchange()
			}
			if !w.client.Established() || !w.server.Established() {
				t.Fatal("no connection")
			}
		} else {
			w.flush(w.client) // which has said its first word
		}
		for tp := (&tape{said}); len(tp.b) > 0; {
			how, n := tp.next(), int(tp.next())
			n = min(n, len(tp.b))
			w.say(toClient, how, tp.b[:n])
			tp.b = tp.b[n:]
		}
		for range 50 {
			w.exchange()
		}
		for range 2000 {
			at := min(w.client.NextTimeout(), w.server.NextTimeout())
			if at == engine.Never || w.now > time.Minute {
				return
			}
			w.now = max(w.now, at)
			w.exchange()
		}
		t.Errorf("at %v there is no rest:\n%+v\n%+v", w.now, w.client.Info(), w.server.Info())
	})
}

// securePair is two protected engines without a network.
type securePair struct {
	client, server         *engine.Conn
	toClient, toServer     engine.Path
	now                    time.Duration
	number                 uint64
	sealClient, sealServer [3]protect.Sealer // what the client, and the server, seal with
}

func newSecurePair(t *testing.T) *securePair {
	a, b := netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.2:2000")
	w := &securePair{toClient: engine.Path{Local: a, Remote: b}, toServer: engine.Path{Local: b, Remote: a}, number: 1000}
	params := engine.Params{
		Chunks: noChunks{}, MaxDatagram: 1472, SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20,
		IdleTimeout: 30 * time.Second, HandshakeTimeout: 10 * time.Second, UserTimeout: 30 * time.Second,
	}
	for _, client := range []bool{true, false} {
		p := params
		p.Local, p.Peer, p.OriginalDst, p.Path = 22, 11, 99, w.toServer
		if p.Client = client; client {
			p.Local, p.Peer, p.OriginalDst, p.Path = 11, 99, 0, w.toClient
		}
		p.Controller = controller(congestion.Params{MaxDatagramSize: 1200, Seed: 1})
		script := scripted.Script{Client: client, Suite: protect.AES128GCM}
		p.Handshake = func(ours []byte) protect.Handshake { return scripted.New(script, ours) }
		seal := &w.sealServer
		if client {
			seal, w.client = &w.sealClient, engine.New(0, p)
		} else {
			w.server = engine.New(0, p)
		}
		initial, _, err := protect.NewInitialKeys(99, client)
		if err != nil {
			t.Fatal(err)
		}
		handshake, err := protect.NewSealKey(script.Suite, script.Secret(protect.LevelHandshake, client))
		if err != nil {
			t.Fatal(err)
		}
		data, err := protect.NewDataKeys(script.Suite, protect.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := data.SetSend(script.Secret(protect.LevelData, client)); err != nil {
			t.Fatal(err)
		}
		*seal = [3]protect.Sealer{initial, handshake, data}
	}
	return w
}

// say puts frames, or with how = 0 a whole datagram, to one side.
func (w *securePair) say(toClient bool, how byte, b []byte) {
	to, path, seal, dst, src, typ := w.server, w.toServer, &w.sealClient, wire.ID(22), wire.ID(11), wire.Initial
	if toClient {
		to, path, seal, dst, src, typ = w.client, w.toClient, &w.sealServer, 11, 22, wire.Accept
	}
	w.number++
	level := int(how) % 4
	h := wire.Header{Type: typ, Version: wire.VersionProtected, Dst: dst, Src: src, Number: w.number, NumberLen: 4}
	switch level {
	case 0:
		to.HandleSegment(w.now, &engine.Arrival{Path: path, At: w.now}, bytes.Clone(b))
		return
	case 1:
		if !toClient {
			h.Dst = 99
		}
	case 2:
		h.Type = wire.Handshake
	case 3:
		h.Type, h.Version, h.Src = wire.Short, 0, 0
	}
	packet := wire.Must(wire.AppendHeader(nil, h))
	body := len(packet)
	packet = append(packet, b...)
	if h.Type == wire.Initial {
		packet = wire.AppendPadding(packet, wire.MinInitialSize-protect.TagSize-len(packet))
	}
	to.HandleSegment(w.now, &engine.Arrival{Path: path, At: w.now}, seal[level-1].Seal(packet, 0, body, w.number))
}

// exchange carries everything both ways once.
func (w *securePair) exchange() {
	w.now += time.Millisecond
	w.client.Advance(w.now)
	w.server.Advance(w.now)
	w.flush(w.client)
	w.flush(w.server)
}

func (w *securePair) flush(from *engine.Conn) {
	to, path := w.server, w.toServer
	if from == w.server {
		to, path = w.client, w.toClient
	}
	var buf [1 << 16]byte
	for range 100 {
		b, train := from.AppendSegments(w.now, buf[:0], len(buf))
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

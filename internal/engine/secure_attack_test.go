package engine_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// forge makes packets that somebody on the path may send without any key, to one side of a connection.
func (d *duo) forge(toServer bool, seen []byte) (all [][]byte) {
	dst, src := duoClient, duoServer
	if toServer {
		dst, src = src, dst
	}
	answer := func(h wire.Header, frames []byte) {
		b := append(wire.Must(wire.AppendHeader(nil, h)), frames...)
		all = append(all, wire.AppendTrailer(b, 0, wire.Seed(h.Version, h.Dst, h.Src)))
	}
	for _, v := range []uint32{wire.Version, wire.VersionProtected} {
		answer(wire.Header{Type: wire.Unknown, Version: v, Src: src}, nil)
		answer(wire.Header{Type: wire.Refuse, Version: v, Dst: dst, Src: src}, wire.AppendClose(nil, wire.CodeRefused, ""))
		answer(wire.Header{Type: wire.Retry, Version: v, Dst: dst, Src: src}, wire.Must(wire.AppendCookie(nil, []byte("forged"))))
		h := wire.Header{Type: wire.Handshake, Version: v, Dst: dst, Src: src, NumberLen: 1}
		answer(h, append(wire.AppendClose(nil, wire.CodeReset, ""), make([]byte, 30)...))
	}
	short := wire.Must(wire.AppendShort(nil, dst, uint64(d.rand.IntN(1000)), 3))
	short = wire.AppendClose(short, wire.CodeReset, "")
	all = append(all, wire.AppendTrailer(short, 0, wire.Seed(wire.Version, dst, src)))
	if len(seen) > 0 {
		flipped := bytes.Clone(seen)
		flipped[d.rand.IntN(len(flipped))] ^= 1 << d.rand.IntN(8)
		all = append(all, bytes.Clone(seen), flipped, bytes.Clone(seen[:d.rand.IntN(len(seen))]))
	}
	return all
}

// TestSecureAttack [W231] [W235]: who sees all packets and adds to them as many as he likes ends no connection and changes no byte.
func TestSecureAttack(t *testing.T) {
	for seed := range uint64(10) {
		d := newDuo(t, seed)
		if !d.run(time.Second, d.established) {
			t.Fatal("no connection")
		}
		var last [2][]byte
		forged := 0
		d.mangle = func(b []byte, toServer bool) [][]byte {
			i := 0
			if toServer {
				i = 1
			}
			all := append(d.forge(toServer, last[i]), b)
			last[i] = bytes.Clone(b)
			forged += len(all) - 1
			for _, p := range []*player{d.client, d.server} {
				p.Unreachable(d.now, engine.Hint{Kind: engine.HintPortUnreachable})
			}
			return all
		}
		d.exchange(100<<10, time.Minute)
		if forged < 1000 {
			t.Errorf("only %d packets were forged", forged)
		}
	}
}

// TestSecureForgedHandshake: a handshake under forgery ends with the right peer, or with an error at both ends in time.
func TestSecureForgedHandshake(t *testing.T) {
	good := 0
	for seed := range uint64(40) {
		d := newDuo(t, seed)
		kind := int(seed) % 4
		d.mangle = func(b []byte, toServer bool) [][]byte {
			all := [][]byte{b}
			if kind != 0 {
				seal, _, err := protect.NewInitialKeys(duoDst, !toServer)
				if err != nil {
					t.Fatal(err)
				}
				if b := d.forgeInitial(seal, toServer, kind); toServer || d.rand.IntN(2) == 0 {
					all = append([][]byte{b}, all...)
				}
			}
			return append(d.forge(toServer, b)[:6], all...)
		}
		d.run(30*time.Second, func() bool { return d.established() || d.client.Done() })
		for _, p := range []*player{d.client, d.server} {
			if p.Conn == nil || !p.Established() {
				continue
			}
			if sent, recv := p.KeyPhases(); sent != 0 || recv != 0 {
				t.Errorf("seed %d: key updates %d, %d", seed, sent, recv)
			}
		}
		if d.established() {
			good++
			d.mangle = nil
			d.exchange(10<<10, time.Minute)
		} else if !d.client.Done() {
			t.Errorf("seed %d: the dial goes on for ever", seed)
		}
	}
	if good < 10 {
		t.Errorf("%d of 40 handshakes come about", good)
	}
}

// forgeInitial makes a packet of the initial level, whose keys everybody has who sees the first packet.
func (d *duo) forgeInitial(seal *protect.SealKey, toServer bool, kind int) []byte {
	h := wire.Header{Type: wire.Accept, Version: wire.VersionProtected, Dst: duoClient, Src: 0x4444, Number: uint64(d.rand.IntN(3)), NumberLen: 1}
	if toServer {
		h.Type, h.Dst, h.Src = wire.Initial, duoDst, duoClient
	}
	frames := [][]byte{
		nil,
		wire.AppendClose(nil, wire.CodeReset, ""),
		wire.Must(wire.AppendCrypto(nil, uint64(d.rand.IntN(100)), make([]byte, 1+d.rand.IntN(200)))),
		wire.AppendPing(nil),
	}[kind]
	b := wire.Must(wire.AppendHeader(nil, h))
	body := len(b)
	b = append(b, frames...)
	b = wire.AppendPadding(b, max(4, wire.MinInitialSize-protect.TagSize-len(b)))
	return seal.Seal(b, 0, body, h.Number)
}

// TestSecureRefusal [W229]: a side that does not like the other's identity says why, in an alert.
func TestSecureRefusal(t *testing.T) {
	for _, byClient := range []bool{true, false} {
		d := newDuo(t, 1)
		d.params = func(client bool, _ *engine.Params) { // called before the handshake is made
			d.script.Fail = 0
			if client == byClient {
				d.script.Fail = 42
			}
		}
		over := func() bool { return d.server.Conn != nil && d.client.Done() && d.server.Done() }
		if !d.run(5*time.Second, over) || d.now > 4*d.delay+100*time.Millisecond {
			t.Fatalf("by the client %v: not over after %v: %v, %v", byClient, d.now, d.client.Err(), d.server.Err())
		}
		who, other := d.server, d.client
		if byClient {
			who, other = other, who
		}
		ours, ok := errors.AsType[*engine.Error](who.Err())
		if !ok || ours.Kind != engine.KindTLS || ours.Code != wire.CodeAlert+42 || ours.Cause == nil {
			t.Errorf("by the client %v: %v", byClient, who.Err())
		}
		theirs, ok := errors.AsType[*engine.Error](other.Err())
		if !ok || theirs.Code != wire.CodeAlert+42 {
			t.Errorf("by the client %v: the other has %v", byClient, other.Err())
		}
	}
}

// TestSecureKeyLimit: a connection whose peer does not follow key updates ends before its key is used up.
func TestSecureKeyLimit(t *testing.T) {
	d := newDuo(t, 1)
	d.params = func(_ bool, p *engine.Params) {
		p.KeyLimits = protect.Limits{Update: 1 << 20, Sealed: 200, Forged: 1}
	}
	if !d.run(time.Second, d.established) {
		t.Fatal("no connection")
	}
	d.client.out = make([]byte, 1<<20)
	if !d.run(time.Minute, func() bool { return d.client.Done() && d.server.Done() }) {
		t.Fatalf("it goes on: %+v", d.client.Info())
	}
	for _, p := range []*player{d.client, d.server} {
		if e, ok := errors.AsType[*engine.Error](p.Err()); !ok || e.Code != wire.CodeKeyLimit {
			t.Errorf("%v", p.Err())
		}
	}
}

// TestSecureHint: the host of a peer that was killed says so, and quotes packets whose numbers cannot be read. The connection
// ends when each of three probes had such an answer, and no sooner.
func TestSecureHint(t *testing.T) {
	d := newDuo(t, 1)
	d.exchange(1000, time.Minute)
	killed, hints := d.now, 0
	d.mangle = func(b []byte, toServer bool) [][]byte {
		if !toServer {
			return [][]byte{b}
		}
		hints++
		h := engine.Hint{Kind: engine.HintPortUnreachable}
		h.Quote(wire.Header{Type: wire.Short, Number: d.rand.Uint64() & 0xffffff, NumberLen: 3})
		d.client.Unreachable(d.now, h)
		return nil
	}
	d.client.Unreachable(d.now, engine.Hint{Kind: engine.HintPortUnreachable})
	d.client.flush()
	if !d.run(5*time.Second, d.client.Done) {
		t.Fatalf("it lives on after %d hints", hints)
	}
	e, ok := errors.AsType[*engine.Error](d.client.Err())
	if !ok || e.Kind != engine.KindReset || hints < 3 || d.now-killed < 500*time.Millisecond {
		t.Errorf("after %v and %d hints: %v", d.now-killed, hints, d.client.Err())
	}
}

// resetTokens gives each side of a duo a token of its own.
func (d *duo) resetTokens() (ofClient, ofServer [wire.ResetTokenSize]byte) {
	copy(ofClient[:], "the client's tok")
	copy(ofServer[:], "the server's tok")
	d.params = func(client bool, p *engine.Params) {
		if p.ResetToken = ofServer; client {
			p.ResetToken = ofClient
		}
	}
	return ofClient, ofServer
}

// TestSecureResetToken [W232] [W233] [W234]: UNKNOWN ends a connection at once if it has the token that the peer has told, and otherwise not at all
// while the peer lives.
func TestSecureResetToken(t *testing.T) {
	d := newDuo(t, 1)
	ofClient, ofServer := d.resetTokens()
	early := false
	d.mangle = func(b []byte, toServer bool) [][]byte {
		if !toServer && !d.client.Established() { // before it was told
			early = true
			return [][]byte{wire.Must(wire.AppendUnknownToken(nil, duoServer, ofServer[:])), b}
		}
		return [][]byte{b}
	}
	d.exchange(10<<10, time.Minute)
	if d.mangle = nil; !early {
		t.Fatal("no token came early")
	}
	say := func(p *player, id wire.ID, token []byte) {
		p.HandleSegment(d.now, &engine.Arrival{Path: p.path, At: d.now}, wire.Must(wire.AppendUnknownToken(nil, id, token)))
		p.flush()
	}
	wrong := ofServer
	wrong[15] ^= 1
	say(d.client, duoServer, wrong[:])
	say(d.client, duoServer, ofClient[:])
	say(d.client, duoClient, ofServer[:])
	say(d.server, duoClient, ofServer[:])
	d.run(5*time.Second, func() bool { return false })
	if d.client.Done() || d.server.Done() {
		t.Fatalf("ended by a wrong token: %v, %v", d.client.Err(), d.server.Err())
	}
	say(d.client, duoServer, ofServer[:])
	say(d.server, duoClient, ofClient[:])
	for _, p := range []*player{d.client, d.server} {
		if e, ok := errors.AsType[*engine.Error](p.Err()); !ok || e.Kind != engine.KindReset {
			t.Errorf("with the right token: %v", p.Err())
		}
	}
}

// TestSecureLastWords [W238]: what a connection leaves behind ends that of a peer which has not heard of the end.
func TestSecureLastWords(t *testing.T) {
	for _, orderly := range []bool{false, true} {
		d := newDuo(t, 1)
		if !d.run(time.Second, d.established) {
			t.Fatal("no connection")
		}
		d.exchange(1000, time.Minute)
		if d.client.LastWords() != nil {
			t.Error("last words of a living connection")
		}
		d.mangle = func([]byte, bool) [][]byte { return nil }
		if orderly {
			d.client.Close(d.now)
		} else {
			d.client.Abort(d.now)
		}
		d.client.flush()
		if !d.run(time.Minute, d.client.Done) {
			t.Fatal("the client goes on")
		}
		last := d.client.LastWords()
		if len(last) == 0 || len(last) > 80 {
			t.Fatalf("last words of %d bytes", len(last))
		}
		forged := bytes.Clone(last)
		forged[len(forged)-1]++
		d.server.HandleSegment(d.now, &engine.Arrival{Path: d.server.path, At: d.now}, forged)
		if d.server.Done() {
			t.Fatal("a changed packet ends the peer's")
		}
		d.server.HandleSegment(d.now, &engine.Arrival{Path: d.server.path, At: d.now}, bytes.Clone(last))
		e, failed := errors.AsType[*engine.Error](d.server.Err())
		if !d.server.Done() || failed == orderly || failed && e.Code != wire.CodeReset {
			t.Errorf("orderly %v: done %v, %v", orderly, d.server.Done(), d.server.Err())
		}
	}
}

// TestPlainHasNoSecrets [W237]: what is of protected connections breaks the protocol of a plain one.
func TestPlainHasNoSecrets(t *testing.T) {
	for _, frame := range [][]byte{
		wire.Must(wire.AppendResetToken(nil, make([]byte, wire.ResetTokenSize))), wire.Must(wire.AppendCrypto(nil, 0, []byte{1})),
	} {
		w := newTwins(t, 1<<20)
		b := wire.Must(wire.AppendShort(nil, 22, 1000, 3))
		b = wire.AppendTrailer(append(b, frame...), 0, wire.Seed(wire.Version, 22, 11))
		w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now}, b)
		if w.exchange(); !w.b.Done() || kindOf(w.b.Err()) != engine.KindProtocol {
			t.Errorf("%x: %v", frame, w.b.Err())
		}
	}
}

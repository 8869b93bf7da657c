package engine_test

import (
	"bytes"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/keylog"
	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// TestSecureExchange [W220] [W222] [W230]: a protected connection, with each suite. It takes a round trip until the client may write, as many
// packets as the handshake needs, and every one but the first is sealed.
func TestSecureExchange(t *testing.T) {
	for _, suite := range []protect.Suite{protect.AES128GCM, protect.AES256GCM, protect.ChaCha20Poly1305} {
		d := newDuo(t, 1)
		d.script.Suite = suite
		if !d.run(time.Second, d.client.up) || d.now != 2*d.delay {
			t.Fatalf("%v: the client is established after %v, want %v", suite, d.now, 2*d.delay)
		}
		d.exchange(1<<20, time.Minute)
		if n := d.client.shake.(*scripted.Handshake).Tickets(); n != 1 {
			t.Errorf("%v: %d tickets", suite, n)
		}
		for _, p := range []*player{d.client, d.server} {
			if i := p.Info(); i.Stats.BadTrailers+i.Stats.Malformed+i.Stats.Unexpected+i.Stats.PacketsLost != 0 {
				t.Errorf("%v: %+v", suite, i.Stats)
			}
		}
	}
}

// up is Established, for a side that may not have a connection yet.
func (p *player) up() bool { return p.Conn != nil && p.Established() }

// TestSecureWork [W225] [W226]: while handshakers work on another goroutine, what is too early for their keys waits, and nothing has to be
// sent twice.
func TestSecureWork(t *testing.T) {
	d := newDuo(t, 1)
	d.work = 3 * time.Millisecond
	d.client.out = []byte("at once")
	if !d.run(time.Second, func() bool { return d.server.in.Len() > 0 }) {
		t.Fatal("nothing arrives")
	}
	// Three trips, and five times a handshaker works in turn: for the client's first word, the server's answer, the client's
	// view of that and of the flight behind it, and the server's of the end.
	if want := 3*d.delay + 5*d.work; d.now > want {
		t.Errorf("the first bytes arrive after %v, want %v", d.now, want)
	}
	for _, p := range []*player{d.client, d.server} {
		if i := p.Info(); i.Stats.Unexpected+i.Stats.Probes+i.Stats.PacketsLost != 0 {
			t.Errorf("%+v", i.Stats)
		}
	}
	d.server.in.Reset()
	d.exchange(100<<10, time.Minute)
}

// rough is a network that loses, repeats, damages and turns around.
func (d *duo) rough() {
	d.mangle = func(b []byte, _ bool) [][]byte {
		switch d.rand.IntN(20) {
		case 0, 1:
			return nil
		case 2:
			return [][]byte{b, bytes.Clone(b)}
		case 3:
			b[d.rand.IntN(len(b))] ^= 1 << d.rand.IntN(8)
		case 4:
			b = b[:d.rand.IntN(len(b)+1)]
		case 5, 6:
			d.post(letter{at: d.now + d.delay + time.Duration(d.rand.IntN(int(5*d.delay))), to: d.to(b), b: b})
			return nil
		}
		return [][]byte{b}
	}
}

// to is who a packet is for.
func (d *duo) to(b []byte) *player {
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

// TestSecureSeeds: whatever a network does, both sides get all bytes, through key updates and with handshakers that take
// their time; and the same seed makes the same packets at the same times. Of the seeds that TestSeeds is asked for it takes a
// third, as each is run twice.
func TestSecureSeeds(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+uint64(*seedCount+2)/3; seed++ {
		var traces [2]uint64
		for i := range traces {
			d := newDuo(t, seed)
			d.rough()
			d.work = time.Duration(seed%3) * 4 * time.Millisecond
			d.script.Suite = []protect.Suite{protect.AES128GCM, protect.AES256GCM, protect.ChaCha20Poly1305}[seed%3]
			d.params = func(_ bool, p *engine.Params) {
				p.KeyLimits = protect.Limits{Update: 40, Sealed: 1 << 20, Forged: 1 << 20}
				p.HandshakeTimeout = time.Minute
			}
			d.exchange(200<<10, 10*time.Minute)
			if sent, _ := d.client.KeyPhases(); sent == 0 {
				t.Errorf("seed %d: no key update", seed)
			}
			traces[i] = d.trace.Sum64()
		}
		if traces[0] != traces[1] {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}

// TestSecureKeyLog [W217] [W236]: a second implementation, which knows the secrets, reads every packet of a connection through its key
// updates.
func TestSecureKeyLog(t *testing.T) {
	d := newDuo(t, 4)
	d.params = func(_ bool, p *engine.Params) {
		p.KeyLimits = protect.Limits{Update: 30, Sealed: 1 << 20, Forged: 1}
	}
	type level struct {
		long   bool
		first  bool
		client bool
	}
	openers, largest, opened, phase := map[level]*keylog.Opener{}, map[level]int64{}, map[level]int{}, 0
	d.mangle = func(b []byte, toServer bool) [][]byte {
		l := level{long: wire.IsLong(b), client: toServer}
		if h, _, err := wire.ParseSealed(b); err == nil {
			l.first = h.Type != wire.Handshake
		}
		if openers[l] == nil {
			largest[l] = -1
			openers[l] = openerOf(t, d, l.long, l.first, l.client)
		}
		p, err := openers[l].Open(b, largest[l])
		if err != nil || len(p.Frames) == 0 {
			t.Fatalf("%+v: %v", l, err)
		}
		if !l.long && elicits(t, p.Frames) && len(b) < 36 {
			t.Errorf("%d bytes ask for an ACK: %x", len(b), p.Frames)
		}
		largest[l], phase = int64(p.Number), max(phase, p.Phase)
		opened[l]++
		return [][]byte{b}
	}
	d.exchange(500<<10, time.Minute)
	if len(opened) != 6 || phase < 2 {
		t.Errorf("opened %v, to phase %d", opened, phase)
	}
}

// elicits reports whether one of the frames asks for an ACK.
func elicits(t *testing.T, frames []byte) (any bool) {
	t.Helper()
	for len(frames) > 0 {
		var f wire.Frame
		n, err := f.Parse(frames)
		if err != nil {
			t.Fatalf("%x: %v", frames, err)
		}
		any, frames = any || f.Type.AckEliciting(), frames[n:]
	}
	return any
}

// openerOf makes the second opener for a level and direction of a scripted handshake.
func openerOf(t *testing.T, d *duo, long, initial, client bool) (o *keylog.Opener) {
	t.Helper()
	s, err := d.script, error(nil)
	s.Suite = protect.AES128GCM
	switch {
	case initial:
		o, err = keylog.Initial(uint64(duoDst), client)
	case long:
		o, err = keylog.New(uint16(s.Suite), s.Secret(protect.LevelHandshake, client))
	default:
		o, err = keylog.New(uint16(s.Suite), s.Secret(protect.LevelData, client))
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

package engine_test

import (
	"errors"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// TestSecureAmplification [W219]: a server that has much to say sends three times what it received, and no more until a HANDSHAKE of
// the client's has come.
func TestSecureAmplification(t *testing.T) {
	for seed := range uint64(5) {
		d := newDuo(t, seed)
		d.script.Flight = 4000 // as many as wait at the client for what is missing before them
		received, sent, proved := 0, 0, false
		if seed > 0 {
			d.rough()
		}
		rough := d.mangle
		d.mangle = func(b []byte, toServer bool) [][]byte {
			all := [][]byte{b}
			h, _, err := wire.ParseSealed(b)
			late := d.onTheWay()
			if rough != nil {
				all = rough(b, toServer)
			}
			if toServer {
				received += d.onTheWay() - late // what arrives later than it would
				proved = proved || err == nil && h.Type == wire.Handshake
				for _, b := range all {
					received += len(b)
				}
			} else if sent += len(b); !proved && sent > 3*received {
				t.Errorf("seed %d: %d bytes to an address that has sent %d", seed, sent, received)
			}
			return all
		}
		if !d.run(9*time.Second, d.established) {
			t.Errorf("seed %d: no connection", seed)
		}
	}
}

// onTheWay is how many bytes are on the way to the server.
func (d *duo) onTheWay() (n int) {
	for _, l := range d.queue {
		if l.to == d.server {
			n += len(l.b)
		}
	}
	return n
}

// TestSecureLevels [W218]: what each side says at which level; a level that was given up is not heard of again.
func TestSecureLevels(t *testing.T) {
	d := newDuo(t, 1)
	d.work = time.Millisecond
	var last [2]wire.PacketType
	rank := map[wire.PacketType]int{wire.Initial: 0, wire.Accept: 0, wire.Handshake: 1, wire.Short: 2}
	d.mangle = func(b []byte, toServer bool) [][]byte {
		h, _, err := wire.ParseSealed(b)
		if !wire.IsLong(b) {
			h.Type, err = wire.Short, nil
		}
		if err != nil || h.Type == wire.Initial && !toServer || h.Type == wire.Accept && toServer {
			t.Errorf("%+v, %v, to the server: %v", h, err, toServer)
		}
		i := map[bool]int{true: 1}[toServer]
		if rank[h.Type] < rank[last[i]] {
			t.Errorf("%v after %v, to the server: %v", h.Type, last[i], toServer)
		}
		last[i] = h.Type
		return [][]byte{b}
	}
	last = [2]wire.PacketType{wire.Accept, wire.Initial}
	d.exchange(10<<10, time.Minute)
	if last != [2]wire.PacketType{wire.Short, wire.Short} {
		t.Errorf("it ends with %v", last)
	}
}

// TestSecureHeldAcks [W252] [W254]: no packet leaves for an ACK alone while handshakers are at work; unless they are for long, or the server may
// be waiting for it.
func TestSecureHeldAcks(t *testing.T) {
	for _, c := range []struct {
		work           time.Duration
		flight         int
		client, server int // packets until the server is established
	}{
		{3 * time.Millisecond, 1500, 4, 5},  // two INITIALs, HANDSHAKE with the end, CONFIRM; two ACCEPTs, two HANDSHAKEs, a short packet
		{15 * time.Millisecond, 1500, 6, 7}, // and after 10 ms ACKs of their own: two of each side
		{3 * time.Millisecond, 9000, 8, 11}, // five of eight packets are all that the server may send at once: an ACK lets it go on
	} {
		d := newDuo(t, 1)
		d.work, d.script.Flight = c.work, c.flight
		sent := map[bool]int{}
		d.mangle = func(b []byte, toServer bool) [][]byte {
			sent[toServer]++
			return [][]byte{b}
		}
		if !d.run(time.Second, d.established) {
			t.Fatalf("%+v: no connection", c)
		}
		if c.flight > 7200 && d.now > 4*d.delay+8*c.work {
			t.Errorf("%+v: it takes %v", c, d.now)
		}
		if sent[true] != c.client || sent[false] != c.server {
			t.Errorf("%+v: %d packets of the client's and %d of the server's, after %v", c, sent[true], sent[false], d.now)
		}
	}
}

// TestSecureLostEnd [W223] [W224]: the last of the client's handshake is lost, and its data are not: they wait, and when the client has repeated
// the end nothing of them is missing.
func TestSecureLostEnd(t *testing.T) {
	d := newDuo(t, 1)
	lost := 0
	d.mangle = func(b []byte, toServer bool) [][]byte {
		if h, _, err := wire.ParseSealed(b); err == nil && h.Type == wire.Handshake && toServer && lost < 1 {
			lost++
			return nil
		}
		return [][]byte{b}
	}
	d.client.out = []byte("at once")
	if !d.run(5*time.Second, func() bool { return d.server.in.Len() > 0 }) || lost != 1 {
		t.Fatalf("nothing arrives; %d packets were lost", lost)
	}
	// A trip each for ClientHello and flight, a timeout, and a trip for the end.
	if limit := 3*d.delay + 4*2*d.delay; d.now > limit {
		t.Errorf("it takes %v, want at most %v", d.now, limit)
	}
}

// TestSecureRetry [W221] [W227]: RETRY has the client say the same with a cookie, under the same keys, and the server repeats the cookie, which
// is compared.
func TestSecureRetry(t *testing.T) {
	for _, right := range []bool{true, false} {
		d := newDuo(t, 1)
		retried := 0
		d.mangle = func(b []byte, toServer bool) [][]byte {
			h, at, err := wire.ParseSealed(b)
			if err != nil || !toServer || h.Type != wire.Initial {
				return [][]byte{b}
			}
			if len(h.Cookie) == 0 {
				if retried++; retried == 1 {
					answer := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Retry, Version: wire.VersionProtected, Dst: duoClient, Src: duoDst}))
					answer = wire.Must(wire.AppendCookie(answer, []byte("a cookie")))
					d.post(letter{at: d.now + 2*d.delay, to: d.client, b: wire.AppendTrailer(answer, 0, wire.Seed(wire.VersionProtected, duoClient, duoDst))})
				}
				return nil
			}
			if !right {
				b = rewrite(t, b, at, []byte("another!"))
			}
			return [][]byte{b}
		}
		d.run(5*time.Second, func() bool { return d.established() || d.client.Done() })
		if d.established() != right || retried == 0 {
			t.Fatalf("right %v: established %v, %v", right, d.established(), d.client.Err())
		}
		if e, ok := errors.AsType[*engine.Error](d.client.Err()); !right && (!ok || e.Code != wire.CodeParameter) {
			t.Errorf("with a cookie that the client has never sent: %v", d.client.Err())
		}
	}
}

// rewrite changes the cookie of an INITIAL, as somebody on the path can: the keys of the initial level are no secret.
func rewrite(t *testing.T, b []byte, at int, cookie []byte) []byte {
	t.Helper()
	_, open, err := protect.NewInitialKeys(duoDst, false)
	if err != nil {
		t.Fatal(err)
	}
	seal, _, err := protect.NewInitialKeys(duoDst, true)
	if err != nil {
		t.Fatal(err)
	}
	number, frames, ok := open.Open(b, at, 0, false)
	if !ok {
		t.Fatal("an INITIAL does not open")
	}
	h := wire.Header{Type: wire.Initial, Version: wire.VersionProtected, Dst: duoDst, Src: duoClient, Cookie: cookie, Number: number, NumberLen: 4}
	header := wire.Must(wire.AppendHeader(nil, h))
	return seal.Seal(append(header, frames...), 0, len(header), number)
}

// TestSecureNoCrossing [W228]: the INITIAL of a dial that crosses ours changes nothing.
func TestSecureNoCrossing(t *testing.T) {
	d := newDuo(t, 1)
	crossed := false
	d.mangle = func(b []byte, toServer bool) [][]byte {
		if toServer && !crossed {
			crossed = true
			h := wire.Header{Type: wire.Initial, Version: wire.VersionProtected, Dst: 0x5555, Src: 0xffff, NumberLen: 1}
			header := wire.Must(wire.AppendHeader(nil, h))
			seal, _, err := protect.NewInitialKeys(0x5555, true)
			if err != nil {
				t.Fatal(err)
			}
			frames := wire.AppendPadding(wire.Must(wire.AppendCrypto(nil, 0, []byte("hello"))), 1200)
			d.post(letter{at: d.now, to: d.client, b: seal.Seal(append(header, frames...), 0, len(header), 0)})
		}
		return [][]byte{b}
	}
	d.exchange(1000, time.Minute)
	if n := d.client.Info().Stats.Unexpected; !crossed || n != 1 {
		t.Errorf("%d unexpected packets", n)
	}
}

// TestSecureFirstPacket [W239]: a server begins with a packet that opens, and opens a connection.
func TestSecureFirstPacket(t *testing.T) {
	crypto := wire.Must(wire.AppendCrypto(nil, 0, []byte("hello")))
	for _, tt := range []struct {
		what   string
		dst    wire.ID // whose keys seal it
		frames []byte
		want   bool
	}{
		{"CRYPTO", duoDst, crypto, true},
		{"PING", duoDst, wire.AppendPing(nil), false},
		{"CRYPTO and CLOSE", duoDst, wire.AppendClose(crypto, wire.CodeReset, ""), false},
		{"other keys", duoClient, crypto, false},
	} {
		d := newDuo(t, 1)
		d.server.open()
		seal, _, err := protect.NewInitialKeys(tt.dst, true)
		if err != nil {
			t.Fatal(err)
		}
		header := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Initial, Version: wire.VersionProtected, Dst: duoDst, Src: duoClient, NumberLen: 1}))
		packet := wire.AppendPadding(append(header, tt.frames...), 1200)
		d.server.HandleSegment(0, &engine.Arrival{Path: d.server.path}, seal.Seal(packet, 0, len(header), 0))
		if got := d.server.Begun(); got != tt.want {
			t.Errorf("%s: begun %v, want %v", tt.what, got, tt.want)
		}
		var buf [1 << 16]byte
		if b, _ := d.server.AppendSegments(0, buf[:0], len(buf)); len(b) > 0 && !tt.want {
			t.Errorf("%s: answered", tt.what)
		}
	}
}

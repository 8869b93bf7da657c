package engine_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/limits"
)

var mutations = flag.Int("mutations", 20_000, "how many datagrams TestMutatedDatagrams makes up")

// tapped is a live connection whose packets are kept as seeds of others.
type tapped struct {
	client, server *simnet.Flow
	sent, got      [2]int // bytes from the client, and from the server
}

// TestMutatedDatagrams: datagrams that are made of the connections' own, with bits flipped, parts cut out, doubled, swapped or made
// up, and from whom and to whom they seem to be as true as can be, panic nowhere, change no byte, close no connection and leave nothing.
func TestMutatedDatagrams(t *testing.T) {
	r := rand.New(rand.NewPCG(*firstSeed, 11))
	var seeds [][]byte
	tap := func(_ int, b []byte) bool {
		if len(seeds) < 4000 {
			seeds = append(seeds, append([]byte(nil), b...))
		} else {
			i := r.IntN(len(seeds))
			seeds[i] = append(seeds[i][:0], b...)
		}
		return false
	}
	w := newWorld(t, *firstSeed, simnet.LinkConfig{Delay: rtt / 2, Drop: tap}, simnet.LinkConfig{Delay: rtt / 2, Drop: tap})
	c := limits.Unlimited().Config()
	c.Process.HalfOpen = 1000
	m, err := limits.New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.server.SetLimits(m)
	var live []*tapped
	for range 8 {
		client, server := w.connect()
		live = append(live, &tapped{client: client, server: server})
	}
	stranger := netip.MustParseAddrPort("203.0.113.66:6666")
	for done := 0; done < *mutations; {
		for _, l := range live {
			l.talk(t)
		}
		w.Run(2 * time.Millisecond)
		for range 100 {
			from, to := w.client.Addr, w.server
			if r.IntN(2) == 0 {
				from, to = w.server.Addr, w.client
			}
			if r.IntN(8) == 0 {
				from = stranger
			}
			to.Inject(from, mutated(r, seeds))
			done++
		}
	}
	w.Run(30 * time.Second)
	for i, l := range live {
		l.read(t)
		if l.client.Removed || l.server.Removed || l.sent != l.got {
			t.Errorf("connection %d: sent %v, got %v, over: %v, %v", i, l.sent, l.got, l.client.Conn.Err(), l.server.Conn.Err())
		}
	}
	w.Run(time.Minute)
	s := m.Snapshot()
	if s.Process.Inbound.Used != int64(len(live)) || s.Process.HalfOpen.Used != 0 || s.Process.Memory.Used > int64(len(live))*(limits.Overhead+64<<10) {
		t.Errorf("what is left: %+v", s.Process)
	}
	t.Logf("%d datagrams; %d opened", *mutations, s.Opened)
}

// content is byte i of what each side sends.
func content(i int) byte { return byte(i*7 + i>>8) }

// talk has both sides say a little, and read what is there.
func (l *tapped) talk(t *testing.T) {
	for side, f := range []*simnet.Flow{l.client, l.server} {
		b := make([]byte, 1+l.sent[side]%1800)
		for i := range b {
			b[i] = content(l.sent[side] + i)
		}
		n, err := f.Conn.Write(b)
		if err != nil {
			t.Fatal(err)
		}
		l.sent[side] += n
		f.Flush()
	}
	l.read(t)
}

func (l *tapped) read(t *testing.T) {
	buf := make([]byte, 4096)
	for side, f := range []*simnet.Flow{l.server, l.client} {
		for n, _ := f.Conn.Read(buf); n > 0; n, _ = f.Conn.Read(buf) {
			for i, b := range buf[:n] {
				if b != content(l.got[side]+i) {
					t.Fatalf("byte %d is %d", l.got[side]+i, b)
				}
			}
			l.got[side] += n
			f.Flush()
		}
	}
}

// mutated makes a datagram of some that were seen. None is as it was: a repeated one is another test's.
func mutated(r *rand.Rand, seeds [][]byte) []byte {
	if len(seeds) == 0 || r.IntN(10) == 0 {
		b := make([]byte, r.IntN(1500))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	from := [][]byte{seeds[r.IntN(len(seeds))]}
	b := append([]byte(nil), from[0]...)
	for range 1 + r.IntN(4) {
		if len(b) == 0 {
			return b
		}
		at := r.IntN(len(b))
		switch r.IntN(6) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			b[at] ^= byte(1 + r.IntN(255))
		case 2:
			b = b[:at]
		case 3:
			b = append(b, b[at:]...)
			b[at] ^= 0x40
		case 4:
			other := seeds[r.IntN(len(seeds))]
			from = append(from, other)
			b = append(b[:at], other[min(at, len(other)):]...)
			b = append(b, 0)
		case 5:
			b = append(b[:at], append([]byte{byte(r.Uint32())}, b[at:]...)...)
		}
	}
	b = b[:min(len(b), 1472)]
	for slices.ContainsFunc(from, func(seed []byte) bool { return bytes.Equal(b, seed) }) {
		b[r.IntN(len(b))] ^= 1
	}
	return b
}

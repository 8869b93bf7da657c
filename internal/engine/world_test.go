package engine_test

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// world is two stations, a client's and a server's, and what lies between.
type world struct {
	*simnet.Sim
	t              testing.TB
	client, server *simnet.Station
	up, down       *simnet.Link // from the client, to the client
	accepted       []*simnet.Flow
	onAccept       func(*simnet.Flow)
	killed         *simnet.Station // whose process is or will be killed; nil: neither's
}

// over reports whether a flow has ended, or its process was killed.
func (w *world) over(f *simnet.Flow) bool { return f.Removed || f.Dead() }

func newWorld(t testing.TB, seed uint64, up, down simnet.LinkConfig) *world {
	w := &world{Sim: simnet.NewSim(seed), t: t}
	w.client = w.NewStation("10.0.0.1:1000", fixedFactory(64<<10))
	w.server = w.NewStation("10.0.0.2:2000", fixedFactory(64<<10))
	w.server.Accept = func(f *simnet.Flow) {
		w.accepted = append(w.accepted, f)
		if w.onAccept != nil {
			w.onAccept(f)
		}
	}
	w.up, w.down = w.Join(w.client, w.server, up, down)
	return w
}

// path is a plain symmetric path.
func path(rate int64, rtt time.Duration) simnet.LinkConfig {
	return simnet.LinkConfig{Rate: rate, Queue: 256 << 10, Delay: rtt / 2}
}

// connect dials and waits until both ends are there.
func (w *world) connect() (c, s *simnet.Flow) {
	w.t.Helper()
	n := len(w.accepted)
	c = w.client.Dial(w.server)
	if !w.RunUntil(10*time.Second, func() bool { return len(w.accepted) > n && c.Conn.Established() }) {
		w.t.Fatalf("no connection: %+v", c.Conn.Info())
	}
	return c, w.accepted[n]
}

// pattern is the byte at an offset of a stream.
func pattern(salt, offset uint64) byte {
	x := (offset + salt*0x9e37) * 0x9e3779b97f4a7c15
	return byte(x >> 56)
}

// feed writes n bytes of pattern to a flow as room comes, then does end.
type feed struct {
	f    *simnet.Flow
	salt uint64
	sent uint64
	n    uint64
	end  func()
	err  error
	done bool
	buf  []byte
	rest []byte // of buf, not written yet
}

func (p *feed) pump() {
	for !p.done && p.err == nil {
		if p.sent == p.n {
			p.done = true
			if p.end != nil {
				p.end()
			}
			return
		}
		if len(p.rest) == 0 {
			if p.buf == nil {
				p.buf = make([]byte, 32<<10)
			}
			p.rest = p.buf[:min(uint64(len(p.buf)), p.n-p.sent)]
			for i := range p.rest {
				p.rest[i] = pattern(p.salt, p.sent+uint64(i))
			}
		}
		n, err := p.f.Conn.Write(p.rest)
		p.sent += uint64(n)
		p.rest = p.rest[n:]
		p.err = err
		if len(p.rest) > 0 {
			return
		}
	}
}

// sink reads a flow and checks what comes.
type sink struct {
	t    testing.TB
	f    *simnet.Flow
	salt uint64
	got  uint64
	err  error // io.EOF at an orderly end
	max  int   // bytes a turn; 0: all
}

func (p *sink) pump() {
	var buf [16 << 10]byte
	left := p.max
	for p.err == nil {
		b := buf[:]
		if p.max > 0 {
			b = b[:min(left, len(b))]
		}
		if len(b) == 0 {
			return
		}
		n, err := p.f.Conn.Read(b)
		for i := range n {
			if b[i] != pattern(p.salt, p.got+uint64(i)) {
				p.t.Fatalf("wrong byte at offset %d", p.got+uint64(i))
			}
		}
		p.got += uint64(n)
		left -= n
		p.err = err
		if n == 0 {
			return
		}
	}
}

// transfer sends n bytes from the client to the server and closes; it returns
// how long that took until the server had the end.
func (w *world) transfer(n uint64, limit time.Duration) time.Duration {
	w.t.Helper()
	c, s := w.connect()
	start := w.Now()
	in := &sink{t: w.t, f: s, salt: 1}
	out := &feed{f: c, salt: 1, n: n}
	out.end = func() { c.Conn.Close(w.Now()) }
	c.OnChange = out.pump
	s.OnChange = func() {
		in.pump()
		if in.err != nil {
			s.Conn.Close(w.Now())
		}
	}
	c.Flush()
	if !w.RunUntil(limit, func() bool { return in.err != nil }) {
		w.t.Fatalf("after %v: %d of %d bytes\nclient %+v\nserver %+v", limit, in.got, n, c.Conn.Info(), s.Conn.Info())
	}
	took := w.Now() - start
	if in.err != io.EOF || in.got != n {
		w.t.Fatalf("got %d of %d bytes, then %v", in.got, n, in.err)
	}
	if !w.RunUntil(time.Minute, func() bool { return c.Removed && s.Removed }) {
		w.t.Fatalf("not over a minute after the end:\nclient %+v\nserver %+v", c.Conn.Info(), s.Conn.Info())
	}
	if !c.Conn.Delivered() || c.Conn.Err() != nil || s.Conn.Err() != nil {
		w.t.Fatalf("delivered %v, client %v, server %v", c.Conn.Delivered(), c.Conn.Err(), s.Conn.Err())
	}
	if n := w.client.Chunks() + w.server.Chunks(); n != 0 {
		w.t.Fatalf("%d chunks were not given back", n)
	}
	return took
}

// talk counts the packets of a link that say something, by their description.
type talk struct {
	said map[string]int
	drop func(b []byte) bool // nil: nothing is lost
}

func (k *talk) link() simnet.LinkConfig {
	k.said = make(map[string]int)
	return simnet.LinkConfig{Delay: rtt / 2, Drop: func(_ int, b []byte) bool {
		for line := range strings.Lines(wire.Describe(b)) {
			k.said[strings.TrimSpace(line)]++
		}
		return k.drop != nil && k.drop(b)
	}}
}

// frames is how many frames began with the word.
func (k *talk) frames(word string) (n int) {
	for line, times := range k.said {
		if strings.HasPrefix(line, word+" ") {
			n += times
		}
	}
	return n
}

// newRand is a generator for a test's own choices.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 99)) }

var _ = engine.Never

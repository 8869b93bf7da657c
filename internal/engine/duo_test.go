package engine_test

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/internal/protect"
	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/wire"
)

// duo is two protected connections without endpoints, and a network between them that does what its seed says.
type duo struct {
	t     testing.TB
	now   time.Duration
	queue letters
	sent  int // letters, for their order
	rand  *rand.Rand
	trace interface {
		io.Writer
		Sum64() uint64
	}

	client, server *player
	delay          time.Duration                          // of each packet
	mangle         func(b []byte, toServer bool) [][]byte // what becomes of a packet; nil: it arrives
	params         func(client bool, p *engine.Params)    // changes what a side is made from
	script         scripted.Script
	work           time.Duration // for how long a handshaker works each time; 0: it is done at once
}

// player is one side.
type player struct {
	*engine.Conn
	duo     *duo
	peer    *player
	client  bool
	path    engine.Path
	shake   protect.Handshake
	working bool
	out     []byte // still to be written
	closes  bool   // when that is done
	in      bytes.Buffer
	err     error // of reading
}

// letter is a datagram, a time at which to look again, or news of a handshaker.
type letter struct {
	at   time.Duration
	n    int
	to   *player
	b    []byte
	news bool
}

type letters []letter

func (l letters) Len() int { return len(l) }
func (l letters) Less(i, j int) bool {
	return l[i].at < l[j].at || l[i].at == l[j].at && l[i].n < l[j].n
}
func (l letters) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *letters) Push(x any)   { *l = append(*l, x.(letter)) }
func (l *letters) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

const duoDst, duoClient, duoServer wire.ID = 0x1111, 0x2222, 0x3333

func newDuo(t testing.TB, seed uint64) *duo {
	d := &duo{t: t, rand: rand.New(rand.NewPCG(seed, 1)), trace: fnv.New64a(), delay: 10 * time.Millisecond, script: scripted.Script{Seed: seed}}
	a, b := netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("192.0.2.2:2000")
	d.client = &player{duo: d, client: true, path: engine.Path{Local: a, Remote: b}}
	d.server = &player{duo: d, path: engine.Path{Local: b, Remote: a}}
	d.client.peer, d.server.peer = d.server, d.client
	return d
}

// open makes a side's connection.
func (p *player) open() {
	d := p.duo
	params := engine.Params{
		Client: p.client, Local: duoServer, Peer: duoClient, OriginalDst: duoDst, Path: p.path, Chunks: &pool{},
		Controller: &fixed{window: 64 << 10, quiet: true}, SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20, MaxDatagram: 1452,
		KeepAlive: 15 * time.Second, IdleTimeout: 30 * time.Second, HandshakeTimeout: 10 * time.Second,
		LingerTimeout: 30 * time.Second, UserTimeout: 30 * time.Second, Seed: 7,
	}
	if p.client {
		params.Local, params.Peer, params.OriginalDst = duoClient, duoDst, 0
	}
	params.Handshake = func(ours []byte) protect.Handshake {
		script := d.script
		script.Client, script.Held = p.client, d.work > 0
		p.shake = scripted.New(script, ours)
		return p.shake
	}
	if d.params != nil {
		d.params(p.client, &params)
	}
	p.Conn = engine.New(d.now, params)
}

// post sends a letter.
func (d *duo) post(l letter) {
	d.sent++
	l.n = d.sent
	heap.Push(&d.queue, l)
}

// deliver puts a packet on the way.
func (d *duo) deliver(to *player, b []byte) {
	all := [][]byte{b}
	if d.mangle != nil {
		all = d.mangle(b, to == d.server)
	}
	for _, b := range all {
		d.post(letter{at: d.now + d.delay, to: to, b: b})
	}
}

// flush has a side write, read and send what it can, and sets its timer.
func (p *player) flush() {
	d := p.duo
	p.pump()
	for range 1000 {
		var buf [1 << 16]byte
		b, train := p.AppendSegments(d.now, buf[:0], len(buf))
		if len(b) == 0 {
			break
		}
		for len(b) > 0 {
			n := min(train.SegmentSize, len(b))
			d.note(p.client, b[:n])
			d.deliver(p.peer, bytes.Clone(b[:n]))
			b = b[n:]
		}
		p.pump()
	}
	if s, ok := p.shake.(*tlsdriver.Session); ok && s.TakeWork() {
		s.Work(func() { p.HandshakeNews(d.now) })
		p.flush()
		return
	}
	if d.work > 0 && p.shake != nil && !p.working {
		p.working = true
		d.post(letter{at: d.now + d.work, to: p, news: true})
	}
	if at := p.NextTimeout(); at != engine.Never {
		d.post(letter{at: max(at, d.now), to: p})
	}
}

// note makes the packet part of the trace.
func (d *duo) note(client bool, b []byte) {
	head := binary.BigEndian.AppendUint64(nil, uint64(d.now))
	if client {
		head = append(head, 1)
	}
	d.trace.Write(head)
	d.trace.Write(b)
}

// pump writes and reads, if the connection is established.
func (p *player) pump() {
	if !p.Established() {
		return
	}
	for len(p.out) > 0 {
		n, err := p.Write(p.out)
		p.out = p.out[n:]
		if n == 0 || err != nil {
			break
		}
	}
	for p.err == nil {
		var buf [4096]byte
		n, err := p.Read(buf[:])
		p.in.Write(buf[:n])
		if p.err = err; n == 0 {
			break
		}
	}
	if p.closes && len(p.out) == 0 {
		p.closes = false
		p.CloseWrite()
	}
}

// step handles the next letter. It reports false if there is none.
func (d *duo) step() bool {
	if len(d.queue) == 0 {
		return false
	}
	l := heap.Pop(&d.queue).(letter)
	d.now = max(d.now, l.at)
	p := l.to
	switch {
	case l.b != nil && p.Conn == nil:
		h, _, err := wire.ParseSealed(l.b)
		if err != nil || h.Type != wire.Initial || h.Dst != duoDst || h.Src != duoClient {
			return true
		}
		p.open()
		p.HandleSegment(d.now, &engine.Arrival{Path: p.path, At: d.now}, l.b)
	case p.Conn == nil:
		return true
	case l.b != nil:
		p.HandleSegment(d.now, &engine.Arrival{Path: p.path, At: d.now}, l.b)
	case l.news:
		p.working = false
		if !p.shake.(*scripted.Handshake).Release() {
			return true
		}
		p.HandshakeNews(d.now)
	case p.NextTimeout() > d.now:
		return true // a timer that was moved
	default:
		p.Advance(d.now)
	}
	p.flush()
	return true
}

// run goes on until done, and reports whether that came before the limit.
func (d *duo) run(limit time.Duration, done func() bool) bool {
	if d.client.Conn == nil {
		d.client.open()
		d.client.flush()
	}
	for until := d.now + limit; d.now < until; {
		if done() {
			return true
		}
		if !d.step() {
			return done()
		}
	}
	return false
}

// established reports whether both sides are.
func (d *duo) established() bool {
	return d.client.Established() && d.server.Conn != nil && d.server.Established()
}

// exchange has both sides send n bytes each and end, and checks what arrives.
func (d *duo) exchange(n int, limit time.Duration) {
	d.t.Helper()
	for salt, p := range []*player{d.client, d.server} {
		p.out = make([]byte, n)
		for i := range p.out {
			p.out[i] = pattern(uint64(salt), uint64(i))
		}
		p.closes = true
	}
	over := func() bool { return d.client.err != nil && d.server.err != nil }
	if !d.run(limit, over) {
		d.t.Fatalf("after %v: client has %d bytes, server %d, of %d", d.now, d.client.in.Len(), d.server.in.Len(), n)
	}
	for salt, p := range []*player{d.server, d.client} {
		if p.err != io.EOF || p.in.Len() != n {
			d.t.Fatalf("%d of %d bytes, then %v", p.in.Len(), n, p.err)
		}
		for i, b := range p.in.Bytes() {
			if b != pattern(uint64(salt), uint64(i)) {
				d.t.Fatalf("byte %d is wrong", i)
			}
		}
	}
}

package simnet

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// Sim runs endpoints over links in virtual time on one goroutine. Equal seeds and
// calls give equal results, bit for bit.
type Sim struct {
	now    time.Duration
	events queue[happening]
	seed   uint64
	made   uint64 // stations, for their seeds

	free  []*simPacket // buffers of those that have arrived
	batch batch        // what a flush is sending
}

// happening is what is due at a time: a datagram reaches a station, a flow's timer
// fires, or f is called. Whichever it is, noting it allocates nothing but f.
type happening struct {
	packet *simPacket
	flow   *Flow
	f      func()
}

// simPacket is a datagram on its way, or a report that one was lost.
type simPacket struct {
	b      []byte
	from   netip.AddrPort // of a report: where the lost one was sent to
	dst    netip.AddrPort // where it was sent to
	to     *Station
	nat    *SimNAT // where it comes to instead
	sender *Station
	ecn    endpoint.ECN
	dscp   uint8
	train  train
	icmp   ICMPCode // what it reports; 0: it is a datagram

	link     *Link         // behind an AQM
	queuedAt time.Duration // when it came to the AQM

	arrivedAt time.Duration // when it came to its station, where a paused process may not have read it
}

// train is what a datagram was sent with: how many datagrams, with how many bytes in all. The zero value is a
// datagram that was sent alone.
type train struct{ segments, bytes int }

// size is what it takes of a link.
func (p *simPacket) size() int { return len(p.b) + DefaultOverhead }

// NewSim returns a simulation at time 0.
func NewSim(seed uint64) *Sim { return &Sim{seed: seed} }

// Now is the virtual time.
func (s *Sim) Now() time.Duration { return s.now }

// At runs f at time t, or at once if that has passed. Functions of one time run
// in the order of the calls.
func (s *Sim) At(t time.Duration, f func()) { s.events.push(max(t, s.now), happening{f: f}) }

// After runs f when d has passed.
func (s *Sim) After(d time.Duration, f func()) { s.At(s.now+d, f) }

// Run lets d pass.
func (s *Sim) Run(d time.Duration) {
	end := s.now + d
	for s.step(end) {
	}
	s.now = end
}

// RunUntil lets time pass until cond holds, at most d, and reports whether it does.
func (s *Sim) RunUntil(d time.Duration, cond func() bool) bool {
	end := s.now + d
	for !cond() {
		if !s.step(end) {
			s.now = end
			return cond()
		}
	}
	return true
}

// Idle reports whether nothing is left to happen.
func (s *Sim) Idle() bool { return s.events.len() == 0 }

func (s *Sim) step(end time.Duration) bool {
	at, e, ok := s.events.pop(end)
	if !ok {
		return false
	}
	s.now = at
	switch {
	case e.packet != nil:
		if p := e.packet; p.nat != nil {
			p.nat.admit(p)
		} else {
			p.to.arrive(p)
		}
	case e.flow != nil:
		e.flow.expire(at)
	default:
		e.f()
	}
	return true
}

// copyOf is a packet like p with the bytes of b, in memory that recycle takes back.
func (s *Sim) copyOf(b []byte, like simPacket) *simPacket {
	var p *simPacket
	if n := len(s.free); n > 0 {
		p, s.free = s.free[n-1], s.free[:n-1]
	} else {
		p = &simPacket{b: make([]byte, 0, 1500)}
	}
	like.b = append(p.b[:0], b...)
	*p = like
	return p
}

func (s *Sim) recycle(p *simPacket) { s.free = append(s.free, p) }

// Station is a host in a Sim: an endpoint and its connections.
type Station struct {
	Addr  netip.AddrPort
	Clock Clock
	// Accept is called with every connection that a peer has made; nil: there is
	// no listener.
	Accept func(*Flow)
	// Adjust, if not nil, changes the parameters of a connection before it is
	// made.
	Adjust func(*endpoint.Params)
	// Controller makes the congestion controllers.
	Controller congestion.Factory
	// Unreachable, if not nil, is told what ICMP reports of datagrams that the station has sent, beside the flow that
	// is concerned. What u quotes is borrowed.
	Unreachable func(u Unreachable)
	// ReadBuffer is how many bytes the socket keeps for a paused process, DefaultOverhead for each datagram
	// included; at least one datagram fits. 0 or less: DefaultReadBuffer.
	ReadBuffer int
	// ReportEvery is how often the host of a dead process reports to one peer that the port is unreachable,
	// after six at once. Linux does so once a second. 0 or less: always.
	ReportEvery time.Duration
	// Pool, if not nil, is the budget that the connections share from now on, with their weight.
	Pool   *pool.Pool
	Weight int
	// ReadTimes says that the socket does not tell when a datagram arrived: it counts as arrived when the process
	// reads it.
	ReadTimes bool
	// DSCP, if not 0, is the class of service of every datagram that the station sends (RFC 2474), up to 63. Otherwise it is what
	// each connection asks for.
	DSCP uint8
	// Limits, if not nil, has the books of the station's connections: see SetLimits.
	Limits *limits.Manager

	held     []*limits.Conn // of the process, if there are Limits
	sim      *Sim
	endpoint *endpoint.Endpoint[*Flow]
	bounds   endpoint.Bounds
	routes   map[netip.AddrPort]route // by station, or by the address of a NAT and port 0
	nat      *SimNAT                  // the station is behind it; nil: none
	rng      *rand.Rand
	chunks   *chunkHeap // of the process

	process process
	script  *scripted.Script // of handshakes; nil: connections are plain
}

type route struct {
	link *Link
	to   *Station
	nat  *SimNAT // the link ends at this one instead
	aqm  *AQM    // before the link; nil: none
}

// Flow is one connection of a Station. After any use of Conn call Flush.
type Flow struct {
	endpoint.Driver
	// OnChange, if not nil, is called after every event of the connection: the
	// place for an application.
	OnChange func()
	// Instead is, for a dial that crossed the peer's and lost to it, the
	// connection that takes its place.
	Instead *Flow
	Removed bool // the connection is over, and a tombstone is in its place

	station *Station
	life    int // of the station's process
	remote  netip.AddrPort
	armed   time.Duration // true time of the timer that is set
}

// NewStation adds a host that makes its controllers with factory.
func (s *Sim) NewStation(addr string, factory congestion.Factory) *Station {
	s.made++
	st := &Station{Addr: netip.MustParseAddrPort(addr), Controller: factory, sim: s, routes: make(map[netip.AddrPort]route)}
	st.rng = rand.New(rand.NewPCG(s.seed, s.made))
	st.Restart()
	return st
}

// SetBounds replaces the bounds of the station's endpoint and restarts it. The
// seed is the station's own.
func (st *Station) SetBounds(b endpoint.Bounds) {
	st.bounds = b
	st.Restart()
}

// Restart forgets everything, as a process that was killed and started again. Nothing more comes from the
// flows that it had.
func (st *Station) Restart() {
	for _, p := range st.process.held {
		st.sim.recycle(p)
	}
	st.process = process{life: st.process.life + 1}
	st.chunks = new(chunkHeap)
	for i := range 4 {
		binary.LittleEndian.PutUint64(st.bounds.Seed[8*i:], st.rng.Uint64())
	}
	st.renewLimits()
	st.endpoint = endpoint.New[*Flow](endpoint.Config{Bounds: st.bounds, Numbers: st.numbers})
}

// numbers draws those of a connection.
func (st *Station) numbers() endpoint.Numbers {
	stamp := st.rng.Uint32()
	return endpoint.Numbers{Stamp: stamp, Seed: uint64(stamp) * 0x9e3779b97f4a7c15, Controller: st.rng.Uint64()}
}

// Endpoint is the endpoint of the station's process.
func (st *Station) Endpoint() *endpoint.Endpoint[*Flow] { return st.endpoint }

// Chunks is the number of chunks of memory that the connections hold now.
func (st *Station) Chunks() int { return st.chunks.lent }

// Route sends what goes to a station over a link. Several may share one.
func (st *Station) Route(to *Station, l *Link) { st.route(to, l, nil) }

// RouteElsewhere sends what goes to no station over a link, whose Drop has to take it.
func (st *Station) RouteElsewhere(l *Link) { st.routes[netip.AddrPort{}] = route{link: l} }

func (st *Station) route(to *Station, l *Link, q *AQM) {
	if to.nat != nil && to.nat != st.nat {
		st.routes[netip.AddrPortFrom(to.nat.addr, 0)] = route{link: l, nat: to.nat, aqm: q}
		return
	}
	st.routes[to.Addr] = route{link: l, to: to, aqm: q}
}

// Join connects two stations by a link each way.
func (s *Sim) Join(a, b *Station, ab, ba LinkConfig) (*Link, *Link) {
	x, y := NewLink(ab, s.seed*2+1), NewLink(ba, s.seed*2+2)
	a.Route(b, x)
	b.Route(a, y)
	return x, y
}

// clock is the station's time.
func (st *Station) clock() time.Duration { return st.Clock.Show(st.sim.now) }

// Dial starts a connection; nil: a limit is reached.
func (st *Station) Dial(to *Station) *Flow { return st.DialAddr(to.Addr) }

// DialAddr starts a connection to an address, such as a station behind a NAT has outside.
func (st *Station) DialAddr(to netip.AddrPort) *Flow {
	f := st.newFlow(to)
	p, err := st.endpoint.Dial(st.clock(), st.settings(), endpoint.Path{Local: st.Addr, Remote: to}, f)
	if err != nil {
		return nil
	}
	f.start(p)
	f.Flush()
	return f
}

func (st *Station) newFlow(remote netip.AddrPort) *Flow {
	return &Flow{station: st, life: st.process.life, remote: remote, armed: endpoint.Never}
}

// start makes the flow's connection.
func (f *Flow) start(p endpoint.Params) {
	f.station.protect(&p)
	if adjust := f.station.Adjust; adjust != nil {
		adjust(&p)
	}
	f.Start(f.station.clock(), p)
}

// settings is what every connection of a station begins with.
func (st *Station) settings() *endpoint.Settings {
	return &endpoint.Settings{
		Congestion: st.Controller,
		Chunks:     st.lender,
		SendBuffer: 16 << 20, ReceiveBuffer: 16 << 20,
		KeepAlive: 15 * time.Second, IdleTimeout: 30 * time.Second, UserTimeout: 30 * time.Second,
		HandshakeTimeout: 10 * time.Second, LingerTimeout: 30 * time.Second,
		MaxDatagram4: 1472, MaxDatagram6: 1472,
	}
}

// Inject hands the station a datagram as if it had come from there.
func (st *Station) Inject(from netip.AddrPort, b []byte) {
	st.arrive(st.sim.copyOf(b, simPacket{from: from, dst: st.Addr, to: st}))
}

// arrive ends the way of a packet, which is the station's from here on.
func (st *Station) arrive(p *simPacket) {
	p.arrivedAt = st.sim.now
	st.read(p)
}

// read has the station's process read a packet, if it runs.
func (st *Station) read(p *simPacket) {
	switch st.process.state {
	case paused:
		st.hold(p)
		return
	case dead:
		st.refuse(p)
		return
	}
	if f := st.handle(p); f != nil {
		f.Flush()
	}
	st.sim.recycle(p)
}

// handle takes what a packet says. The flow that it was for, if any, is to be flushed.
func (st *Station) handle(p *simPacket) *Flow {
	if p.icmp != 0 {
		return st.handleReport(Unreachable{p.icmp, p.from, p.b})
	}
	now := st.clock()
	a := endpoint.Arrival{Path: endpoint.Path{Local: st.Addr, Remote: p.from}, At: now, ECN: p.ecn}
	if p.arrivedAt != st.sim.now && !st.ReadTimes {
		a.At = st.Clock.Show(p.arrivedAt)
	}
	st.endpoint.SetListening(st.Accept != nil)
	v := st.endpoint.Route(now, p.from, p.b, nil)
	if v.Displaced != nil {
		v.Displaced.Conn.Cut()
		v.Displaced.Flush()
	}
	switch v.Action {
	case endpoint.Reply:
		st.send(p.from, v.Reply, endpoint.NotECT, 0, train{})
		return nil
	case endpoint.Open:
		v.Conn = st.newFlow(p.from)
		v.Conn.start(st.endpoint.Open(now, st.settings(), a.Path, v, v.Conn))
		if d := v.Yields; d != nil {
			d.Input(now, &a, p.b)
			d.Flush()
		}
	case endpoint.Deliver:
	default:
		return nil
	}
	v.Conn.Input(now, &a, p.b)
	return v.Conn
}

// send puts a datagram on the way.
func (st *Station) send(to netip.AddrPort, b []byte, ecn endpoint.ECN, dscp uint8, t train) {
	from := st.Addr
	if st.nat != nil && st.nat.inside[to] == nil {
		if from = st.nat.source(st, to); !from.IsValid() {
			return
		}
	}
	st.dispatch(b, simPacket{from: from, dst: to, ecn: ecn, dscp: cmp.Or(st.DSCP, dscp), train: t})
}

// dispatch sends a packet to its destination, by the link there or through the station's own NAT.
func (st *Station) dispatch(b []byte, p simPacket) {
	p.sender = st
	if st.nat != nil && p.dst.Addr() == st.nat.addr { // a hairpin
		p.nat = st.nat
		st.sim.deliver(st.sim.now, st.sim.copyOf(b, p))
		return
	}
	r, ok := st.routes[p.dst]
	if !ok {
		r, ok = st.routes[netip.AddrPortFrom(p.dst.Addr(), 0)]
	}
	if !ok {
		r, ok = st.routes[netip.AddrPort{}]
	}
	if ok {
		p.to, p.nat = r.to, r.nat
		r.carry(st.sim.copyOf(b, p))
	}
}

// carry sends a packet over the route. It is the Sim's from here on.
func (r route) carry(p *simPacket) {
	if r.aqm == nil {
		r.link.carry(p.sender.sim, p)
		return
	}
	p.link = r.link
	r.aqm.enqueue(p)
}

// carry sends a packet over the link. It is the Sim's from here on.
func (l *Link) carry(s *Sim, p *simPacket) {
	f := l.pass(Packet{At: s.now, Payload: p.b, ECN: p.ecn, DSCP: p.dscp, Segments: p.train.segments, Train: p.train.bytes, ICMP: p.icmp})
	if f.n == 0 {
		if f.report != 0 && p.icmp == 0 { // RFC 1122 section 3.2.2: none about a report
			s.deliver(f.reportAt, s.copyOf(quote(p.b), simPacket{from: p.dst, dst: p.from, to: p.sender, icmp: f.report}))
		}
		s.recycle(p)
		return
	}
	var twin *simPacket
	if f.n == 2 { // before the original is changed
		twin = s.copyOf(p.b, *p)
		f.arrivals[1].Apply(twin.b)
	}
	p.ecn = f.arrivals[0].ECN
	f.arrivals[0].Apply(p.b)
	s.deliver(f.arrivals[0].At, p)
	if twin != nil {
		twin.ecn = f.arrivals[1].ECN
		s.deliver(f.arrivals[1].At, twin)
	}
}

// deliver hands a datagram to its station at a time, or at once if that has passed.
func (s *Sim) deliver(at time.Duration, p *simPacket) {
	s.events.push(max(at, s.now), happening{packet: p})
}

// Remote is where the flow's datagrams go to.
func (f *Flow) Remote() netip.AddrPort { return f.remote }

// over says that nothing more comes from the flow: it is removed, or its process has ended.
func (f *Flow) over() bool { return f.Removed || f.Dead() }

// Flush calls OnChange, sends what is due and sets the timer.
func (f *Flow) Flush() {
	if f.Flushing() || f.over() {
		return
	}
	if f.station.process.state == paused {
		f.station.postpone(f)
		return
	}
	f.BeginFlush()
	f.report(f.Changed())
	if f.OnChange != nil {
		f.OnChange()
	}
	if f.over() { // the application has killed its process
		return
	}
	f.Join(f.station.Pool, f.station.Weight)
	turn := endpoint.Again
	for turn == endpoint.Again {
		turn = f.sendBatch()
	}
	f.report(f.Changed())
	switch {
	case f.Removed:
		if f.OnChange != nil {
			f.OnChange()
		}
	case turn == endpoint.Others:
		f.arm(f.station.clock())
	default:
		f.arm(f.NextTimeout())
	}
}

// batch is what a flush hands to the network at once.
type batch struct {
	buf    []byte
	trains []sized
}

// sized is a train of so many bytes.
type sized struct {
	endpoint.Train
	bytes int
}

// sendBatch sends as much as a socket takes at once, and says who is next.
func (f *Flow) sendBatch() endpoint.Turn {
	now := endpoint.Clock{Engine: f.station.clock(), Pool: f.station.sim.now}
	b := &f.station.sim.batch
	if b.buf == nil {
		b.buf = make([]byte, 0, endpoint.BatchBytes)
	}
	buf := b.buf[:0]
	b.trains = b.trains[:0]
	for {
		longer, t := f.Append(now, buf, len(b.trains))
		if len(longer) == len(buf) {
			break
		}
		b.trains = append(b.trains, sized{t, len(longer) - len(buf)})
		buf = longer
	}
	if len(buf) == 0 {
		return endpoint.Over
	}
	for _, t := range b.trains {
		f.send(buf[:t.bytes], t.Train)
		buf = buf[t.bytes:]
	}
	return f.Sent(false)
}

// send puts a train on the way, datagram by datagram.
func (f *Flow) send(b []byte, t endpoint.Train) {
	whole := train{segments: (len(b) + t.SegmentSize - 1) / t.SegmentSize, bytes: len(b)}
	for len(b) > 0 {
		n := min(t.SegmentSize, len(b))
		f.station.send(f.remote, b[:n], t.ECN, t.DSCP, whole)
		b = b[n:]
	}
}

// report tells the endpoint what has become of the flow, and does what follows.
func (f *Flow) report(t endpoint.Topic) {
	if t == 0 {
		return
	}
	st := f.station
	e := st.endpoint
	ev := e.Report(st.clock(), f, f.News(t))
	f.Removed = f.Ended()
	if ev.Dial != nil && ev.Result != ev.Dial {
		ev.Dial.Instead = ev.Result
	}
	if ev.Abort != nil {
		ev.Abort.Conn.Abort(st.clock())
		ev.Abort.Flush()
	}
	if ev.Refuse != nil {
		ev.Refuse.Conn.Refuse(st.clock())
		ev.Refuse.Flush()
	}
	if ev.Queued {
		c, _ := e.Next()
		st.Accept(c)
	}
	st.sweepAt(e, ev.Sweep)
}

// sweepAt has an endpoint forget the closed connections that were remembered long enough.
func (st *Station) sweepAt(e *endpoint.Endpoint[*Flow], at time.Duration) {
	if at != endpoint.Never {
		st.sim.At(st.Clock.whenFrom(st.sim.now, at), func() { st.sweepAt(e, e.Sweep(st.clock())) })
	}
}

// arm has the flow looked after at a time of its station's, unless something is set before it.
func (f *Flow) arm(at time.Duration) {
	if !f.Due(at) {
		return
	}
	if at := f.station.Clock.whenFrom(f.station.sim.now, at); at < f.armed {
		f.armed = at
		f.station.sim.events.push(at, happening{flow: f})
	}
}

// expire handles a timer that was set for a time: one that was set anew since
// does nothing.
func (f *Flow) expire(at time.Duration) {
	if f.armed != at || f.over() {
		return
	}
	if f.station.process.state == paused {
		f.station.postpone(f)
		return
	}
	f.armed = endpoint.Never
	f.Expire(f.station.clock())
	f.Flush()
}

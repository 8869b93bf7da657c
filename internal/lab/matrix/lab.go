package matrix

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/lab/simnet"
)

const (
	kbit = 1000 // bit/s
	mbit = 1000 * kbit
	kb   = 1000 // bytes
	mb   = 1000 * kb

	queueStep = time.Millisecond      // between two samples of the queue
	flowStep  = 10 * time.Millisecond // between two samples of the flows
	settling  = 10 * time.Second      // excluded after the last flow began
)

// path is what lies between senders and receivers: a bottleneck that all share, and a way back.
type path struct {
	rate   int64             // of the bottleneck, bit/s
	rtt    time.Duration     // without queue
	buffer int               // of the bottleneck, bytes
	aqm    *simnet.AQMConfig // manages the bottleneck's queue; its Rate and Limit are the path's
	// out and back, if not nil, change the two directions further.
	out, back func(*simnet.LinkConfig)
	// probed says that the lab notes what a single packet would see: see lab.delays.
	probed bool
	// lowerEffort says that ours asks for that service (RFC 8622), whatever its controller.
	lowerEffort bool
}

// bdp is the path's bandwidth-delay product in bytes.
func (p path) bdp() int { return int(float64(p.rate) / 8 * p.rtt.Seconds()) }

// lab is a simulated path with the flows on it. Queue and flows are sampled at regular times.
type lab struct {
	*simnet.Sim
	name  string
	seed  uint64
	path  path
	out   *simnet.Link // the bottleneck
	back  *simnet.Link
	aqm   *simnet.AQM // the bottleneck instead of out; nil: none
	flows []*flow

	queue  []uint32 // at the bottleneck, µs, every queueStep
	delays []uint32 // of a packet beyond propagation, jitter included, µs, every queueStep; only if probed
	passed []int64  // bytes that have left the bottleneck, every flowStep

	subject congestion.Factory
	rng     *rand.Rand
	buffer  []byte // zeroes to send
	scratch []byte // what was received
}

// lab sets a path up. Those of one seed draw the same numbers.
func (e *Env) lab(name string, p path) *lab {
	l := &lab{
		Sim: simnet.NewSim(e.Seed), name: name, seed: e.Seed, path: p, subject: e.Subject,
		rng:    rand.New(rand.NewPCG(e.Seed, 7)),
		buffer: make([]byte, 64<<10), scratch: make([]byte, 64<<10),
	}
	out := simnet.LinkConfig{Rate: p.rate / 8, Queue: p.buffer, Delay: p.rtt / 2}
	back := simnet.LinkConfig{Delay: p.rtt - p.rtt/2}
	if p.out != nil {
		p.out(&out)
	}
	if p.back != nil {
		p.back(&back)
	}
	if p.aqm != nil {
		cfg := *p.aqm
		cfg.Rate, cfg.Limit = p.rate/8, p.buffer
		l.aqm = l.NewAQM(cfg)
		out.Rate, out.Queue = 0, 0
	}
	l.out, l.back = simnet.NewLink(out, e.Seed*2+1), simnet.NewLink(back, e.Seed*2+2)
	l.sample()
	if e.keep {
		e.labs = append(e.labs, l)
	}
	return l
}

// sample records the state of queue and flows, now and after every queueStep.
func (l *lab) sample() {
	now := l.Now()
	wait, passed := l.out.QueueDelay(now), l.out.Stats().Bytes-int64(l.out.Queued(now))
	if l.aqm != nil {
		wait, passed = l.aqm.QueueDelay(now), l.aqm.Stats().Bytes
	}
	l.queue = append(l.queue, uint32(wait/time.Microsecond))
	if l.path.probed {
		l.delays = append(l.delays, uint32(l.out.Probe(now, len(l.delays))/time.Microsecond))
	}
	if now%flowStep == 0 {
		l.passed = append(l.passed, passed)
		for _, f := range l.flows {
			f.sample()
		}
	}
	l.After(queueStep, l.sample)
}

// dropped is how many packets found no room at the bottleneck, or were dropped by its AQM.
func (l *lab) dropped() float64 {
	if l.aqm != nil {
		return float64(l.aqm.Stats().Dropped)
	}
	return float64(l.out.Stats().Dropped)
}

// until runs the lab up to a time.
func (l *lab) until(t time.Duration) { l.Run(t - l.Now()) }

// change changes the bottleneck at a time.
func (l *lab) change(at time.Duration, f func(*simnet.LinkConfig)) {
	l.At(at, func() {
		cfg := l.out.Config()
		f(&cfg)
		l.out.SetConfig(l.Now(), cfg)
	})
}

// flow is a connection seen from outside: one side sends, the other reads.
type flow struct {
	name    string
	lab     *lab
	begin   time.Duration // when it dials
	open    time.Duration // when the dial was answered; 0: not yet
	over    time.Duration // when the receiver had the end of the stream; 0: not yet
	stopped bool

	from, to *simnet.Station
	sender   *simnet.Flow // nil before begin
	receiver *simnet.Flow // nil before the handshake
	cc       congestion.Controller
	app      func() // writes, whenever there may be room
	arrived  func() // after the receiver has read; may be nil

	read      int64   // bytes the receiver has read
	delivered []int64 // the same, every flowStep
	windows   []int32 // of the sender, bytes, every flowStep
}

// flowOptions is what makes a flow different from the others.
type flowOptions struct {
	rtt     time.Duration // 0: the path's
	against bool          // its data go the way that the others' ACKs go
}

// dial makes a flow that begins at a time, moved by up to a round trip unless that is 0.
func (l *lab) dial(name string, factory congestion.Factory, at time.Duration, o flowOptions) *flow {
	if at > 0 {
		at += time.Duration(l.rng.Int64N(int64(l.path.rtt)))
	}
	f := &flow{name: name, lab: l, begin: at}
	f.delivered = make([]int64, len(l.passed))
	f.windows = make([]int32, len(l.passed))
	n := len(l.flows) + 1
	f.from = l.NewStation(fmt.Sprintf("10.0.%d.%d:1", n/200, n%200+1), func(p congestion.Params) congestion.Controller {
		f.cc = factory(p)
		return f.cc
	})
	f.to = l.NewStation(fmt.Sprintf("10.1.%d.%d:1", n/200, n%200+1), factory)
	out, back := l.out, l.back
	if o.against {
		out, back = back, out
	}
	if o.rtt > 0 {
		back = simnet.NewLink(simnet.LinkConfig{Delay: o.rtt - l.out.Config().Delay}, l.rng.Uint64())
	}
	f.from.Route(f.to, out)
	f.to.Route(f.from, back)
	switch {
	case l.aqm != nil && o.against:
		f.to.RouteThrough(f.from, l.aqm, back)
	case l.aqm != nil:
		f.from.RouteThrough(f.to, l.aqm, out)
	}
	f.to.Accept = func(r *simnet.Flow) {
		f.receiver = r
		r.OnChange = f.drain
	}
	l.flows = append(l.flows, f)
	l.At(at, f.start)
	return f
}

func (f *flow) start() {
	f.sender = f.from.Dial(f.to)
	f.sender.OnChange = func() {
		if f.open == 0 && f.sender.Conn.Established() {
			f.open = f.lab.Now()
		}
		if f.open > 0 && !f.stopped && f.app != nil {
			f.app()
		}
	}
}

// drain reads what has come.
func (f *flow) drain() {
	for {
		n, err := f.receiver.Conn.Read(f.lab.scratch)
		f.read += int64(n)
		if err == io.EOF && f.over == 0 {
			f.over = f.lab.Now()
			f.receiver.Conn.Close(f.lab.Now())
		}
		if n == 0 || err != nil {
			break
		}
	}
	if f.arrived != nil {
		f.arrived()
	}
}

// sample records the state of the flow.
func (f *flow) sample() {
	f.delivered = append(f.delivered, f.read)
	window := 0
	if f.cc != nil && !f.stopped {
		window = f.cc.Window()
	}
	f.windows = append(f.windows, int32(window))
}

// stop ends the flow at a time, leaving nothing but what is on the way.
func (f *flow) stop(at time.Duration) {
	f.lab.At(at, func() {
		f.stopped = true
		f.sender.Conn.Abort(f.lab.Now())
		f.sender.Flush()
	})
}

// bulk makes a flow that always has something to send.
func (l *lab) bulk(name string, factory congestion.Factory, at time.Duration) *flow {
	return l.bulkWith(name, factory, at, flowOptions{})
}

// ebb is a bulk flow of ours, as pictures call it.
func (l *lab) ebb(name string, at time.Duration) *flow {
	f := l.bulk(name, l.subject, at)
	if l.path.lowerEffort {
		f.from.Adjust = func(p *endpoint.Params) { p.DSCP = simnet.LE }
	}
	return f
}

func (l *lab) bulkWith(name string, factory congestion.Factory, at time.Duration, o flowOptions) *flow {
	f := l.dial(name, factory, at, o)
	f.app = func() {
		for f.sender.Conn.Writable() {
			if n, err := f.sender.Conn.Write(l.buffer); err != nil || n < len(l.buffer) {
				return
			}
		}
	}
	return f
}

// transfer makes a flow that sends n bytes and closes.
func (l *lab) transfer(name string, factory congestion.Factory, at time.Duration, n int) *flow {
	f := l.dial(name, factory, at, flowOptions{})
	f.app = func() {
		for n > 0 {
			wrote, err := f.sender.Conn.Write(l.buffer[:min(n, len(l.buffer))])
			n -= wrote
			if err != nil || wrote == 0 {
				return
			}
		}
		f.stopped = true // nothing more to write
		f.sender.Conn.Close(l.Now())
	}
	return f
}

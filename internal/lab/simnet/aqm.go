package simnet

import (
	"net/netip"
	"time"

	"example.com/ebb/internal/endpoint"
)

// AQMConfig is a bottleneck that manages its queue: CoDel (RFC 8289), or
// FQ-CoDel (RFC 8290), which gives every flow a queue of its own and serves the
// queues round robin.
type AQMConfig struct {
	// Rate is the speed, in bytes per second of payload and DefaultOverhead;
	// above 0.
	Rate int64
	// Limit is how many bytes may be queued, the datagram on the wire excluded.
	// A single queue drops the newest that does not fit, FQ-CoDel from the head
	// of its longest queue (RFC 8290 section 4.1). 0 or less: unlimited.
	Limit int
	// Target is the standing queue that is tolerated, Interval how long a
	// larger one is. 0: 5 ms and 100 ms (RFC 8289 sections 4.3 and 4.4).
	Target, Interval time.Duration
	// Flows is the number of queues of FQ-CoDel; 0 or less: one, CoDel.
	Flows int
	// Bands is two queues instead of CoDel, by the class of a datagram: LE (RFC 8622) and CS1 wait in the lower one,
	// which is served when the upper one is empty, and otherwise gets a twentieth. Limit is each one's, and drops
	// the newest; Target, Interval, Flows and ECN do not count.
	Bands bool
	// ECN marks what can be marked instead of dropping it (RFC 8289 section
	// 5.4, RFC 8290 section 4.2).
	ECN bool
}

// AQMStats counts since the beginning.
type AQMStats struct {
	Queued  int   // datagrams that came and fitted
	Dropped int   // by CoDel, or for want of room
	Marked  int   // with Congestion Experienced
	Bytes   int64 // that have left, overhead included
}

// AQM is a queue in a Sim, on the way into links. Any number of stations send
// through it; each has a Link of its own behind it, or they share one. An AQM
// belongs to the goroutine of its Sim.
type AQM struct {
	sim   *Sim
	cfg   AQMConfig
	stats AQMStats

	bands    *bands // instead of the queues; nil: there are none
	queues   []flowQueue
	newQueue []*flowQueue // those that got something when empty, to be served first
	oldQueue []*flowQueue
	bytes    int // in all queues

	wire     *simPacket // being sent
	wireEnd  time.Duration
	part     uint64 // as in Link
	finished func() // complete, made once
}

// quantum is how many bytes a queue may send in its turn (RFC 8290 section 5.2.4).
const quantum = 1514

// NewAQM adds a queue to a simulation.
func (s *Sim) NewAQM(cfg AQMConfig) *AQM {
	if cfg.Rate <= 0 {
		panic("BUG: an AQM without a rate has no queue")
	}
	if cfg.Target <= 0 {
		cfg.Target = 5 * time.Millisecond
	}
	if cfg.Interval <= 0 {
		cfg.Interval = 100 * time.Millisecond
	}
	q := &AQM{sim: s, cfg: cfg, queues: make([]flowQueue, max(cfg.Flows, 1))}
	if cfg.Bands {
		q.bands = &bands{}
	}
	q.finished = q.complete
	return q
}

// Stats is what has happened so far.
func (q *AQM) Stats() AQMStats { return q.stats }

// QueueDelay is how long it would take to send what is there.
func (q *AQM) QueueDelay(now time.Duration) time.Duration {
	wait := time.Duration(float64(q.bytes) / float64(q.cfg.Rate) * float64(time.Second))
	if q.wire != nil {
		wait += max(q.wireEnd-now, 0)
	}
	return wait
}

// RouteThrough sends what goes to a station first through a queue and then over a
// link, whose own rate is better left infinite.
func (st *Station) RouteThrough(to *Station, q *AQM, l *Link) { st.route(to, l, q) }

// enqueue takes a datagram, which is the AQM's from here on.
func (q *AQM) enqueue(p *simPacket) {
	if q.bands != nil {
		q.enqueueBand(p)
		return
	}
	f := &q.queues[q.index(p)]
	if q.cfg.Limit > 0 && q.bytes+p.size() > q.cfg.Limit && len(q.queues) == 1 {
		q.drop(p)
		return
	}
	q.stats.Queued++
	p.queuedAt = q.sim.now
	f.push(p)
	q.bytes += p.size()
	for q.cfg.Limit > 0 && q.bytes > q.cfg.Limit {
		longest := q.longest()
		dropped := longest.shift()
		q.bytes -= dropped.size()
		q.drop(dropped)
	}
	if !f.listed {
		f.listed, f.deficit = true, quantum
		q.newQueue = append(q.newQueue, f)
	}
	if q.wire == nil {
		q.send()
	}
}

func (q *AQM) drop(p *simPacket) {
	q.stats.Dropped++
	q.sim.recycle(p)
}

// longest is the queue with the most bytes, the first of several.
func (q *AQM) longest() *flowQueue {
	longest := &q.queues[0]
	for i := range q.queues {
		if q.queues[i].bytes > longest.bytes {
			longest = &q.queues[i]
		}
	}
	return longest
}

// index is the queue of a datagram: a hash of its two addresses.
func (q *AQM) index(p *simPacket) int {
	if len(q.queues) == 1 {
		return 0
	}
	h := hashOf(p.from, mix(q.sim.seed))
	h = hashOf(p.dst, h)
	return int(h % uint64(len(q.queues)))
}

func hashOf(a netip.AddrPort, h uint64) uint64 {
	for _, b := range a.Addr().As16() {
		h = mix(h ^ uint64(b))
	}
	return mix(h ^ uint64(a.Port()))
}

// send puts the next datagram on the wire, if there is one.
func (q *AQM) send() {
	p := q.next()
	if p == nil {
		return
	}
	q.wire = p
	start := max(q.wireEnd, q.sim.now)
	if start > q.wireEnd {
		q.part = 0
	}
	ns, part := serialisation(p.size(), q.cfg.Rate, q.part)
	q.wireEnd, q.part = start+ns, part
	q.sim.events.push(q.wireEnd, happening{f: q.finished})
}

// complete hands what was on the wire to the link behind.
func (q *AQM) complete() {
	p := q.wire
	q.wire = nil
	q.stats.Bytes += int64(p.size())
	p.link.carry(q.sim, p)
	q.send()
}

// next takes the next datagram out of the queues: those that are new before the
// others, each while it has credit (RFC 8290 section 4.2).
func (q *AQM) next() *simPacket {
	if q.bands != nil {
		return q.nextBand()
	}
	for {
		fresh := len(q.newQueue) > 0
		list := &q.oldQueue
		if fresh {
			list = &q.newQueue
		}
		if len(*list) == 0 {
			return nil
		}
		f := (*list)[0]
		if f.deficit <= 0 {
			f.deficit += quantum
			*list = (*list)[1:]
			q.oldQueue = append(q.oldQueue, f)
			continue
		}
		p := f.codel.dequeue(q, f)
		if p != nil {
			f.deficit -= p.size()
			return p
		}
		*list = (*list)[1:]
		if fresh && len(q.oldQueue) > 0 {
			q.oldQueue = append(q.oldQueue, f) // so that it cannot stay new for ever
		} else {
			f.listed = false
		}
	}
}

// mark marks a datagram if it can be marked, and reports whether it did.
func (q *AQM) mark(p *simPacket) bool {
	if !q.cfg.ECN || p.ecn == endpoint.NotECT {
		return false
	}
	p.ecn = endpoint.CE
	q.stats.Marked++
	return true
}

// flowQueue is one queue of an AQM.
type flowQueue struct {
	packets []*simPacket
	head    int
	bytes   int
	deficit int
	listed  bool // in newQueue or oldQueue
	codel   codel
}

func (f *flowQueue) push(p *simPacket) {
	f.packets = append(f.packets, p)
	f.bytes += p.size()
}

// shift takes the oldest, or nil.
func (f *flowQueue) shift() *simPacket {
	if f.head == len(f.packets) {
		return nil
	}
	p := f.packets[f.head]
	f.packets[f.head] = nil
	f.head++
	f.bytes -= p.size()
	if 2*f.head >= len(f.packets) {
		n := copy(f.packets, f.packets[f.head:])
		f.packets, f.head = f.packets[:n], 0
	}
	return p
}

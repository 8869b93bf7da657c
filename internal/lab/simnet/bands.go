package simnet

// The classes of service that give way.
const (
	LE  uint8 = 1 // RFC 8622
	CS1 uint8 = 8 // RFC 3662, its predecessor
)

// lowerParts of hundred parts of the bytes are the lower band's while both have something.
const lowerParts = 5

// bands is two drop-tail queues of an AQM.
type bands struct {
	upper, lower flowQueue
	owed         int // hundredths of bytes that the lower band may send before the upper one
}

// enqueueBand takes a datagram, which is the AQM's from here on.
func (q *AQM) enqueueBand(p *simPacket) {
	f := &q.bands.upper
	if p.dscp == LE || p.dscp == CS1 {
		f = &q.bands.lower
	}
	if q.cfg.Limit > 0 && f.bytes+p.size() > q.cfg.Limit {
		q.drop(p)
		return
	}
	q.stats.Queued++
	p.queuedAt = q.sim.now
	f.push(p)
	q.bytes += p.size()
	if q.wire == nil {
		q.send()
	}
}

// nextBand takes the next datagram out of a band, nil if both are empty.
func (q *AQM) nextBand() *simPacket {
	b := q.bands
	if b.lower.bytes == 0 {
		b.owed = 0
		return q.fromBand(&b.upper)
	}
	first := (100 - lowerParts) * b.lower.packets[b.lower.head].size()
	if b.upper.bytes > 0 && b.owed < first {
		p := q.fromBand(&b.upper)
		b.owed += lowerParts * p.size()
		return p
	}
	b.owed = max(0, b.owed-first)
	return q.fromBand(&b.lower)
}

func (q *AQM) fromBand(f *flowQueue) *simPacket {
	p := f.shift()
	if p != nil {
		q.bytes -= p.size()
	}
	return p
}

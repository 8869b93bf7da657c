package kernel

import (
	"encoding/binary"
	"fmt"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/bbr"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/reno"
	"example.com/ebb/internal/lab/simnet"
)

// models are the factories that stand for the kernel's congestion controls.
func models(kind string) congestion.Factory {
	switch kind {
	case "reno":
		return reno.Unpaced()
	case "cubic":
		return cubic.Unpaced()
	case "bbr":
		return bbr.Factory()
	}
	panic("BUG: no model of " + kind)
}

// model runs flows in virtual time over the path that netlab would build, and returns the same
// trace.
func model(seed uint64, p path, flows []flow) trace {
	m := &modelRun{Sim: simnet.NewSim(seed), trace: make(trace), flows: flows}
	rate := int64(p.bytesPerSecond())
	// netlab admits a packet while what is queued before it is within the limit.
	m.link = simnet.NewLink(simnet.LinkConfig{
		Rate: rate, Delay: p.rtt / 2, Queue: p.queue + fullPacket, Loss: p.loss, Drop: m.see,
	}, seed)
	back := simnet.NewLink(simnet.LinkConfig{Rate: rate, Delay: p.rtt / 2}, seed+1)
	for i, f := range flows {
		from := m.NewStation(fmt.Sprintf("10.0.1.%d:1", i+1), models(f.kind))
		to := m.NewStation(fmt.Sprintf("10.0.2.%d:1", i+1), models(f.kind))
		from.Route(to, m.link)
		to.Route(from, back)
		to.Accept = func(s *simnet.Flow) { s.OnChange = func() { discard(s) } }
		m.At(f.after, func() { m.dial(i, from, to) })
	}
	for at := tick; at <= length(flows); at += tick {
		m.At(at, m.tick)
	}
	m.Run(length(flows))
	return m.trace
}

// fullPacket is the size of an IP packet on the path, in bytes.
const fullPacket = 1500

// modelRun watches a simulated bottleneck as netlab watches its own.
type modelRun struct {
	*simnet.Sim
	link  *simnet.Link
	trace trace
	flows []flow

	ids   []uint64 // destination IDs of the flows' packets, in the order in which they appeared
	order []int    // flows in the order in which they started
	now   [16]modelInterval
	last  int // index of the flow whose packet was the last to be offered, -1: none or not of data
	size  int // of that packet
	wait  time.Duration
	lost  int // drops of the link up to it
}

// modelInterval is what a flow did since the last tick.
type modelInterval struct {
	bytes, packets, drops int
	wait                  time.Duration
}

func (m *modelRun) dial(i int, from, to *simnet.Station) {
	m.order = append(m.order, i)
	f := from.Dial(to)
	f.OnChange = func() { fill(f) }
	f.Flush()
	m.At(m.Now()+m.flows[i].runs, func() {
		f.OnChange = nil
		f.Conn.Abort(m.Now())
		f.Flush()
	})
}

// see is called for every packet before the link takes it. By then the link has decided what
// becomes of the packet before.
func (m *modelRun) see(_ int, b []byte) bool {
	m.countLast()
	m.last = -1
	// A short header: the receiver's ID stands behind the first byte.
	if len(b) < 9 || b[0]&0xe0 == 0xa0 {
		return false
	}
	id := binary.BigEndian.Uint64(b[1:])
	for i, known := range m.ids {
		if known == id {
			m.last = m.order[i]
		}
	}
	if m.last < 0 && len(m.ids) < len(m.order) {
		m.ids = append(m.ids, id)
		m.last = m.order[len(m.ids)-1]
	}
	m.size = len(b) + simnet.DefaultOverhead
	m.wait = m.link.QueueDelay(m.Now())
	return false
}

// countLast counts the last packet as passed or dropped.
func (m *modelRun) countLast() {
	dropped := m.link.Stats().Dropped + m.link.Stats().Lost
	if m.last >= 0 {
		v := &m.now[m.last]
		if dropped > m.lost {
			v.drops++
		} else {
			v.bytes += m.size
			v.packets++
			v.wait += m.wait
		}
	}
	m.last, m.lost = -1, dropped
}

// tick ends an interval.
func (m *modelRun) tick() {
	m.countLast()
	for i, f := range m.flows {
		v := m.now[i]
		if v.packets+v.drops == 0 && len(m.trace[f.port]) == 0 {
			continue
		}
		r := row{at: m.Now(), bytes: float64(v.bytes), queue: -1, drops: v.drops}
		if v.packets > 0 {
			r.queue = v.wait / time.Duration(v.packets)
		}
		m.trace[f.port] = append(m.trace[f.port], r)
		m.now[i] = modelInterval{}
	}
}

// fill writes as much as the connection takes.
func fill(f *simnet.Flow) {
	var zeros [32 << 10]byte
	for {
		if n, err := f.Conn.Write(zeros[:]); n < len(zeros) || err != nil {
			return
		}
	}
}

// discard reads what there is.
func discard(f *simnet.Flow) {
	var b [32 << 10]byte
	for {
		if n, err := f.Conn.Read(b[:]); n == 0 || err != nil {
			return
		}
	}
}

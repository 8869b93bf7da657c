package simnet

import (
	"net/netip"
	"slices"
	"time"
)

// processState is what the process of a Station is doing.
type processState uint8

const (
	running processState = iota
	paused
	dead
)

// process is the process of a Station: what waits for a paused one, and what the host says for a dead one.
type process struct {
	state processState
	life  int // processes before this one

	held     []*simPacket // by the socket, for a paused process
	buffered int          // bytes of held
	overflow int
	late     []*Flow // their timers were due, or their application came, while it was paused

	reports map[netip.AddrPort]time.Duration // when what was reported to a peer is earned
}

// Order is in which order a process that goes on finds what has happened meanwhile.
type Order uint8

// The orders. A real process sees late timers first about as often as datagrams.
const (
	TimersFirst Order = iota
	DatagramsFirst
)

// Pause stops the station's process, as SIGSTOP does. Its clock goes on, its timers do not fire, and its
// socket keeps ReadBuffer bytes of what comes. What the application does with a Flow goes out when the process is
// resumed. It does nothing to a dead one.
func (st *Station) Pause() {
	if st.process.state == running {
		st.process.state = paused
	}
}

// Resume lets a paused process go on. It handles all datagrams that its socket has kept as one batch, with one
// flush for each connection, and fires all timers that are late in the order in which they were due.
func (st *Station) Resume(first Order) {
	p := &st.process
	if p.state != paused {
		return
	}
	held, late := p.held, p.late
	st.process = process{life: p.life, overflow: p.overflow}
	if first == DatagramsFirst {
		st.handleBatch(held)
		st.fireLate(late)
		return
	}
	st.fireLate(late)
	st.handleBatch(held)
}

// Kill ends the station's process without a word: its connections are gone, and none of its timers fires. The
// host stays and answers each datagram with a port unreachable. A pool goes with the process: one that others
// share keeps its members.
func (st *Station) Kill() {
	st.Restart()
	st.process.state = dead
}

// Dead reports whether the process that had the flow was killed, or started anew.
func (f *Flow) Dead() bool { return f.life != f.station.process.life }

// Station is where the flow's process runs.
func (f *Flow) Station() *Station { return f.station }

// Overflow is how many datagrams found the socket of a paused process full.
func (st *Station) Overflow() int { return st.process.overflow }

// hold keeps a packet for a paused process, if there is room.
func (st *Station) hold(p *simPacket) {
	limit := st.ReadBuffer
	if limit <= 0 {
		limit = DefaultReadBuffer
	}
	if st.process.buffered > 0 && st.process.buffered+p.size() > limit {
		st.process.overflow++
		st.sim.recycle(p)
		return
	}
	st.process.buffered += p.size()
	st.process.held = append(st.process.held, p)
}

// postpone notes a flow to look at when the process goes on.
func (st *Station) postpone(f *Flow) {
	if !slices.Contains(st.process.late, f) {
		st.process.late = append(st.process.late, f)
	}
}

func (st *Station) handleBatch(held []*simPacket) {
	var flows []*Flow
	for _, p := range held {
		if st.process.state != running { // an application has stopped or killed it again
			st.read(p)
			continue
		}
		if f := st.handle(p); f != nil && !slices.Contains(flows, f) {
			flows = append(flows, f)
		}
		st.sim.recycle(p)
	}
	for _, f := range flows {
		f.Flush()
	}
}

func (st *Station) fireLate(late []*Flow) {
	for _, f := range late {
		if f.armed <= st.sim.now {
			f.expire(f.armed)
		} else {
			f.Flush()
		}
	}
}

// refuse answers for a dead process: a port unreachable, over the way back. There is none about a report (RFC
// 1122 section 3.2.2).
func (st *Station) refuse(p *simPacket) {
	if p.icmp == 0 && st.mayReport(p.from) {
		st.dispatch(quote(p.b), simPacket{from: p.dst, dst: p.from, icmp: PortUnreachable})
	}
	st.sim.recycle(p)
}

// reportBurst is how many reports a host sends to one peer at once where it limits them, as Linux does.
const reportBurst = 6

// mayReport says whether the host's limit allows another report to a peer now, and takes it.
func (st *Station) mayReport(to netip.AddrPort) bool {
	every, now := st.ReportEvery, st.sim.now
	if every <= 0 {
		return true
	}
	earned := max(st.process.reports[to], now) + every
	if earned > now+reportBurst*every {
		return false
	}
	if st.process.reports == nil {
		st.process.reports = make(map[netip.AddrPort]time.Duration)
	}
	st.process.reports[to] = earned
	return true
}

package qlog

import (
	"strconv"
	"time"

	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

// run is what bulk transfers consist of: short packets with a piece of the stream and nothing else, of one size, sent or handled at the same
// time, with numbers and offsets that follow each other. QUIC has no event for several packets; of a run there is one of our own,
// from which Expand makes QUIC's. With a record for each packet a trace would be a seventh of what is transferred, and halve its rate.
type run struct {
	kind   trace.Kind // 0: there is none
	time   time.Duration
	first  uint64 // number
	count  uint64
	size   int
	offset uint64 // of the first byte
	length int    // of the stream's bytes in each
}

// minRun is from how many packets on a run has an event of its own.
const minRun = 3

// take takes a packet into the run. It reports false if the packet is of no run, or of another one, which it begins if there is none.
func (r *run) take(e *trace.Event) bool {
	p := &e.Packet
	if e.Kind != trace.Sent && e.Kind != trace.Received || p.Type != wire.Short || !p.Numbered || p.SizeProbe || p.Probe || !wire.IsData(p.Frames) {
		return false
	}
	offset, data, fin, n, err := wire.ParseData(p.Frames)
	switch {
	case err != nil || fin || n != len(p.Frames):
		return false
	case r.kind == 0:
		*r = run{e.Kind, e.Time, p.Number, 1, p.Size, offset, len(data)}
		return true
	case r.kind != e.Kind || r.time != e.Time || p.Number != r.first+r.count || p.Size != r.size || len(data) != r.length ||
		offset != r.offset+r.count*uint64(r.length):
		return false
	}
	r.count++
	return true
}

// runName is the event of several packets, and packetName that of one.
func runName(k trace.Kind) string {
	if k == trace.Sent {
		return "ebb:packets_sent"
	}
	return "ebb:packets_received"
}

func packetName(k trace.Kind) string {
	if k == trace.Sent {
		return "quic:packet_sent"
	}
	return "quic:packet_received"
}

// endRun appends the run that was taken, if there is one.
func (c *encoder) endRun(b []byte) []byte {
	r := &c.run
	if r.kind == 0 {
		return b
	}
	if r.count < minRun {
		for i := range r.count {
			b = end(append(r.data(c.begin(b, r.time, packetName(r.kind)), i), '}'))
		}
	} else {
		b = r.data(c.begin(b, r.time, runName(r.kind)), 0)
		b = strconv.AppendUint(appendName(b, "count"), r.count, 10)
		b = end(append(b, '}'))
	}
	r.kind = 0
	return b
}

// data appends the data of a packet of the run without what ends it.
func (r *run) data(b []byte, i uint64) []byte {
	b = strconv.AppendUint(append(b, `{"header":{"packet_type":"1RTT","packet_number":`...), r.first+i, 10)
	b = strconv.AppendInt(append(b, `},"raw":{"length":`...), int64(r.size), 10)
	b = appendStream(append(b, `},"frames":[`...), r.offset+i*uint64(r.length), r.length, false)
	return append(b, ']')
}

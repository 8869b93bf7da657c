package ebb

import (
	"net/netip"
	"sync"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/udp"
)

const (
	// receiveMessages is how many datagrams are read at once, and receiveSize the
	// room for each: what any path of today carries.
	receiveMessages = 32
	receiveSize     = 2048
	// receiveTrains is how many messages are read at once where they may be trains
	// of up to 64 KiB. More brought nothing that could be measured on loopback.
	receiveTrains = 8
)

// batch is what a flush hands to the socket: trains in one buffer. A socket that
// has no room leaves the rest in it.
type batch struct {
	buf      []byte
	messages []udp.Message
	next     int // first message with something left to send
}

var batches = sync.Pool{New: func() any {
	return &batch{
		buf:      make([]byte, 0, core.BatchBytes),
		messages: make([]udp.Message, 0, core.BatchTrains),
	}
}}

func borrowBatch() *batch { return batches.Get().(*batch) }

func (b *batch) release() {
	clear(b.messages)
	b.buf, b.messages, b.next = b.buf[:0], b.messages[:0], 0
	batches.Put(b)
}

// add appends what the engine has appended to the buffer: buf is b.buf, longer
// by one train.
func (b *batch) add(buf []byte, train core.Train) {
	start := len(b.buf)
	b.buf = buf
	m := udp.Message{
		Buf: buf[start:], N: len(buf) - start, SegmentSize: train.SegmentSize,
		Remote: train.Remote, ECN: uint8(train.ECN), DSCP: train.DSCP,
	}
	if a := train.Local.Addr(); a.IsValid() && !a.IsUnspecified() {
		m.Local = a
	}
	b.messages = append(b.messages, m)
}

// receiveBatch is what a read of the socket fills. It is borrowed from a pool of all
// endpoints, or, by one that admits larger datagrams, from its own, while there is
// something to read.
type receiveBatch struct {
	messages  []udp.Message
	came      []core.Arrival // of each message
	arrivals  []arrival
	strays    []arrival // to be routed by themselves
	replies   batch
	foreign   []foreign
	displaced []*conn // to be cut
	events    []event
	refusals  []refusal     // to be told
	at        time.Duration // when it was read
}

// arrival is a datagram, or a train of them, where it came, and the connection that the first of them belongs to. The others are
// taken for that one's too, until the connection looks: then they are in the cache for its use of them.
type arrival struct {
	came *core.Arrival
	conn *conn
	buf  []byte
	size int // of each datagram but the last
}

// next takes the first datagram out.
func (a *arrival) next() []byte {
	seg := a.buf[:min(a.size, len(a.buf))]
	a.buf = a.buf[len(seg):]
	return seg
}

// foreign is a datagram that is not Ebb's.
type foreign struct {
	seg    []byte
	remote netip.AddrPort
}

var (
	receiveBatches      = sync.Pool{New: func() any { return newReceiveBatch(receiveMessages, receiveSize) }}
	trainReceiveBatches = sync.Pool{New: func() any { return newReceiveBatch(receiveTrains, udp.MaxTrain) }}
)

// receiveBatchesFor is a pool of batches for trains, or for datagrams of up to a size.
func receiveBatchesFor(trains bool, size int) *sync.Pool {
	switch {
	case trains:
		return &trainReceiveBatches
	case size <= receiveSize:
		return &receiveBatches
	}
	return &sync.Pool{New: func() any { return newReceiveBatch(max(receiveMessages*receiveSize/size, 1), size) }}
}

func newReceiveBatch(messages, size int) *receiveBatch {
	in := &receiveBatch{messages: make([]udp.Message, messages), came: make([]core.Arrival, messages)}
	buf := make([]byte, messages*size)
	for i := range in.messages {
		in.messages[i].Buf = buf[i*size : (i+1)*size : (i+1)*size]
	}
	return in
}

// recipient is the connection that all of it was for; nil if there is no such one.
func (in *receiveBatch) recipient() *conn {
	if len(in.arrivals) == 0 || len(in.replies.messages) > 0 || len(in.foreign) > 0 {
		return nil
	}
	c := in.arrivals[0].conn
	for i := range in.arrivals {
		if in.arrivals[i].conn != c {
			return nil
		}
	}
	return c
}

// untold reports whether something is to be told that must wait until the socket is not being read.
func (in *receiveBatch) untold() bool {
	return len(in.events) > 0 || len(in.foreign) > 0 || len(in.refusals) > 0
}

// reset forgets what was read, with the references to connections.
func (in *receiveBatch) reset() {
	clear(in.arrivals)
	clear(in.strays)
	clear(in.foreign)
	clear(in.displaced)
	clear(in.events)
	in.refusals = in.refusals[:0]
	in.arrivals, in.strays, in.foreign, in.events, in.displaced = in.arrivals[:0], in.strays[:0], in.foreign[:0], in.events[:0], in.displaced[:0]
	clear(in.replies.messages)
	in.replies.buf, in.replies.messages, in.replies.next = in.replies.buf[:0], in.replies.messages[:0], 0
}

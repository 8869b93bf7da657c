package endpoint

import "example.com/ebb/internal/engine"

// A connection has one flusher at a time, so that packets leave in the order of their numbers. Whoever comes meanwhile only
// changes the engine's state, which the flusher finds.

const (
	// BatchBytes is how much a flush hands to the socket at once.
	BatchBytes = 64 << 10
	// BatchTrains is how many trains it may consist of.
	BatchTrains = 32
	// flushBatches is how many batches a flush sends before others get their turn.
	flushBatches = 8
)

// flushState is how far a flush has come.
type flushState struct {
	on      bool   // somebody flushes, or waits for the socket
	left    bool   // others have left the flusher something to look at since it last did
	more    bool   // the engine may have more to send
	batches uint8  // that were sent
	largest uint16 // no packet is larger, in bytes of UDP payload
}

// BeginFlush makes the caller the flusher, and returns true, or leaves the flusher that there is something to look at.
func (d *Driver) BeginFlush() bool {
	if d.flush.on {
		d.flush.left = true
		return false
	}
	d.flush.on = true
	d.ResumeFlush()
	return true
}

// ResumeFlush is for the flusher that goes on with a batch for which the socket had no room. It has waited its turn.
func (d *Driver) ResumeFlush() { d.flush.more, d.flush.batches = true, 0 }

// Flushing reports whether somebody flushes, or waits for the socket.
func (d *Driver) Flushing() bool { return d.flush.on }

// Append appends the next train to a batch of so many trains. Nothing is appended if the batch is full, or nothing may leave:
// then an empty batch ends the flush.
func (d *Driver) Append(now Clock, batch []byte, trains int) ([]byte, engine.Train) {
	if trains == 0 {
		d.flush.left = false
	}
	room := BatchBytes - len(batch)
	if room < int(d.flush.largest) || trains >= BatchTrains {
		return batch, engine.Train{}
	}
	before := len(batch)
	batch, train := d.shaper.AppendSegments(now, d.Conn, batch, room)
	d.flush.more = len(batch) > before
	d.flush.on = d.flush.more || trains > 0
	return batch, train
}

// Turn is whose a flush is after a batch.
type Turn uint8

// The turns.
const (
	Over   Turn = iota // nobody's: there is nothing to send
	Again              // the flusher's: it appends to the next batch
	Others             // others': the flush is over, and there may be more to send at once
)

// Sent says how the flush goes on when a batch has left, or was lost. again says that what was sent has changed something.
func (d *Driver) Sent(again bool) Turn {
	f := &d.flush
	f.batches++
	switch {
	case !again && !f.more && !f.left:
		f.on = false
		return Over
	case f.batches == flushBatches:
		f.on = false
		return Others
	}
	f.more = true
	return Again
}

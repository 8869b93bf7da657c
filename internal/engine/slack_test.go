package engine

import (
	"testing"
	"time"

	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

// TestRecordsOutliveTheirUse: the table of packets that a large flight has made stays when all of them are
// acknowledged, and goes after a second of silence.
func TestRecordsOutliveTheirUse(t *testing.T) {
	var cc episodes
	c := New(0, Params{Client: true, Controller: &cc, MaxDatagram: 1200, Chunks: noChunks{}})
	c.establish(0)
	const packets = 10 * keepRecords
	for range packets {
		p := c.sent.reserve(0)
		p.size, p.flags = 1200, eliciting
		c.sent.push(p)
	}
	f := parseAck(t, []wire.Range{{First: 0, Last: packets - 1}})
	now := 10 * time.Millisecond
	c.lastReceived = now
	if err := c.handleAck(now, now, &f, 0); err != nil {
		t.Fatal(err)
	}
	if c.sent.base() != packets || len(c.sent.records.slots) < packets {
		t.Fatalf("%d packets acknowledged, a table of %d", c.sent.base(), len(c.sent.records.slots))
	}
	if at := c.NextTimeout(); at != now+keepSlack {
		t.Fatalf("the next timeout is at %v", at)
	}
	c.Advance(now + keepSlack - 1)
	if c.sent.records.slots == nil {
		t.Fatal("the table went early")
	}
	c.Advance(now + keepSlack)
	if c.sent.records.slots != nil || c.NextTimeout() != Never {
		t.Errorf("after %v of silence a table of %d, the next timeout at %v", keepSlack, len(c.sent.records.slots), c.NextTimeout())
	}
}

// noChunks is a stream.Allocator that nobody asks for memory.
type noChunks struct{}

func (noChunks) Chunk(stream.Level) []byte { panic("BUG: memory for nothing") }
func (noChunks) Free([]byte)               { panic("BUG: memory for nothing") }
func (noChunks) Room(stream.Level) bool    { return true }
func (noChunks) Trim()                     {}

package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
)

// quota is a limit that the engine knows nothing of: so many bytes a second, which are not saved up.
type quota struct {
	bytes, left int
	renewed     time.Duration
}

// carry is twins.carry from a to b within the quota, and returns how many bytes were sent.
func (q *quota) carry(w *twins) (sent int) {
	w.a.Advance(w.now)
	if w.now-q.renewed >= time.Second {
		q.left, q.renewed = q.bytes, w.now
	}
	for {
		w.a.SetBudget(w.now, 1<<40, q.left)
		b, train := w.a.AppendSegments(w.now, w.buf[:0], 64<<10)
		q.left = w.a.Credit()
		if len(b) == 0 {
			return sent
		}
		for len(b) > 0 {
			n := min(train.SegmentSize, len(b))
			w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now, ECN: train.ECN}, b[:n])
			sent, b = sent+n, b[n:]
		}
	}
}

// TestALimitKeptOutsideTheEngine makes one up: whoever drives an engine limits it with SetBudget and reads what is
// left from Credit, and the engine names it, asks for what it could use, and sends all there is in the end.
func TestALimitKeptOutsideTheEngine(t *testing.T) {
	const total = 300 << 10
	w := newTwins(t, 1<<20)
	q := &quota{bytes: 100_000, renewed: w.now - time.Second}
	if n, err := w.a.Write(make([]byte, total)); n != total || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	second, got, throttled := 0, 0, 0
	for end := w.now + 5*time.Second; w.now < end; w.now += time.Millisecond {
		if w.now-q.renewed >= time.Second {
			second = 0
		}
		second += q.carry(w)
		w.carry(w.b, w.a, w.pa)
		for n, _ := w.b.Read(w.bytes); n > 0; n, _ = w.b.Read(w.bytes) {
			got += n
		}
		if second > q.bytes {
			t.Fatalf("%d bytes in a second, want at most %d", second, q.bytes)
		}
		if want, _ := w.a.Want(w.now); q.left < 1472 && w.a.Unsent() {
			throttled++
			if w.a.Limit() != engine.LimitPool || want == 0 {
				t.Fatalf("after %d bytes: limited by %v, wants %d", got, w.a.Limit(), want)
			}
		}
	}
	if throttled == 0 {
		t.Error("the limit was never what held the connection back")
	}
	if got != total || w.a.Info().Stats.PacketsLost != 0 {
		t.Errorf("%d bytes arrived of %d, %d packets lost", got, total, w.a.Info().Stats.PacketsLost)
	}
}

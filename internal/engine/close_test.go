package engine_test

import (
	"io"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

const rtt = 40 * time.Millisecond

func plainWorld(t *testing.T) (*world, *simnet.Flow, *simnet.Flow) {
	t.Helper()
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	c, s := w.connect()
	w.Run(time.Second)
	return w, c, s
}

func write(t *testing.T, f *simnet.Flow, s string) {
	t.Helper()
	if n, err := f.Conn.Write([]byte(s)); err != nil || n != len(s) {
		t.Fatalf("write: %d, %v", n, err)
	}
	f.Flush()
}

// readAll reads what is there.
func readAll(f *simnet.Flow) (string, error) {
	var got []byte
	var b [1000]byte
	for {
		n, err := f.Conn.Read(b[:])
		got = append(got, b[:n]...)
		if n == 0 {
			f.Flush()
			return string(got), err
		}
	}
}

func expect(t *testing.T, f *simnet.Flow, want string, wantErr error) {
	t.Helper()
	if got, err := readAll(f); got != want || err != wantErr {
		t.Errorf("read %q, %v; want %q, %v", got, err, want, wantErr)
	}
}

func expectKind(t *testing.T, f *simnet.Flow, want string, kind engine.Kind) {
	t.Helper()
	if got, err := readAll(f); got != want || kindOf(err) != kind {
		t.Errorf("read %q, %v; want %q, %v", got, err, want, kind)
	}
}

// TestHalfClose carries, of docs/wire.md: [W148].
func TestHalfClose(t *testing.T) {
	w, c, s := plainWorld(t)
	write(t, c, "question")
	c.Conn.CloseWrite()
	c.Flush()
	w.Run(time.Second)
	expect(t, s, "question", io.EOF)
	if _, err := c.Conn.Write([]byte("more")); kindOf(err) != engine.KindBrokenPipe {
		t.Errorf("write after CloseWrite: %v", err)
	}
	write(t, s, "answer")
	s.Conn.Close(w.Now())
	s.Flush()
	w.Run(time.Second)
	expect(t, c, "answer", io.EOF)
	if !s.Conn.Delivered() {
		t.Error("the answer was read, but not delivered")
	}
	c.Conn.Close(w.Now())
	c.Flush()
	w.Run(time.Second)
	if !c.Removed || !s.Removed || c.Conn.Err() != nil || s.Conn.Err() != nil {
		t.Errorf("removed %v %v, errors %v %v", c.Removed, s.Removed, c.Conn.Err(), s.Conn.Err())
	}
}

// TestCloseDelivers: Close right behind a write of more than any window delivers
// everything, and the peer sees an orderly end.
// Of docs/wire.md: [W154] [W156] [W158].
func TestCloseDelivers(t *testing.T) {
	w := newWorld(t, 1, simnet.LinkConfig{Delay: rtt / 2, Loss: 0.02}, path(0, rtt))
	w.transfer(1<<20, time.Minute)
}

// TestWritesToAClosedPeer: the first is thrown away, as over TCP, where the reset that it causes is still to come; the next fails, and
// the connection has not delivered everything.
// Of docs/wire.md: [W151] [W152] [W153].
func TestWritesToAClosedPeer(t *testing.T) {
	w, c, s := plainWorld(t)
	s.Conn.Close(w.Now())
	s.Flush()
	w.Run(time.Second)
	expect(t, c, "", io.EOF)
	for range 2 {
		if n, err := c.Conn.Write(nil); n != 0 || err != nil || c.Conn.Dropped() {
			t.Errorf("no bytes to a closed peer: %d, %v, dropped: %v", n, err, c.Conn.Dropped())
		}
	}
	big := make([]byte, 4<<20) // more than a send buffer
	if n, err := c.Conn.Write(big); n != len(big) || err != nil || !c.Conn.Dropped() || c.Conn.Delivered() {
		t.Errorf("the first write to a closed peer: %d, %v, dropped: %v, delivered: %v", n, err, c.Conn.Dropped(), c.Conn.Delivered())
	}
	if _, err := c.Conn.Write([]byte("x")); kindOf(err) != engine.KindBrokenPipe {
		t.Errorf("the second write to a closed peer: %v", err)
	}
	c.Conn.Close(w.Now())
	if c.Conn.Delivered() {
		t.Error("all is delivered, it says")
	}
	if !s.Removed {
		t.Error("a closed connection whose end was acknowledged lingers")
	}
}

// TestDataToClosedSideIsReset: bytes that reach a fully closed side come back as
// ECONNRESET; what the side had written before is read first, and a later write is EPIPE.
// Of docs/wire.md: [W153] [W155].
func TestDataToClosedSideIsReset(t *testing.T) {
	w, c, s := plainWorld(t)
	write(t, s, "last words")
	s.Conn.Close(w.Now())
	write(t, c, "too late") // sent before the news of the end arrives
	s.Flush()
	w.Run(time.Second)
	expectKind(t, c, "last words", engine.KindReset)
	if _, err := c.Conn.Write([]byte("x")); kindOf(err) != engine.KindBrokenPipe {
		t.Errorf("write after the reset was told: %v", err)
	}
}

// TestUnreadDataAtCloseIsReset carries, of docs/wire.md: [W155] [W156].
func TestUnreadDataAtCloseIsReset(t *testing.T) {
	w, c, s := plainWorld(t)
	write(t, c, "nobody will read this")
	w.Run(time.Second)
	write(t, s, "but read this")
	s.Conn.Close(w.Now())
	s.Flush()
	w.Run(time.Second)
	if _, err := c.Conn.Write([]byte("x")); kindOf(err) != engine.KindReset {
		t.Errorf("first write: %v", err)
	}
	if _, err := c.Conn.Write([]byte("x")); kindOf(err) != engine.KindBrokenPipe {
		t.Errorf("second write: %v", err)
	}
	expectKind(t, c, "but read this", engine.KindReset)
	c.Conn.Close(w.Now())
	c.Flush()
	w.Run(time.Second)
	if !c.Removed || !s.Removed {
		t.Error("not over")
	}
}

// TestResetBeyondTheWindow: a side closes with unread bytes and more written than the
// peer's window admits; the peer reads all of it before it learns of the reset.
// Of docs/wire.md: [W149].
func TestResetBeyondTheWindow(t *testing.T) {
	w, c, s := plainWorld(t)
	write(t, c, "unread")
	w.Run(time.Second)
	out := &feed{f: s, salt: 1, n: 120 << 10}
	out.end = func() { s.Conn.Close(w.Now()) }
	s.OnChange = out.pump
	s.Flush()
	w.Run(time.Second)
	in := &sink{t: t, f: c, salt: 1}
	c.OnChange = in.pump
	c.Flush()
	w.Run(5 * time.Second)
	if in.got != out.n || kindOf(in.err) != engine.KindReset {
		t.Errorf("%d of %d bytes, then %v", in.got, out.n, in.err)
	}
}

// TestAbort carries, of docs/wire.md: [W157] [W159] [W160].
func TestAbort(t *testing.T) {
	w, c, s := plainWorld(t)
	write(t, c, "before")
	w.Run(time.Second)
	c.Conn.Abort(w.Now())
	c.Flush()
	if !c.Removed {
		t.Error("an aborted connection lingers")
	}
	w.Run(rtt)
	expectKind(t, s, "before", engine.KindReset)
	if !s.Removed {
		t.Error("the peer of an aborted connection lingers")
	}
	if n := w.client.Chunks() + w.server.Chunks(); n != 0 {
		t.Errorf("%d chunks kept", n)
	}
}

// TestCloseReadDiscards: what comes after CloseRead is dropped without hurting
// the peer, however much it is.
func TestCloseReadDiscards(t *testing.T) {
	w, c, s := plainWorld(t)
	s.Conn.CloseRead()
	s.Flush()
	out := &feed{f: c, salt: 1, n: 1 << 20}
	out.end = c.Conn.CloseWrite
	c.OnChange = out.pump
	c.Flush()
	w.Run(10 * time.Second)
	if !out.done || out.err != nil || !c.Conn.Delivered() {
		t.Errorf("wrote %d, %v", out.sent, out.err)
	}
	expect(t, s, "", io.EOF)
	if n := w.server.Chunks(); n != 0 {
		t.Errorf("%d chunks hold what nobody reads", n)
	}
}

// TestLingerIsBounded: a closed connection whose peer takes nothing gives up
// after the linger time without progress, and not before.
// Of docs/wire.md: [W161].
func TestLingerIsBounded(t *testing.T) {
	w, c, s := plainWorld(t)
	out := &feed{f: c, salt: 1, n: 100 << 10}
	out.end = func() { c.Conn.Close(w.Now()) }
	c.OnChange = out.pump // 64 KiB fill the window of a server that does not read
	c.Flush()
	w.Run(20 * time.Second)
	if c.Removed || !out.done {
		t.Fatalf("gave up early, or never closed: %+v", c.Conn.Info())
	}
	if _, err := s.Conn.Read(make([]byte, 60<<10)); err != nil {
		t.Fatal(err)
	}
	s.Flush() // progress
	w.Run(25 * time.Second)
	if c.Removed && !c.Conn.Delivered() {
		t.Fatal("gave up although there was progress 25 s ago")
	}
}

// TestLingerTimeout carries, of docs/wire.md: [W161].
func TestLingerTimeout(t *testing.T) {
	w, c, _ := plainWorld(t)
	out := &feed{f: c, salt: 1, n: 100 << 10}
	out.end = func() { c.Conn.Close(w.Now()) }
	c.OnChange = out.pump
	c.Flush()
	start := w.Now()
	if !w.RunUntil(2*time.Minute, func() bool { return c.Removed }) {
		t.Fatal("waits for ever for a peer that reads nothing")
	}
	if took := w.Now() - start; took < 29*time.Second || took > 32*time.Second {
		t.Errorf("gave up after %v", took)
	}
	if kindOf(c.Conn.Err()) != engine.KindLingerTimeout || c.Conn.Delivered() {
		t.Errorf("error %v, delivered %v", c.Conn.Err(), c.Conn.Delivered())
	}
}

// TestCloseBehindThePeersEndLacksNothing: the peer has ended the connection in order; a Close that follows, of who had written
// nothing, leaves nothing undelivered.
func TestCloseBehindThePeersEndLacksNothing(t *testing.T) {
	w, c, s := plainWorld(t)
	write(t, c, "all there is")
	c.Conn.Close(w.Now())
	c.Flush()
	w.Run(time.Second)
	expect(t, s, "all there is", io.EOF)
	if !s.Conn.Done() {
		t.Fatalf("the connection is %s", s.Conn.Info().State)
	}
	s.Conn.Close(w.Now())
	if !s.Conn.Delivered() || s.Conn.Err() != nil {
		t.Errorf("delivered %t, %v", s.Conn.Delivered(), s.Conn.Err())
	}
}

// TestAStopTellsWhatHasArrived: a peer that has read everything closes, and the ACK of it was lost. Nothing of what it has is
// reported as not delivered.
func TestAStopTellsWhatHasArrived(t *testing.T) {
	w, c, s := plainWorld(t)
	up := w.up.Config()
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	write(t, s, "all is well")
	w.Run(rtt + rtt/2) // its ACK has left, and no probe has come
	w.up.SetConfig(w.Now(), up)
	expect(t, c, "all is well", nil)
	c.Conn.Close(w.Now())
	c.Flush()
	w.Run(rtt)
	s.Conn.Close(w.Now())
	s.Flush()
	w.Run(time.Second)
	if !s.Removed || !s.Conn.Delivered() || s.Conn.Dropped() {
		t.Errorf("removed %v, delivered %v, dropped %v", s.Removed, s.Conn.Delivered(), s.Conn.Dropped())
	}
}

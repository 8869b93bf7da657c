package engine_test

import (
	"io"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// lastWords is a connection over which the server has said something that the client has read, before it closes.
func lastWords(t *testing.T) (w *world, c, s *simnet.Flow) {
	w = newWorld(t, 1, path(0, 20*time.Millisecond), path(0, 20*time.Millisecond))
	c, s = w.connect()
	write(t, c, "ask")
	w.Run(time.Second)
	if got, err := readAll(s); got != "ask" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	write(t, s, "answer")
	w.Run(time.Second)
	return w, c, s
}

// endsWithin closes a flow and says how long it takes to be over. It must be in order.
func endsWithin(t *testing.T, w *world, f *simnet.Flow, limit time.Duration) {
	t.Helper()
	start := w.Now()
	f.Conn.Close(w.Now())
	f.Flush()
	w.RunUntil(time.Minute, func() bool { return f.Removed })
	took := w.Now() - start
	t.Logf("over after %v", took)
	if !f.Removed || !f.Conn.Delivered() || f.Conn.Err() != nil || took > limit {
		t.Errorf("after %v: over %v, delivered %v, %v; want delivered after %v", took, f.Removed, f.Conn.Delivered(), f.Conn.Err(), limit)
	}
}

// TestOnlyTheEndIsMissing: a connection whose peer has every byte waits 3 s for word that it has the end, too. If the peer's host says that
// nobody is there, it waits for three of its answers.
// Of docs/wire.md: [W176].
func TestOnlyTheEndIsMissing(t *testing.T) {
	w, _, s := lastWords(t)
	w.client.Kill()
	endsWithin(t, w, s, 1500*time.Millisecond)

	w, _, s = lastWords(t)
	w.client.Kill()
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	endsWithin(t, w, s, 3*time.Second)

	w, _, s = lastWords(t)
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	write(t, s, "that the peer does not have")
	s.Conn.Close(w.Now())
	s.Flush()
	w.Run(20 * time.Second)
	if s.Removed || s.Conn.Delivered() {
		t.Errorf("bytes that the peer lacks were given up: over %v, delivered %v", s.Removed, s.Conn.Delivered())
	}
}

// TestALatePeerReadsACleanEnd: a peer that was stopped when the other side closed and left, or that no packet reached, still reads the end,
// and learns with its second write that nobody reads.
// Of docs/wire.md: [W175].
func TestALatePeerReadsACleanEnd(t *testing.T) {
	for name, trouble := range map[string]func(w *world){
		"stopped, timers first":    func(w *world) { w.pause(w.client, w.Now(), 20*time.Second, simnet.TimersFirst) },
		"stopped, datagrams first": func(w *world) { w.pause(w.client, w.Now(), 20*time.Second, simnet.DatagramsFirst) },
		"out of reach": func(w *world) {
			config := w.down.Config()
			config.Rules = []simnet.Rule{{From: w.Now(), Until: w.Now() + 4*time.Second, Loss: 1}}
			w.down.SetConfig(w.Now(), config)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, c, s := lastWords(t)
			trouble(w)
			endsWithin(t, w, s, 3*time.Second)
			w.Run(40 * time.Second)
			if got, err := readAll(c); got != "answer" || err != io.EOF {
				t.Errorf("read %q, %v", got, err)
			}
			if _, err := c.Conn.Write([]byte("more")); err != nil {
				t.Errorf("first write: %v", err)
			}
			if _, err := c.Conn.Write([]byte("more")); kindOf(err) != engine.KindBrokenPipe {
				t.Errorf("second write: %v", err)
			}
			c.Conn.Close(w.Now())
			c.Flush()
			w.Run(time.Second)
			if !c.Removed || c.Conn.Err() != nil {
				t.Errorf("the late peer's own end: over %v, %v", c.Removed, c.Conn.Err())
			}
		})
	}
}

// TestWhoLeavesTookNothingMore: a peer whose last bytes have not arrived when the other side leaves is not told that they have.
func TestWhoLeavesTookNothingMore(t *testing.T) {
	w, c, s := lastWords(t)
	readAll(c)
	config := w.up.Config()
	config.Rules = []simnet.Rule{{Match: simnet.Larger(500), Loss: 1}}
	w.up.SetConfig(w.Now(), config)
	write(t, c, string(make([]byte, 1000))) // the end arrives, and not what is before
	c.Conn.Close(w.Now())
	c.Flush()
	w.Run(100 * time.Millisecond)
	endsWithin(t, w, s, 3*time.Second)
	w.RunUntil(time.Minute, func() bool { return c.Removed })
	if !c.Removed || c.Conn.Delivered() || !c.Conn.Dropped() {
		t.Errorf("over %v, delivered %v, dropped %v", c.Removed, c.Conn.Delivered(), c.Conn.Dropped())
	}
}

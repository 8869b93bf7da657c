package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// TestHintsEndOnlyDials: that nobody listens ends a dial, whether the packet is known or not, unless it was never sent. Other hints
// end no dial, and none by itself an established connection or what a listener has half open.
func TestHintsEndOnlyDials(t *testing.T) {
	port := engine.Hint{Kind: engine.HintPortUnreachable}
	quoting := func(h engine.Hint, long bool, number uint64) engine.Hint {
		h.Known, h.Long, h.Number, h.NumberLen = true, long, number, 2
		return h
	}
	for name, test := range map[string]struct {
		hint                engine.Hint
		ends                bool
		counted, unexpected uint64
	}{
		"unknown packet":           {port, true, 1, 0},
		"the INITIAL":              {quoting(port, true, 0), true, 1, 0},
		"an INITIAL of the future": {quoting(port, true, 1), false, 0, 1},
		"a short packet":           {quoting(port, false, 0), false, 0, 1},
		"no way":                   {quoting(engine.Hint{Kind: engine.HintUnreachable}, true, 0), false, 1, 0},
		"too big":                  {quoting(engine.Hint{Kind: engine.HintTooBig, MTU: 1000}, true, 0), false, 1, 0},
		"prohibited":               {quoting(engine.Hint{Kind: engine.HintProhibited}, true, 0), false, 1, 0},
	} {
		w := newWorld(t, 1, path(0, time.Second), path(0, time.Second))
		c := w.client.Dial(w.server)
		c.Conn.Unreachable(w.Now(), test.hint)
		stats := c.Conn.Info().Stats
		if c.Conn.Done() != test.ends || stats.SendErrors != test.counted || stats.Unexpected != test.unexpected {
			t.Errorf("%s: ended %v, %d counted, %d unexpected", name, c.Conn.Done(), stats.SendErrors, stats.Unexpected)
		}
		if test.ends && (kindOf(c.Conn.Err()) != engine.KindRefused || c.Conn.Err().Error() != "refused: port unreachable") {
			t.Errorf("%s: error %v", name, c.Conn.Err())
		}
	}

	w := newWorld(t, 1, path(0, 40*time.Millisecond), path(0, 40*time.Millisecond))
	c, s := w.connect()
	w.Run(time.Second)
	for _, f := range []*simnet.Flow{c, s} {
		for _, hint := range []engine.Hint{port, quoting(port, false, 0), quoting(port, true, 0)} {
			f.Conn.Unreachable(w.Now(), hint)
		}
		f.Conn.Unreachable(w.Now(), quoting(port, false, 1000))
		if stats := f.Conn.Info().Stats; f.Conn.Err() != nil || stats.SendErrors != 3 || stats.Unexpected != 1 {
			t.Errorf("error %v, %d counted, %d unexpected", f.Conn.Err(), stats.SendErrors, stats.Unexpected)
		}
	}
	write(t, c, "alive")
	w.Run(time.Second)
	if got, err := readAll(s); got != "alive" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

package engine_test

import (
	"testing"
	"time"
)

// Bytes that do not fill a packet wait while they are corked, and under Nagle's algorithm while something is in flight; a full
// packet and the end of the stream do not.
func TestCork(t *testing.T) {
	w := newWorld(t, 1, path(1_250_000, 40*time.Millisecond), path(1_250_000, 40*time.Millisecond))
	f, _ := w.connect()
	w.Run(time.Second)
	var written uint64
	step := func(what string, n int, change func(), least, most uint64) {
		t.Helper()
		if change != nil {
			change()
		}
		if n > 0 {
			if _, err := f.Conn.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
		}
		written += uint64(n)
		f.Flush()
		if left := written - f.Conn.Info().Stats.StreamBytesSent; left < least || left > most {
			t.Errorf("%s: %d of %d bytes have not left, want %d to %d", what, left, written, least, most)
		}
	}
	step("corked", 100, func() { f.Conn.SetCork(true) }, 100, 100)
	if !f.Conn.Corked() {
		t.Error("it is not said to be corked")
	}
	step("more than a packet's worth", 1400, nil, 1, 400)
	step("uncorked", 0, func() { f.Conn.SetCork(false) }, 0, 0)
	w.Run(time.Second)
	step("Nagle's algorithm, nothing in flight", 10, func() { f.Conn.SetNagle(true) }, 0, 0)
	step("Nagle's algorithm, a packet in flight", 10, nil, 10, 10)
	step("Nagle's algorithm, more of it", 10, nil, 20, 20)
	w.Run(time.Second)
	step("when that is acknowledged", 0, nil, 0, 0)
	w.Run(time.Second)
	step("again", 10, nil, 0, 0)
	step("again, a packet in flight", 10, nil, 10, 10)
	step("the end of the stream", 0, f.Conn.CloseWrite, 0, 0)
}

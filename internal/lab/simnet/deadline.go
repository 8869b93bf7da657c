package simnet

import (
	"sync"
	"time"
)

// deadline is one of a socket's two. The socket's lock guards it.
type deadline struct {
	timer  *time.Timer
	passed bool
}

// set replaces the deadline; a zero time means none. It is called with mu, the
// socket's lock, held; so is wake, when the deadline passes.
func (d *deadline) set(when time.Time, mu sync.Locker, wake func()) {
	d.stop()
	d.passed = false
	if when.IsZero() {
		return
	}
	left := time.Until(when)
	if left <= 0 {
		d.passed = true
		wake()
		return
	}
	var own *time.Timer
	own = time.AfterFunc(left, func() {
		mu.Lock()
		defer mu.Unlock()
		if d.timer == own { // not replaced while this call was under way
			d.timer, d.passed = nil, true
			wake()
		}
	})
	d.timer = own
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

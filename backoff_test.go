package ebb

import (
	"testing"
	"time"
)

// TestLoggingHasARate: a socket whose reads fail for ever is tried once a second, and
// written about ever more rarely.
func TestLoggingHasARate(t *testing.T) {
	var b backoff
	lines, waited := 0, time.Duration(0)
	for range 100_000 {
		pause := b.next()
		waited += pause
		if pause > 0 && b.loggable() {
			lines++
		}
		if pause > time.Second {
			t.Fatalf("a pause of %v", pause)
		}
	}
	if waited < 24*time.Hour || lines == 0 || lines > 20 {
		t.Errorf("%d lines in %v", lines, waited)
	}
}

package engine_test

import (
	"testing"

	"example.com/ebb/internal/lab/scripted"
)

// protection is whether connections are protected.
type protection bool

const (
	plain  protection = false
	sealed protection = true
)

// protect has the connections of both stations be protected.
func (w *world) protect() {
	w.client.Protect(scripted.Script{Seed: 1})
	w.server.Protect(scripted.Script{Seed: 1})
}

// TestProtectedSeeds is TestSeeds with protected connections.
func TestProtectedSeeds(t *testing.T) {
	lost := eachSeed(t, func(t *testing.T, seed uint64) bool { return runSeed(t, seed, sealed, nil) })
	if lost > 2+*seedCount/200 {
		t.Errorf("gave up %d of %d connections", lost, *seedCount)
	}
}

// TestProtectedTroubledSeeds is TestTroubledSeeds with protected connections.
func TestProtectedTroubledSeeds(t *testing.T) { troubledSeeds(t, sealed) }

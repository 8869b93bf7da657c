package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

func TestTransferOverCleanPath(t *testing.T) {
	w := newWorld(t, 1, path(1_250_000, 40*time.Millisecond), path(1_250_000, 40*time.Millisecond))
	took := w.transfer(5<<20, time.Minute)
	if floor := 4 * time.Second; took < floor || took > floor*5/4 {
		t.Errorf("5 MiB at 10 Mbit/s took %v", took)
	}
}

// TestTransferOverBadPath carries, of docs/wire.md: [W122].
func TestTransferOverBadPath(t *testing.T) {
	bad := simnet.LinkConfig{Delay: 25 * time.Millisecond, Loss: 0.02, Reorder: 0.02, Duplicate: 0.01, Corrupt: 0.01}
	w := newWorld(t, 2, bad, bad)
	w.transfer(5<<20, 5*time.Minute)
}

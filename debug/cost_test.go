//go:build unix && !race

package debug

import (
	"syscall"
	"testing"
	"time"
)

// snapshotConnections is how many connections the bound on a snapshot is for: 2,000, half of them the other sides of the rest.
const snapshotConnections = 2000

// processorTime is what the process has used of processors.
func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestASnapshotIsCheap: of 2,000 connections it allocates little, and one a second takes less than 5 % of a processor.
func TestASnapshotIsCheap(t *testing.T) {
	connected(t, snapshotConnections/2)
	allocations := testing.AllocsPerRun(3, func() { encode(Read(nil)) }) / snapshotConnections
	least := time.Hour
	for range 5 {
		before := processorTime(t)
		encode(Read(nil))
		least = min(least, processorTime(t)-before)
	}
	t.Logf("%.1f allocations a connection, %v of a processor", allocations, least)
	if allocations > 12 || least > 50*time.Millisecond {
		t.Errorf("a snapshot allocates %.1f times a connection and takes %v, want at most 12 times and 50 ms", allocations, least)
	}
}

// BenchmarkSnapshot is what a refresh of the page costs the process, with 2,000 connections.
func BenchmarkSnapshot(b *testing.B) {
	connected(b, snapshotConnections/2)
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		b.SetBytes(int64(len(encode(Read(nil)))))
	}
	b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

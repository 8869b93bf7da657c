package kernel

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestArrivals: what a receiver writes is counted from its first byte on, and closing ends the reading.
func TestArrivals(t *testing.T) {
	if _, err := exec.LookPath("mkfifo"); err != nil {
		t.Skip("skipped: there is no mkfifo command")
	}
	dir := t.TempDir()
	a, err := watchArrivals(dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(filepath.Join(dir, watchName), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The pipe holds 64 KiB: when the last byte is in, all but so much was read.
	const sent = 1 << 20
	if _, err := w.Write(make([]byte, sent)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	sum := 0.0
	for _, r := range a.close() {
		sum += r.bytes / perByte
	}
	if sum < sent-64<<10-1 || sum > sent+1 {
		t.Errorf("%.0f bytes of %d", sum, sent)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestArrivalsAreCountedFinely(t *testing.T) {
	var a arrivals
	for _, at := range []time.Duration{0, 3 * time.Millisecond, 10 * time.Millisecond, 45 * time.Millisecond} {
		a.note(at, 1450)
	}
	want := series{{at: 10 * time.Millisecond, bytes: 3000, queue: -1}, {at: 20 * time.Millisecond, bytes: 1500, queue: -1}, {at: 50 * time.Millisecond, bytes: 1500, queue: -1}}
	if len(a.rows) != len(want) {
		t.Fatalf("%+v, want %+v", a.rows, want)
	}
	for i, r := range a.rows {
		if r.at != want[i].at || r.bytes < want[i].bytes-1 || r.bytes > want[i].bytes+1 || r.queue >= 0 {
			t.Errorf("interval %d: %+v, want %+v", i, r, want[i])
		}
	}
	a.note(118*time.Millisecond, 14500)
	if took, ok := a.rows.reaches(span{0, time.Second}, 100*time.Millisecond, 16000/0.1); !ok || took != 120*time.Millisecond {
		t.Errorf("reached after %v, %v; want 120 ms", took, ok)
	}
}

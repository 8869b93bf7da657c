package prefetch

import "testing"

// TestWrite: any length, at the end of what is allocated too, and nothing changes.
func TestWrite(t *testing.T) {
	b := make([]byte, 4096)
	for i := range b {
		b[i] = byte(i)
	}
	for n := range len(b) + 1 {
		Write(b[len(b)-n:])
	}
	for i := range b {
		if b[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, b[i])
		}
	}
}

package machine

import "testing"

// TestOurs: every machine that runs this test has more than a megabyte, and less than a pebibyte.
func TestOurs(t *testing.T) {
	size := Ours()
	if size.Memory < 1<<20 || size.Memory > 1<<50 {
		t.Errorf("%d bytes of memory", size.Memory)
	}
	if size.Descriptors < 0 {
		t.Errorf("%d descriptors", size.Descriptors)
	}
	t.Logf("%+v", size)
}

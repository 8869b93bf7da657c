package engine

import "testing"

// TestOvertakenMarksAreNotDropped: marked packets that unmarked ones overtake, and that therefore count as lost, are taken to be
// dropped until the first of them is acknowledged after all.
func TestOvertakenMarksAreNotDropped(t *testing.T) {
	var m markState
	send := func(next uint64) bool {
		m.begin(0, next, false)
		return m.mark(true, false)
	}
	for n := range uint64(5) {
		if !send(n) {
			t.Fatal("packets are not marked")
		}
	}
	for n := range uint64(5) {
		m.lose(n, 1200)
	}
	m.deliver(6, 1200, false)
	if !m.judge(0, false, 7) || send(7) {
		t.Fatalf("five of five are lost, and the path has not failed: %+v", m)
	}
	m.deliver(2, 1200, true)
	if m.phase != marksTesting || !send(8) {
		t.Errorf("one has arrived, and packets are not marked: %+v", m)
	}
	m.deliver(8, 1200, true)
	if m.pass(); m.phase != marksPass {
		t.Errorf("the test does not end: %+v", m)
	}
}

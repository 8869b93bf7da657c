package ebb

import (
	"math/rand/v2"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
)

// TestTimetableAgainstModel enters, moves and strikes out connections at random: the first of the timetable is always
// the first of a plain map, and its timer is never later.
func TestTimetableAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	table := timetable{now: func() time.Duration { return 0 }, set: engine.Never}
	conns := make([]*Conn, 100)
	for i := range conns {
		conns[i] = new(Conn)
	}
	model := make(map[*Conn]time.Duration)
	for range 20_000 {
		c := conns[r.IntN(len(conns))]
		at, entered := model[c]
		switch {
		case r.IntN(3) == 0:
			table.remove(c)
			delete(model, c)
		case !entered:
			at = time.Hour + time.Duration(r.IntN(1_000_000))
			fallthrough
		default:
			at -= time.Duration(r.IntN(1000))
			table.add(c, at)
			model[c] = at
		}
		first := engine.Never
		for _, at := range model {
			first = min(first, at)
		}
		if len(table.entries) != len(model) {
			t.Fatalf("%d entries, want %d", len(table.entries), len(model))
		}
		if len(model) > 0 && (table.entries[0].at != first || model[table.entries[0].conn] != first) {
			t.Fatalf("the first is due at %v, want %v", table.entries[0].at, first)
		}
		if table.set > first {
			t.Fatalf("the timer fires at %v, after the first, %v", table.set, first)
		}
	}
	for _, c := range conns {
		table.remove(c)
	}
	if table.set != engine.Never {
		t.Errorf("the timer of an empty timetable fires at %v", table.set)
	}
}

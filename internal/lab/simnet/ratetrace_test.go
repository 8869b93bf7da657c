package simnet

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func mustTrace(t *testing.T, text string) *Trace {
	t.Helper()
	trace, err := ParseTrace(strings.NewReader(strings.ReplaceAll(text, " ", "\n")))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return trace
}

func TestTracePlays(t *testing.T) {
	type packet struct {
		sent float64 // ms
		size int     // bytes, headers included
	}
	many := func(sent float64, size, n int) []packet { return slices.Repeat([]packet{{sent, size}}, n) }
	for _, tt := range []struct {
		name, trace string
		packets     []packet
		want        []float64 // when each arrives, ms
	}{
		{"one a line", "1 2 5 9", many(0, 1500, 3), []float64{1, 2, 5}},
		{"repeated lines", "3 3 3 9", many(0, 1500, 4), []float64{3, 3, 3, 9}},
		{"begins again at the end", "2 5", many(0, 1500, 6), []float64{2, 5, 7, 10, 12, 15}},
		{"a pause", "1 4000", many(2, 1500, 1), []float64{4000}},
		{"unused is lost", "1 2 3 9", many(4.5, 1500, 2), []float64{9, 10}},
		{"small ones share", "1 2", many(0, 500, 4), []float64{1, 1, 1, 2}},
		{"what is left goes on", "1 2 3", many(0, 1000, 4), []float64{1, 2, 2, 3}},
		{"left for the same millisecond", "5 9", []packet{{4, 500}, {5.4, 900}, {5.8, 500}}, []float64{5, 5.4, 9}},
		{"not for the next", "5 9", []packet{{4, 500}, {6.1, 500}}, []float64{5, 9}},
		{"larger than one", "1 2 3", many(0, 4000, 1), []float64{3}},
		{"first at 0", "0 4", many(0, 1500, 4), []float64{0, 4, 4, 8}},
	} {
		l := NewLink(LinkConfig{Overhead: -1, Schedule: mustTrace(t, tt.trace).From(0)}, 1)
		var got []float64
		for _, p := range tt.packets {
			got = append(got, at(l, p.size, time.Duration(p.sent*float64(ms)))[0].Seconds()*1000)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: arrivals at %v ms, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTraceFrom(t *testing.T) {
	trace := mustTrace(t, "2 5 9")
	for _, tt := range []struct {
		start time.Duration
		want  []time.Duration
	}{
		{0, []time.Duration{2 * ms, 5 * ms, 9 * ms, 11 * ms}},
		{3 * ms, []time.Duration{2 * ms, 6 * ms, 8 * ms, 11 * ms}},
		{9 * ms, []time.Duration{2 * ms, 5 * ms, 9 * ms, 11 * ms}},
		{95 * ms, []time.Duration{0, 4 * ms, 6 * ms, 9 * ms}},
	} {
		l := NewLink(LinkConfig{Overhead: -1, Schedule: trace.From(tt.start)}, 1)
		if got := at(l, 1500, repeat(0, 4)...); !slices.Equal(got, tt.want) {
			t.Errorf("from %v: arrivals at %v, want %v", tt.start, got, tt.want)
		}
	}
}

func TestTraceIs(t *testing.T) {
	trace := mustTrace(t, "10 10 40 100")
	if trace.Length() != 100*ms || trace.Mean() != 60_000 || trace.Pause() != 60*ms {
		t.Errorf("%v long, %d bytes/s, a pause of %v", trace.Length(), trace.Mean(), trace.Pause())
	}
}

func TestParseTraceRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "line 0"},
		{"0\n0\n", "line 2"},
		{"1\nx\n", "line 2"},
		{"-1\n", "line 1"},
		{"1\n\n5\n4\n", "line 4: 4 ms after 5 ms"},
		{"99999999999\n", "line 1"},
		{"1\n" + strings.Repeat("7", 100_000), "line 2"},
		{"1\n\x1b[31m\n", `line 2: "\x1b[31m" is no time`},
	} {
		if _, err := ParseTrace(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 300 {
			t.Errorf("%.20q: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// A generated trace has the mean it was asked for, wanders and pauses, and is the seed's.
func TestMobileTrace(t *testing.T) {
	m := Mobile{Mean: 625_000, Spread: 105, Over: 3500 * ms, Pauses: 8, Longest: 1400 * ms}
	const length = 140 * time.Second
	for seed := range uint64(5) {
		trace := m.Trace(length, seed)
		if got := trace.Mean(); got < 610_000 || got > 640_000 || trace.Length() != length {
			t.Errorf("seed %d: %d bytes/s in %v", seed, got, trace.Length())
		}
		if got := trace.Pause(); got < 200*ms || got > 3*time.Second {
			t.Errorf("seed %d: a pause of %v", seed, got)
		}
		slow, fast := 0, 0
		seconds := make([]int, 141)
		for _, s := range trace.slots {
			seconds[s.at/time.Second] += s.bytes
		}
		for _, bytes := range seconds[:140] {
			switch {
			case bytes < 312_500:
				slow++
			case bytes > 937_500:
				fast++
			}
		}
		if slow < 14 || fast < 7 {
			t.Errorf("seed %d: %d slow seconds, %d fast", seed, slow, fast)
		}
		if !slices.Equal(trace.slots, m.Trace(length, seed).slots) || slices.Equal(trace.slots, m.Trace(length, seed+1).slots) {
			t.Errorf("seed %d does not say which trace it is", seed)
		}
	}
	m.Clump = 3
	for _, s := range m.Trace(length, 1).slots {
		if s.bytes%(3*opportunity) != 0 && s.at != length {
			t.Fatalf("%d bytes at %v, want clumps of three", s.bytes, s.at)
		}
	}
	smooth := Mobile{Mean: 1_000_000, Over: time.Second}.Trace(10*time.Second, 1)
	if got := smooth.Pause(); got > 60*ms {
		t.Errorf("a link without pauses pauses for %v", got)
	}
}

package wire

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parseAck parses a frame that must be a whole ACK.
func parseAck(t *testing.T, b []byte) Ack {
	t.Helper()
	var f Frame
	if n, err := f.Parse(b); n != len(b) || err != nil {
		t.Fatalf("%x: %d of %d bytes, error %v", b, n, len(b), err)
	}
	return f.Ack
}

// everySecond returns n ranges of one number each.
func everySecond(n int) (ranges []Range) {
	for i := range uint64(n) {
		ranges = append(ranges, Range{2 * i, 2 * i})
	}
	return ranges
}

func newestFirst(ranges []Range) []Range {
	ranges = slices.Clone(ranges)
	slices.Reverse(ranges)
	return ranges
}

// TestAck carries, of docs/wire.md: [W31].
func TestAck(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ranges []Range
	}{
		{"number 0", []Range{{0, 0}}},
		{"all numbers", []Range{{0, MaxOffset}}},
		{"the last number", []Range{{MaxOffset, MaxOffset}}},
		{"both ends", []Range{{0, 0}, {MaxOffset, MaxOffset}}},
		{"smallest gap", []Range{{0, 4}, {6, 6}}},
		{"varints of all sizes", []Range{{1 << 29, 1<<29 + 1<<20}, {1 << 40, 1<<40 + 100}, {1<<40 + 10000, 1 << 50}, {1<<50 + 2, 1<<50 + 2}}},
		{"most ranges", everySecond(256)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := Must(AppendAck(nil, &Ack{}, tt.ranges, math.MaxInt))
			a := parseAck(t, b)
			if diff := cmp.Diff(newestFirst(tt.ranges), slices.Collect(a.Ranges())); diff != "" {
				t.Errorf("ranges (-want +got):\n%s", diff)
			}
			if want := tt.ranges[len(tt.ranges)-1].Last; a.Largest != want {
				t.Errorf("largest %d, want %d", a.Largest, want)
			}
			f := Frame{Type: FrameAck, Ack: a}
			if again := Must(f.Append(nil)); !bytes.Equal(again, b) {
				t.Errorf("written again as %x, want %x", again, b)
			}
		})
	}
}

func TestAckErrors(t *testing.T) {
	const head, zeros = "02 05 00 00000000 ", "00 00 00000000 "
	for _, tt := range []struct {
		name, hex string
		want      error
	}{
		{"first range below 0", head + "00 06", errAckRanges},
		{"first range far below 0", head + "00 ffffffffffffffff", errAckRanges},
		{"gap below 0", head + "01 00 04 00", errAckRanges},
		{"gap of 2^62-1", head + "01 00 ffffffffffffffff 00", errAckRanges},
		{"next range below 0", head + "01 00 00 04", errAckRanges},
		{"next range far below 0", head + "01 00 00 ffffffffffffffff", errAckRanges},
		{"257 ranges", "02 4400 " + zeros[3:] + "4100 00" + strings.Repeat("0000", 256), errRange},
		{"2^62 ranges", head + "ffffffffffffffff 00", errRange},
		{"delay of 2^32 µs", "02 05 c000000100000000 00000000 00 00", errRange},
		{"long largest", "02 4005 00 00000000 00 00", errVarint},
		{"long delay", "02 05 4000 00000000 00 00", errVarint},
		{"long count", head + "4000 00", errVarint},
		{"long first", head + "00 4000", errVarint},
		{"long gap", head + "01 00 4000 00", errVarint},
		{"long length", head + "01 00 00 4000", errVarint},
		{"a range less than counted", head + "02 00 00 00", ErrTruncated},
		{"no counts", "03 05 00 00000000 00 00", ErrTruncated},
		{"two counts", "03 05 00 00000000 00 00 01 01", ErrTruncated},
		{"long count of CE", "03 05 00 00000000 00 00 01 01 4001", errVarint},
	} {
		var f Frame
		if n, err := f.Parse(unhex(t, tt.hex)); n != 0 || err != tt.want {
			t.Errorf("%s: %d, %v; want 0, %v", tt.name, n, err, tt.want)
		}
	}
}

// TestAppendAckKeepsTheNewest carries, of docs/wire.md: [W32].
func TestAppendAckKeepsTheNewest(t *testing.T) {
	ranges := everySecond(300)
	whole := Must(AppendAck(nil, &Ack{}, ranges, math.MaxInt))
	a := parseAck(t, whole)
	if diff := cmp.Diff(newestFirst(ranges[300-MaxAckRanges:]), slices.Collect(a.Ranges())); diff != "" {
		t.Errorf("of 300 ranges (-want +got):\n%s", diff)
	}

	a.HasECN, a.ECT0, a.ECT1, a.CE = true, 1, 100, 100000
	prefix := []byte("packet")
	kept := 0
	for room := range 600 {
		b := Must(AppendAck(slices.Clone(prefix), &a, ranges, room))
		frame, ok := bytes.CutPrefix(b, prefix)
		if !ok || len(frame) > room {
			t.Fatalf("room for %d: %d bytes", room, len(frame))
		}
		if len(frame) == 0 {
			if kept > 0 {
				t.Fatalf("room for %d: nothing, and for less there was something", room)
			}
			continue
		}
		got := parseAck(t, frame)
		list := slices.Collect(got.Ranges())
		if !slices.Equal(list, newestFirst(ranges[300-len(list):])) {
			t.Fatalf("room for %d: ranges %v", room, list)
		}
		// Every range takes two bytes, and one more tips the count over to two.
		if spare := room - len(frame); len(list) < MaxAckRanges && spare >= 3 {
			t.Fatalf("room for %d: %d left over with %d ranges", room, spare, len(list))
		}
		if len(list) < kept {
			t.Fatalf("room for %d: %d ranges, %d for less", room, len(list), kept)
		}
		kept = len(list)
	}
	if kept != MaxAckRanges {
		t.Errorf("kept %d ranges, want %d", kept, MaxAckRanges)
	}
}

// TestAppendAckDelay carries, of docs/wire.md: [W30].
func TestAppendAckDelay(t *testing.T) {
	for _, tt := range []struct{ delay, want time.Duration }{
		{-time.Second, 0},
		{999 * time.Nanosecond, 0},
		{1999 * time.Nanosecond, time.Microsecond},
		{math.MaxUint32 * time.Microsecond, math.MaxUint32 * time.Microsecond},
		{math.MaxInt64, math.MaxUint32 * time.Microsecond},
	} {
		a := parseAck(t, Must(AppendAck(nil, &Ack{Delay: tt.delay}, []Range{{7, 7}}, 100)))
		if a.Delay != tt.want {
			t.Errorf("delay %v is sent as %v, want %v", tt.delay, a.Delay, tt.want)
		}
	}
}

func TestAckOfOneNumber(t *testing.T) {
	f := Frame{Type: FrameAck, Ack: Ack{Largest: 1000}}
	if got := slices.Collect(f.Ack.Ranges()); !slices.Equal(got, []Range{{1000, 1000}}) {
		t.Errorf("ranges %v", got)
	}
	a := parseAck(t, Must(f.Append(nil)))
	if got := slices.Collect(a.Ranges()); !slices.Equal(got, []Range{{1000, 1000}}) {
		t.Errorf("ranges after a trip %v", got)
	}
}

func TestAckRangesStop(t *testing.T) {
	a := parseAck(t, Must(AppendAck(nil, &Ack{}, everySecond(10), 1000)))
	seen := 0
	for r := range a.Ranges() {
		if seen++; r.First == 14 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("saw %d ranges, want 3", seen)
	}
}

func TestAppendAckNothing(t *testing.T) {
	if b, err := AppendAck([]byte{1}, &Ack{}, nil, 1000); len(b) != 1 || err != nil {
		t.Errorf("an ACK of no ranges: %x, %v", b, err)
	}
	for name, ranges := range map[string][]Range{
		"backwards":   {{5, 4}},
		"descending":  {{5, 5}, {1, 1}},
		"overlapping": {{1, 5}, {5, 9}},
		"adjacent":    {{1, 4}, {5, 9}},
		"hollow":      {{3, 2}, {5, 9}},
		"too large":   {{MaxOffset + 1, MaxOffset + 1}},
	} {
		b, err := AppendAck([]byte{1}, &Ack{}, ranges, 1000)
		if want := errAckRanges; len(b) != 1 || err != want && (name != "too large" || err != errRange) {
			t.Errorf("%s: %x, error %v; want %v", name, b, err, want)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// TestTheCallFollowsItsFeedback: over loopback the estimate of GCC rises from where it began, which takes packets, their
// numbers and the feedback of the other end; and what arrives is measured.
func TestTheCallFollowsItsFeedback(t *testing.T) {
	local, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", local.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	const start, most = 500_000, 2_000_000
	s, err := newSource(conn, start, most)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var rising = make(chan struct{})
	s.estimator.OnTargetBitrateChange(func(rate int) {
		if rate > start*11/10 {
			select {
			case <-rising:
			default:
				close(rising)
			}
		}
	})
	ends := make(chan error, 2)
	to := sink{conn: local}
	go func() { ends <- to.receive(ctx) }()
	go func() { ends <- s.run(ctx) }()
	select {
	case <-rising:
	case <-ctx.Done():
		t.Errorf("the estimate is %d after half a minute, want more than %d", s.estimator.GetTargetBitrate(), start)
	}
	cancel()
	for range 2 {
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
	f := to.figures(0)
	if f.Mbit <= 0 || f.DelayP50 <= 0 || f.DelayP95 < f.DelayP50 || f.WayP95 > f.DelayP95 {
		t.Errorf("%+v", f)
	}
}

// TestFrames: frames have the size that the rate gives them, in packets of the largest size but for the last.
func TestFrames(t *testing.T) {
	var sizes []int
	var last rtp.Header
	s := source{most: 1_200_000, estimator: fixed(9_000_000)}
	s.stream = interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
		sizes, last = append(sizes, len(payload)), *h
		return 0, nil
	})
	if err := s.frame(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	// 1.2 Mbit/s are 5000 bytes, 30 times a second.
	if !slices.Equal(sizes, []int{1150, 1150, 1150, 1150, 399}) && !slices.Equal(sizes, []int{1150, 1150, 1150, 1150, 400}) {
		t.Errorf("packets of %v", sizes)
	}
	if !last.Marker || last.SequenceNumber != 4 {
		t.Errorf("the last packet has %+v", last)
	}
}

func TestFigures(t *testing.T) {
	var s sink
	packet := func(sequence uint16, made, left, at time.Duration) {
		payload := make([]byte, 1000-12)
		binary.BigEndian.PutUint64(payload, uint64(time.Unix(0, 0).Add(made).UnixNano()))
		binary.BigEndian.PutUint64(payload[8:], uint64(time.Unix(0, 0).Add(left).UnixNano()))
		b, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: sequence}, Payload: payload}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		s.note(b, time.Unix(0, 0).Add(at))
	}
	const ms = time.Millisecond
	packet(65530, 0, 0, ms)
	for i := range 100 {
		// A packet of 1000 bytes every 10 ms, from one second on; number 9 is missing.
		if at := time.Second + time.Duration(i)*10*ms; i != 15 {
			packet(uint16(65530+i), at, at+2*ms, at+time.Duration(10+i%10)*ms)
		}
	}
	s.note([]byte("no packet"), time.Unix(2, 0))
	f := s.figures(time.Second)
	if f.Mbit < 0.78 || f.Mbit > 0.82 || f.DelayP50 < 13 || f.DelayP50 > 15 || f.DelayP95 < 18 || f.DelayP95 > 19 || f.Lost != 1 {
		t.Errorf("%+v, want 0.8 Mbit/s, delays of 10 to 19 ms, one lost", f)
	}
	if want := f.DelayP95 - 2; f.WayP95 != want {
		t.Errorf("p95 of the way is %v, want %v", f.WayP95, want)
	}
}

// TestReport: the medians decide.
func TestReport(t *testing.T) {
	pair := func(alone, beside, rise float64) result {
		return result{alone: callFigures{Mbit: alone, DelayP95: 30}, beside: callFigures{Mbit: beside, DelayP95: 30 + rise}}
	}
	for _, test := range []struct {
		name string
		all  []result
		met  bool
	}{
		{"met", []result{pair(2.5, 2.5, 4), pair(2.5, 1, 9), pair(2.5, 2.45, 5)}, true},
		{"the rate", []result{pair(2.5, 2.4, 1)}, false},
		{"the delay", []result{pair(2.5, 2.5, 5.1)}, false},
	} {
		var b bytes.Buffer
		if got := report(&b, "path", test.all); got != test.met {
			t.Errorf("%s: met %v\n%s", test.name, got, b.String())
		}
	}
}

// TestInTheLaboratory: short runs over one of the paths yield figures.
func TestInTheLaboratory(t *testing.T) {
	var b strings.Builder
	p := plan{
		folder: os.Getenv("EBB_NETLAB"), rounds: 1, start: 1_500_000, most: 2_500_000, paths: []string{"20 Mbit/s"},
		times: times{call: 4 * time.Second, warm: 2 * time.Second, ebb: time.Second},
	}
	if _, err := measure(t.Context(), p, &b); skipped(err) {
		t.Skip("skipped: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "round 1: the call keeps") {
		t.Errorf("%s", b.String())
	}
	t.Log(b.String())
}

// TestMain lets the laboratory run the test's binary as the ends of a call.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"source", "sink", "bulk-source", "bulk-sink"}, os.Args[1]) {
		main()
		return
	}
	os.Exit(m.Run())
}

// fixed is an estimate that does not change.
type fixed int

func (f fixed) AddStream(_ *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	return w
}
func (f fixed) WriteRTCP([]rtcp.Packet, interceptor.Attributes) error { return nil }
func (f fixed) GetTargetBitrate() int                                 { return int(f) }
func (f fixed) OnTargetBitrateChange(func(int))                       {}
func (f fixed) GetStats() map[string]any                              { return nil }
func (f fixed) Close() error                                          { return nil }

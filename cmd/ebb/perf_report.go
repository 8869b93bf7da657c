package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"example.com/ebb/cmd/ebb/internal/perf"
	"example.com/ebb/internal/untrusted"
)

// perfSum is what iperf3 says of bytes in a time, and of a sender: retransmits of TCP are segments, those of Ebb packets that were declared lost, whose
// content is sent again. Windows are bytes, and round trips µs, as there. What iperf3 has no name for is in Ebb, in seconds.
type perfSum struct {
	Start         float64    `json:"start"`
	End           float64    `json:"end"`
	Seconds       float64    `json:"seconds"`
	Bytes         int64      `json:"bytes"`
	BitsPerSecond float64    `json:"bits_per_second"`
	Retransmits   *uint64    `json:"retransmits,omitempty"`
	Window        int        `json:"snd_cwnd,omitempty"` // of an interval: at its end
	RTT           int64      `json:"rtt,omitempty"`
	RTTVariance   int64      `json:"rttvar,omitempty"`
	MaxWindow     int        `json:"max_snd_cwnd,omitempty"`
	MaxRTT        int64      `json:"max_rtt,omitempty"`
	MinRTT        int64      `json:"min_rtt,omitempty"`
	MeanRTT       int64      `json:"mean_rtt,omitempty"`
	Sender        bool       `json:"sender"`
	Ebb           *perf.Sent `json:"ebb,omitempty"`
	Error         string     `json:"error,omitempty"`
}

func perfSumOf(start, end float64, bytes int64, sender bool) perfSum {
	return perfSum{
		Start: start, End: end, Seconds: end - start, Bytes: bytes, Sender: sender,
		BitsPerSecond: float64(bytes) * 8 / max(end-start, 1e-9),
	}
}

// perfDocument is what --json prints, with the names that iperf3 has for the same.
type perfDocument struct {
	Start     perfStart      `json:"start"`
	Intervals []perfInterval `json:"intervals"`
	End       perfEnd        `json:"end"`
}

type perfStart struct {
	Connected []perfConnected `json:"connected"`
	Timestamp struct {
		Time string `json:"time"`
		Secs int64  `json:"timesecs"`
	} `json:"timestamp"`
	Test struct {
		Protocol string  `json:"protocol"`
		Streams  int     `json:"num_streams"`
		Bytes    int64   `json:"bytes"`
		Duration float64 `json:"duration"`
		Reverse  int     `json:"reverse"`
		Bidir    int     `json:"bidir"`
	} `json:"test_start"`
}

type perfConnected struct {
	Local  string `json:"local_address"`
	Remote string `json:"remote_address"`
}

type perfInterval struct {
	Streams      []perfSum `json:"streams"`
	Sum          perfSum   `json:"sum"`
	BidirReverse *perfSum  `json:"sum_bidir_reverse,omitempty"`
}

type perfEnd struct {
	Streams             []perfStream `json:"streams"`
	SumSent             perfSum      `json:"sum_sent"`
	SumReceived         perfSum      `json:"sum_received"`
	SentBidirReverse    *perfSum     `json:"sum_sent_bidir_reverse,omitempty"`
	ReceivedBidirRevers *perfSum     `json:"sum_received_bidir_reverse,omitempty"`
}

type perfStream struct {
	Sender   perfSum `json:"sender"`
	Receiver perfSum `json:"receiver"`
}

// perfJSON makes what is printed of a test.
func perfJSON(r *perf.Report, protocol string) perfDocument {
	var d perfDocument
	d.Start.Connected = []perfConnected{{r.Local, r.Remote}}
	d.Start.Timestamp.Time, d.Start.Timestamp.Secs = r.Began.UTC().Format(time.RFC1123), r.Began.Unix()
	t := &d.Start.Test
	t.Protocol, t.Streams, t.Bytes, t.Duration = protocol, max(r.Up, r.Down), r.Bytes, r.Seconds
	if r.Up == 0 {
		t.Reverse = 1
	} else if r.Down > 0 {
		t.Bidir = 1
	}
	for _, i := range r.Intervals {
		var p perfInterval
		for k, n := range i.StreamsUp {
			p.Streams = append(p.Streams, intervalSum(&i, k, n))
		}
		for _, n := range i.StreamsDn {
			p.Streams = append(p.Streams, perfSumOf(i.Start, i.End, n, false))
		}
		up, down := perfSumOf(i.Start, i.End, i.BytesUp, true), perfSumOf(i.Start, i.End, i.BytesDown, false)
		for _, stream := range p.Streams {
			if stream.Retransmits != nil {
				if up.Retransmits == nil {
					up.Retransmits = new(uint64)
				}
				*up.Retransmits += *stream.Retransmits
			}
		}
		switch {
		case r.Up == 0:
			p.Sum = down
		case r.Down > 0:
			p.Sum, p.BidirReverse = up, &down
		default:
			p.Sum = up
		}
		d.Intervals = append(d.Intervals, p)
	}
	for _, s := range pairs(r) {
		d.End.Streams = append(d.End.Streams, perfStream{resultSum(s[0], protocol), resultSum(s[1], protocol)})
	}
	sent, received := sums(r, r.Up == 0)
	d.End.SumSent, d.End.SumReceived = sent, received
	if r.Up > 0 && r.Down > 0 {
		sent, received := sums(r, true)
		d.End.SentBidirReverse, d.End.ReceivedBidirRevers = &sent, &received
	}
	return d
}

// intervalSum is what one sender has done in an interval.
func intervalSum(i *perf.Interval, k int, bytes int64) perfSum {
	s := perfSumOf(i.Start, i.End, bytes, true)
	if at := i.Senders[k]; at != nil {
		s.Retransmits, s.Window = &at.Lost, at.Window
		s.RTT, s.RTTVariance = at.RTT.Microseconds(), at.RTTVariance.Microseconds()
	}
	return s
}

func resultSum(r perf.Result, protocol string) perfSum {
	s := perfSumOf(0, r.Seconds, r.Bytes, r.Sender)
	if r.Sent != nil {
		s.Retransmits, s.MaxWindow = &r.Sent.Lost, r.Sent.MaxWindow
		if protocol == "ebb" {
			s.Ebb = r.Sent
		}
		s.MaxRTT, s.MinRTT, s.MeanRTT = int64(r.Sent.MaxRTT*1e6), int64(r.Sent.MinRTT*1e6), int64(r.Sent.MeanRTT*1e6)
	}
	s.Error = untrusted.Text(r.Error).String()
	return s
}

// pairs is the two ends of each data connection: the sender, then the receiver.
func pairs(r *perf.Report) (all [][2]perf.Result) {
	for _, here := range r.Here {
		for _, there := range r.There {
			if here.Down == there.Down && here.Index == there.Index && here.Sender != there.Sender {
				if !here.Sender {
					here, there = there, here
				}
				all = append(all, [2]perf.Result{here, there})
				break
			}
		}
	}
	return all
}

// sums is what was sent and received in a direction, in the time of the longest connection.
func sums(r *perf.Report, down bool) (sent, received perfSum) {
	var bytes [2]int64
	var seconds [2]float64
	var lost *uint64
	for _, p := range pairs(r) {
		if p[0].Down == down {
			for i := range p {
				bytes[i] += p[i].Bytes
				seconds[i] = max(seconds[i], p[i].Seconds)
			}
			if s := p[0].Sent; s != nil {
				if lost == nil {
					lost = new(uint64)
				}
				*lost += s.Lost
			}
		}
	}
	sent, received = perfSumOf(0, seconds[0], bytes[0], true), perfSumOf(0, seconds[1], bytes[1], false)
	sent.Retransmits = lost
	return sent, received
}

// printInterval prints a line about a part of a test.
func printInterval(w io.Writer, i *perf.Interval) {
	rate := func(n int64) float64 { return float64(n) * 8 / 1e6 / max(i.End-i.Start, 1e-9) }
	fmt.Fprintf(w, "%6.2f to %6.2f s", i.Start, i.End)
	if len(i.StreamsUp) > 0 {
		fmt.Fprintf(w, "  sent %9.2f Mbit/s", rate(i.BytesUp))
	}
	if len(i.StreamsDn) > 0 {
		fmt.Fprintf(w, "  received %9.2f Mbit/s", rate(i.BytesDown))
	}
	fmt.Fprintln(w)
}

// printReport prints what a test has shown.
func printReport(w io.Writer, r *perf.Report, protocol string) {
	for _, p := range pairs(r) {
		s := p[0].Sent
		direction := "up"
		if p[0].Down {
			direction = "down"
		}
		fmt.Fprintf(w, "%s %d: sent %d bytes, received %d in %.2f s, %.2f Mbit/s\n",
			direction, p[0].Index, p[0].Bytes, p[1].Bytes, p[1].Seconds, float64(p[1].Bytes)*8/1e6/max(p[1].Seconds, 1e-9))
		for _, end := range p {
			if end.Error != "" {
				fmt.Fprintf(w, "  failed: %s\n", untrusted.Text(end.Error))
			}
		}
		if s == nil {
			continue
		}
		if protocol == "tcp" {
			fmt.Fprintf(w, "  retransmitted %d of %d segments; round trip %.3f ms, least %.3f, most %.3f\n",
				s.Lost, s.Packets, s.MeanRTT*1000, s.MinRTT*1000, s.MaxRTT*1000)
			continue
		}
		fmt.Fprintf(w, "  lost %d of %d packets (%d arrived after all); round trip %.3f ms, least %.3f, most %.3f; queue %.3f ms, most %.3f\n",
			s.Lost, s.Packets, s.Spurious, s.MeanRTT*1000, s.MinRTT*1000, s.MaxRTT*1000, s.MeanQueue*1000, s.MaxQueue*1000)
		names := slices.SortedFunc(maps.Keys(s.LimitedBy), func(a, b string) int {
			if s.LimitedBy[a] > s.LimitedBy[b] {
				return -1
			}
			return 1
		})
		for _, name := range names {
			fmt.Fprintf(w, "  limited by %s for %.2f s\n", untrusted.Text(name), s.LimitedBy[name])
		}
	}
}

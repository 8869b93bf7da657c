// Package traced makes figures and curves of a qlog file: of Ebb's, or of another implementation's as far as it has the same events.
package traced

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"example.com/ebb/qlog"
)

// Flow is a connection as one of its ends has seen it.
type Flow struct {
	Group, Role string // the ID that both ends share, and client or server
	Remote      string // address and port; empty: not in the file
	Wall        string // when it began
	Length      time.Duration

	PacketsSent, PacketsReceived uint64
	BytesSent, BytesReceived     uint64
	Lost, Spurious, Dropped      uint64
	Missing                      uint64 // events that are not in the file
	MinRTT, SmoothedRTT          time.Duration
	Limits                       []Limit // what held the sender back, in the order of its first time
	End                          string  // how it ended; empty: the file ends before

	// Curves: one value for each Step.
	Step             time.Duration
	Sent, Received   []float64 // Mbit/s of packets
	Window, InFlight []float64 // KB, as last told
	Queue            []float64 // ms, the longest that was told
	Losses, Late     []float64 // packets declared lost, and those of them that arrived after all
}

// Limit is one thing that held the sender back, and for how long in all.
type Limit struct {
	Name string
	For  time.Duration
}

const (
	// points is about how many values curves have.
	points = 300
	// minStep is the least Step: within less, the rate is that of trains.
	minStep = 10 * time.Millisecond
	// maxLength bounds the time of an event that is drawn.
	maxLength = 366 * 24 * time.Hour
)

// reader goes through the events of a file.
type reader struct {
	flow    *Flow
	step    time.Duration // 0: the first time, which finds how long it lasts
	queue   bool          // the file has queue delays; false: they are made of round trips
	limit   string
	since   time.Duration
	minRTT  float64
	window  float64
	flying  float64
	lastAny int // the step of the last value of window and flying
}

// Read reads a file, twice.
func Read(r io.ReadSeeker) (*Flow, error) {
	first := reader{flow: new(Flow)}
	if err := first.read(r); err != nil {
		return nil, err
	}
	length := first.flow.Length
	if length > maxLength {
		return nil, fmt.Errorf("the trace has an event %v after its beginning", length)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	second := reader{flow: new(Flow), step: max(minStep, length/points), queue: first.queue}
	f := second.flow
	f.Step = second.step
	n := int(length/second.step) + 1
	for _, curve := range []*[]float64{&f.Sent, &f.Received, &f.Window, &f.InFlight, &f.Queue, &f.Losses, &f.Late} {
		*curve = make([]float64, n)
	}
	if err := second.read(r); err != nil {
		return nil, err
	}
	second.hold(n)
	return f, nil
}

func (r *reader) read(in io.Reader) error {
	q, err := qlog.NewReader(in)
	if err != nil {
		return err
	}
	h := q.Header()
	f := r.flow
	f.Group, f.Role, f.Wall = h.Trace.Common.Group, h.Trace.VantagePoint.Type, h.Trace.Common.Reference.Wall
	for {
		e, err := q.Next()
		if err == io.EOF {
			r.changeLimit(f.Length, "")
			return nil
		}
		if err == nil && e.Time < 0 {
			err = fmt.Errorf("an event is of %v before the beginning", -e.Time)
		}
		if err != nil {
			return err
		}
		f.Length = max(f.Length, e.Time)
		if err := r.event(&e); err != nil {
			return fmt.Errorf("the event of %v: %w", e.Time, err)
		}
	}
}

// add adds to the value of a curve at a time.
func (r *reader) add(curve []float64, at time.Duration, v float64) {
	if r.step > 0 {
		curve[int(at/r.step)] += v
	}
}

// mbits is bytes within a step as a rate.
func (r *reader) mbits(bytes uint64) float64 {
	if r.step == 0 {
		return 0
	}
	return float64(bytes) * 8 / 1e6 / r.step.Seconds()
}

func (r *reader) event(e *qlog.Record) error {
	f := r.flow
	switch e.Name {
	case "quic:packet_sent", "ebb:packets_sent", "quic:packet_received", "ebb:packets_received":
		p, err := e.Packets()
		if err != nil {
			return err
		}
		bytes := p.Count * uint64(max(p.Size, 0))
		if e.Name == "quic:packet_sent" || e.Name == "ebb:packets_sent" {
			f.PacketsSent, f.BytesSent = f.PacketsSent+p.Count, f.BytesSent+bytes
			r.add(f.Sent, e.Time, r.mbits(bytes))
		} else {
			f.PacketsReceived, f.BytesReceived = f.PacketsReceived+p.Count, f.BytesReceived+bytes
			r.add(f.Received, e.Time, r.mbits(bytes))
		}
	case "quic:packet_lost":
		f.Lost++
		r.add(f.Losses, e.Time, 1)
	case "ebb:loss_spurious":
		f.Spurious++
		r.add(f.Late, e.Time, 1)
	case "quic:packet_dropped":
		f.Dropped++
	default:
		return r.state(e)
	}
	return nil
}

// stateEvents is those that state takes.
var stateEvents = []string{
	"quic:connection_started", "quic:connection_closed", "quic:recovery_metrics_updated",
	"ebb:events_dropped", "ebb:limit_updated", "ebb:metrics_updated",
}

// state takes an event that is not of a packet.
func (r *reader) state(e *qlog.Record) error {
	var d struct {
		Count     uint64   `json:"count"`
		New       string   `json:"new"`
		MinRTT    *float64 `json:"min_rtt"`
		Smoothed  *float64 `json:"smoothed_rtt"`
		Latest    *float64 `json:"latest_rtt"`
		Window    *float64 `json:"congestion_window"`
		InFlight  *float64 `json:"bytes_in_flight"`
		Queue     *float64 `json:"queue_delay"`
		Initiator string   `json:"initiator"`
		Error     string   `json:"connection_error"`
		Reason    string   `json:"reason"`
		Remote    struct {
			IPv4  string `json:"ip_v4"`
			Port4 uint16 `json:"port_v4"`
			IPv6  string `json:"ip_v6"`
			Port6 uint16 `json:"port_v6"`
		} `json:"remote"`
	}
	f := r.flow
	if !slices.Contains(stateEvents, e.Name) {
		return nil
	}
	if err := json.Unmarshal(e.Data, &d); err != nil {
		return err
	}
	switch e.Name {
	case "quic:connection_started":
		f.Remote = fmt.Sprintf("%s:%d", d.Remote.IPv4, d.Remote.Port4)
		if d.Remote.IPv4 == "" {
			f.Remote = fmt.Sprintf("[%s]:%d", d.Remote.IPv6, d.Remote.Port6)
		}
	case "ebb:events_dropped":
		f.Missing += d.Count
	case "ebb:limit_updated":
		r.changeLimit(e.Time, d.New)
	case "ebb:metrics_updated":
		if d.Queue != nil {
			r.queue = true
			r.peak(e.Time, *d.Queue)
		}
	case "quic:recovery_metrics_updated":
		r.metrics(e.Time, d.MinRTT, d.Smoothed, d.Latest)
		r.hold(r.index(e.Time))
		if d.Window != nil {
			r.window = *d.Window / 1000
		}
		if d.InFlight != nil {
			r.flying = *d.InFlight / 1000
		}
	case "quic:connection_closed":
		f.End = fmt.Sprintf("by the %s end: %s", d.Initiator, d.Error)
		if d.Reason != "" {
			f.End += ", " + d.Reason
		}
	}
	return nil
}

// metrics takes round trips.
func (r *reader) metrics(at time.Duration, least, smoothed, latest *float64) {
	if least != nil {
		r.minRTT = *least
		r.flow.MinRTT = millis(*least)
	}
	if smoothed != nil {
		r.flow.SmoothedRTT = millis(*smoothed)
	}
	if latest != nil && !r.queue {
		r.peak(at, *latest-r.minRTT)
	}
}

func millis(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// index is the step of a time.
func (r *reader) index(at time.Duration) int {
	if r.step == 0 {
		return 0
	}
	return int(at / r.step)
}

// peak raises the queue at a time.
func (r *reader) peak(at time.Duration, ms float64) {
	if r.step > 0 {
		q := &r.flow.Queue[r.index(at)]
		*q = max(*q, ms)
	}
}

// hold draws the window and the flight as they were told up to a step.
func (r *reader) hold(until int) {
	for i := r.lastAny; i < until && r.step > 0; i++ {
		r.flow.Window[i], r.flow.InFlight[i] = r.window, r.flying
	}
	r.lastAny = max(r.lastAny, until)
}

// changeLimit counts for how long a limit has held the sender back.
func (r *reader) changeLimit(at time.Duration, name string) {
	f := r.flow
	if r.limit != "" {
		i := 0
		for i < len(f.Limits) && f.Limits[i].Name != r.limit {
			i++
		}
		if i == len(f.Limits) {
			f.Limits = append(f.Limits, Limit{Name: r.limit})
		}
		f.Limits[i].For += at - r.since
	}
	r.limit, r.since = name, at
}

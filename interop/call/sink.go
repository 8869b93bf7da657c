package main

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// arrival is one packet of the call.
type arrival struct {
	at       time.Time
	size     int           // of the UDP payload, in bytes
	delay    time.Duration // since its frame was made
	way      time.Duration // since it left
	sequence uint16
}

// sink is the receiving end of a call.
type sink struct {
	conn     *net.UDPConn
	peer     atomic.Pointer[net.UDPAddr]
	arrivals []arrival
}

// receive takes a call until the context ends, answers it with transport-wide feedback, and closes the connection.
func (s *sink) receive(ctx context.Context) error {
	feedback, err := twcc.NewSenderInterceptor()
	if err != nil {
		return err
	}
	var registry interceptor.Registry
	registry.Add(feedback)
	chain, err := registry.Build("sink")
	if err != nil {
		return err
	}
	chain.BindRTCPWriter(interceptor.RTCPWriterFunc(s.answer))
	reader := chain.BindRemoteStream(streamInfo(), interceptor.RTPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, from, err := s.conn.ReadFromUDP(b)
		if err == nil && s.peer.Load() == nil {
			s.peer.Store(from)
		}
		return n, a, err
	}))
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	buffer := make([]byte, 1500)
	for {
		n, _, err := reader.Read(buffer, nil)
		if errors.Is(err, net.ErrClosed) {
			return chain.Close()
		}
		if err == nil {
			s.note(buffer[:n], time.Now())
		}
	}
}

// answer sends feedback to where the call comes from.
func (s *sink) answer(packets []rtcp.Packet, _ interceptor.Attributes) (int, error) {
	b, err := rtcp.Marshal(packets)
	if err != nil || s.peer.Load() == nil {
		return 0, err
	}
	return s.conn.WriteToUDP(b, s.peer.Load())
}

// note keeps what is measured of a packet. What is none is left out.
func (s *sink) note(b []byte, now time.Time) {
	var p rtp.Packet
	if err := p.Unmarshal(b); err != nil || len(p.Payload) < leastSize {
		return
	}
	made := time.Unix(0, int64(binary.BigEndian.Uint64(p.Payload)))
	left := time.Unix(0, int64(binary.BigEndian.Uint64(p.Payload[8:])))
	s.arrivals = append(s.arrivals, arrival{now, len(b), now.Sub(made), now.Sub(left), p.SequenceNumber})
}

// callFigures are what a call had, without its start. Delays are in ms.
type callFigures struct {
	Mbit     float64 `json:"mbit"`      // a second
	DelayP50 float64 `json:"delay_p50"` // from the frame to the arrival
	DelayP95 float64 `json:"delay_p95"`
	WayP95   float64 `json:"way_p95"` // from the pacer to the arrival
	Lost     int     `json:"lost"`    // packets
}

// figures takes a call apart, from so long after its first packet on.
func (s *sink) figures(warm time.Duration) (f callFigures) {
	if len(s.arrivals) == 0 {
		return f
	}
	from := s.arrivals[0].at.Add(warm)
	late := slices.DeleteFunc(slices.Clone(s.arrivals), func(a arrival) bool { return a.at.Before(from) })
	if len(late) < 2 {
		return f
	}
	var bytes int
	var delays, ways []time.Duration
	highest := late[0].sequence
	count := 1 // sequence numbers between the first and the highest
	for _, a := range late {
		bytes += a.size
		delays, ways = append(delays, a.delay), append(ways, a.way)
		if ahead := int16(a.sequence - highest); ahead > 0 {
			highest = a.sequence
			count += int(ahead)
		}
	}
	f.Mbit = float64(bytes) * 8 / 1e6 / late[len(late)-1].at.Sub(from).Seconds()
	f.DelayP50, f.DelayP95, f.WayP95 = quantile(delays, 0.5), quantile(delays, 0.95), quantile(ways, 0.95)
	f.Lost = max(count-len(late), 0)
	return f
}

// quantile in ms, by the nearest rank. It sorts the values.
func quantile(values []time.Duration, q float64) float64 {
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)].Seconds() * 1e3
}

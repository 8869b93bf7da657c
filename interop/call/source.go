package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtp"
)

const (
	ssrc        = 0xebb
	payloadType = 96
	extension   = 1 // the ID of the header extension with the sequence number of the feedback
	clockRate   = 90_000
	frameEvery  = time.Second / 30
	payloadSize = 1150 // bytes in a packet, at most
	leastSize   = 16   // bytes of the two times that a packet carries
	// smallest is the least that a source may be told to send, in bits per second.
	smallest = 100_000
)

// streamInfo is what both ends have agreed on.
func streamInfo() *interceptor.StreamInfo {
	return &interceptor.StreamInfo{
		SSRC: ssrc, PayloadType: payloadType, MimeType: "video/VP8", ClockRate: clockRate,
		RTPHeaderExtensions: []interceptor.RTPHeaderExtension{
			{URI: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", ID: extension},
		},
		RTCPFeedback: []interceptor.RTCPFeedback{{Type: "transport-cc"}},
	}
}

// source is a synthetic video source under GCC.
type source struct {
	conn      net.Conn
	chain     interceptor.Interceptor
	estimator cc.BandwidthEstimator
	stream    interceptor.RTPWriter
	most      int // bits per second
	sequence  uint16
}

// newSource makes a source that begins at one rate and never exceeds another, in bits per second. It owns the
// connection.
func newSource(conn net.Conn, start, most int) (*source, error) {
	s := &source{conn: conn, most: most}
	control, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		return gcc.NewSendSideBWE(gcc.SendSideBWEInitialBitrate(start), gcc.SendSideBWEMinBitrate(smallest), gcc.SendSideBWEMaxBitrate(most))
	})
	if err != nil {
		return nil, err
	}
	control.OnNewPeerConnection(func(_ string, e cc.BandwidthEstimator) { s.estimator = e })
	numbers, err := twcc.NewHeaderExtensionInterceptor()
	if err != nil {
		return nil, err
	}
	var registry interceptor.Registry
	registry.Add(control)
	registry.Add(numbers)
	if s.chain, err = registry.Build("source"); err != nil {
		return nil, err
	}
	s.stream = s.chain.BindLocalStream(streamInfo(), interceptor.RTPWriterFunc(s.write))
	return s, nil
}

// write puts a packet on the wire when the pacer lets it go, and notes that time in it.
func (s *source) write(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
	binary.BigEndian.PutUint64(payload[8:], uint64(time.Now().UnixNano()))
	head, err := h.Marshal()
	if err != nil {
		return 0, err
	}
	return s.conn.Write(append(head, payload...))
}

// run sends frames until the context ends, and closes the source.
func (s *source) run(ctx context.Context) error {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		s.listen()
	}()
	frames := time.NewTicker(frameEvery)
	defer frames.Stop()
	var err error
	for err == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case at := <-frames.C:
			err = s.frame(at)
		}
	}
	err = errors.Join(err, s.chain.Close(), s.conn.Close())
	<-heard
	return err
}

// listen hands the feedback to GCC until the connection is closed.
func (s *source) listen() {
	reader := s.chain.BindRTCPReader(interceptor.RTCPReaderFunc(func(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
		n, err := s.conn.Read(b)
		return n, a, err
	}))
	buffer := make([]byte, 1500)
	for {
		// ECONNREFUSED comes of a receiver that has not begun, or has ended.
		if _, _, err := reader.Read(buffer, nil); errors.Is(err, net.ErrClosed) || errors.Is(err, gcc.ErrSendSideBWEClosed) {
			return
		}
	}
}

// frame sends one frame of the size that the estimate allows.
func (s *source) frame(at time.Time) error {
	left := min(s.estimator.GetTargetBitrate(), s.most) / 8 * int(frameEvery) / int(time.Second)
	for left > 0 {
		payload := make([]byte, max(min(left, payloadSize), leastSize))
		left -= len(payload)
		binary.BigEndian.PutUint64(payload, uint64(at.UnixNano()))
		h := &rtp.Header{
			Version: 2, PayloadType: payloadType, SSRC: ssrc, SequenceNumber: s.sequence, Marker: left <= 0,
			Timestamp: uint32(at.UnixNano() / int64(time.Second/clockRate)),
		}
		s.sequence++
		if _, err := s.stream.Write(h, payload, nil); err != nil {
			return fmt.Errorf("a packet of the call: %w", err)
		}
	}
	return nil
}

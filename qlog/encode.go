package qlog

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

// encoder writes the records of one connection. Packets are most of them, and are put together by hand: with encoding/json a trace
// would take more time than the transport.
type encoder struct {
	conn    trace.Conn
	metrics trace.Metrics // as written last
	any     bool          // some were
	run     run           // of packets, not written yet
}

// header appends the record that begins a file, and the event that begins a connection.
func (c *encoder) header(b []byte) []byte {
	type (
		referenceTime struct {
			Clock string `json:"clock_type"`
			Epoch string `json:"epoch"`
			Wall  string `json:"wall_clock_time"`
		}
		commonFields struct {
			Group  string        `json:"group_id"`
			Format string        `json:"time_format"`
			Time   referenceTime `json:"reference_time"`
		}
		vantagePoint struct {
			Name string `json:"name"`
			Type string `json:"type"`
		}
		traceSeq struct {
			Common  commonFields `json:"common_fields"`
			Point   vantagePoint `json:"vantage_point"`
			Schemas []string     `json:"event_schemas"`
		}
		file struct {
			Schema string   `json:"file_schema"`
			Format string   `json:"serialization_format"`
			Title  string   `json:"title"`
			Trace  traceSeq `json:"trace"`
		}
	)
	title := "a plain connection of Ebb"
	if c.conn.Protected {
		title = "a protected connection of Ebb"
	}
	b = append(b, recordStart)
	b = appendJSON(b, file{fileSchema, mediaType, title, traceSeq{
		commonFields{c.conn.Original.String(), "relative_to_epoch", referenceTime{"monotonic", "unknown", c.conn.Wall.UTC().Format(time.RFC3339Nano)}},
		vantagePoint{"ebb", c.role()}, []string{quicEvents, ownEvents},
	}})
	b = append(b, '\n')
	b = c.begin(b, c.conn.Time, "quic:connection_started")
	b = appendJSON(b, struct {
		Local  endpointInfo `json:"local"`
		Remote endpointInfo `json:"remote"`
	}{endpointInfoOf(c.conn.Local, c.conn.ID), endpointInfoOf(c.conn.Remote, c.conn.Peer)})
	return end(b)
}

// role is the vantage point's type.
func (c *encoder) role() string {
	if c.conn.Dialled {
		return "client"
	}
	return "server"
}

// endpointInfo is TupleEndpointInfo.
type endpointInfo struct {
	IPv4   string   `json:"ip_v4,omitempty"`
	Port4  uint16   `json:"port_v4,omitempty"`
	IPv6   string   `json:"ip_v6,omitempty"`
	Port6  uint16   `json:"port_v6,omitempty"`
	ConnID []string `json:"connection_ids,omitempty"`
}

func endpointInfoOf(a netip.AddrPort, id wire.ID) (e endpointInfo) {
	if id != 0 {
		e.ConnID = []string{id.String()}
	}
	switch ip := a.Addr().Unmap(); {
	case ip.Is4():
		e.IPv4, e.Port4 = ip.String(), a.Port()
	case ip.Is6():
		e.IPv6, e.Port6 = ip.String(), a.Port()
	}
	return e
}

// appendJSON appends a value of this package's, which encodes.
func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("BUG: a record that is not JSON: " + err.Error())
	}
	return append(b, text...)
}

// begin appends a record up to its data.
func (c *encoder) begin(b []byte, at time.Duration, name string) []byte {
	b = append(b, recordStart)
	b = append(b, `{"time":`...)
	b = appendMillis(b, at-c.conn.Time)
	b = append(b, `,"name":"`...)
	b = append(b, name...)
	return append(b, `","data":`...)
}

// end appends what is behind its data.
func end(b []byte) []byte { return append(b, '}', '\n') }

// event appends the record of an event, or keeps it to be written with the next; nothing of one that it does not know, or that says nothing new.
func (c *encoder) event(b []byte, e *trace.Event) []byte {
	if c.run.take(e) {
		return b
	}
	b = c.endRun(b)
	switch e.Kind {
	case trace.Sent, trace.Received:
		if c.run.take(e) {
			return b
		}
		return end(appendPacket(c.begin(b, e.Time, packetName(e.Kind)), e))
	case trace.Lost:
		return c.value(b, e.Time, "quic:packet_lost", lostData{headerOf(&e.Packet), e.Packet.SizeProbe, lostTriggers[e.Reason]})
	case trace.Measured:
		return c.measured(b, e)
	case trace.Dropped:
		return c.value(b, e.Time, "quic:packet_dropped", droppedData{
			headerOf(&e.Packet), rawInfo{e.Packet.Size}, map[string]string{"reason": e.Reason}, droppedTriggers[e.Reason],
		})
	case trace.Spurious:
		return c.value(b, e.Time, "ebb:loss_spurious", struct {
			Header packetHeader `json:"header"`
		}{headerOf(&e.Packet)})
	case trace.Limited:
		return c.value(b, e.Time, "ebb:limit_updated", changeData(e.Change))
	case trace.Congestion:
		return c.value(b, e.Time, "quic:congestion_state_updated", changeData(e.Change))
	case trace.ECNChanged:
		return c.value(b, e.Time, "quic:ecn_state_updated", changeData(e.Change))
	case trace.StateChanged:
		return c.value(b, e.Time, "quic:connection_state_updated", changeData{stateNames[e.Change.Old], stateNames[e.Change.New]})
	case trace.SizeChanged:
		return c.value(b, e.Time, "quic:mtu_updated", sizesData(e.Sizes))
	case trace.KeyChanged:
		return c.value(b, e.Time, "quic:key_updated", c.keyData(&e.Key))
	case trace.RecoverySet:
		return c.value(b, e.Time, "quic:recovery_parameters_set", recoveryDataOf(&e.Recovery))
	case trace.Closed:
		return c.value(b, e.Time, "quic:connection_closed", closedDataOf(&e.End))
	}
	return b
}

// value appends a record of which there are few.
func (c *encoder) value(b []byte, at time.Duration, name string, data any) []byte {
	return end(appendJSON(c.begin(b, at, name), data))
}

// eventsDropped appends the record that says how many are missing before it.
func (c *encoder) eventsDropped(b []byte, at time.Duration, n uint64) []byte {
	return end(fmt.Appendf(c.begin(c.endRun(b), at, "ebb:events_dropped"), `{"count":%d}`, n))
}

// appendPacket appends the data of a packet that was sent or received.
func appendPacket(b []byte, e *trace.Event) []byte {
	p := &e.Packet
	b = append(b, `{"header":{"packet_type":"`...)
	b = append(b, packetType(p.Type)...)
	if p.Numbered {
		b = append(b, `","packet_number":`...)
		b = strconv.AppendUint(b, p.Number, 10)
		b = append(b, `},"raw":{"length":`...)
	} else {
		b = append(b, `"},"raw":{"length":`...)
	}
	b = strconv.AppendInt(b, int64(p.Size), 10)
	b = append(b, '}')
	if len(p.Frames) > 0 {
		b = append(b, `,"frames":[`...)
		b = appendFrames(b, p.Frames)
		b = append(b, ']')
	}
	if e.Kind == trace.Sent && p.SizeProbe {
		b = append(b, `,"is_mtu_probe_packet":true`...)
	}
	if e.Kind == trace.Sent && p.Probe {
		b = append(b, `,"trigger":"pto_probe"`...)
	}
	return append(b, '}')
}

// packetType is a type in QUIC's words. ACCEPT is the server's packet of the initial level, UNKNOWN the reset of who knows no such
// connection; REFUSE QUIC has none for.
func packetType(t wire.PacketType) string {
	switch t {
	case wire.Short:
		return "1RTT"
	case wire.Initial, wire.Accept:
		return "initial"
	case wire.Handshake:
		return "handshake"
	case wire.Retry:
		return "retry"
	case wire.Versions:
		return "version_negotiation"
	case wire.Unknown:
		return "stateless_reset"
	}
	return "unknown"
}

// measured appends what has changed of the metrics: in two records, because QUIC's has no room for others.
func (c *encoder) measured(b []byte, e *trace.Event) []byte {
	m, last := e.Metrics, &c.metrics
	b = c.begin(b, e.Time, "quic:recovery_metrics_updated")
	at := len(b)
	b = append(b, '{')
	millis := func(name string, d, before time.Duration) {
		if d != before {
			b = appendMillis(appendName(b, name), d)
		}
	}
	number := func(name string, n, before int64) {
		if n != before || !c.any {
			b = strconv.AppendInt(appendName(b, name), n, 10)
		}
	}
	millis("min_rtt", m.MinRTT, last.MinRTT)
	millis("smoothed_rtt", m.SmoothedRTT, last.SmoothedRTT)
	millis("latest_rtt", m.LatestRTT, last.LatestRTT)
	millis("rtt_variance", m.RTTVariance, last.RTTVariance)
	number("pto_count", int64(m.Timeouts), int64(last.Timeouts))
	number("congestion_window", int64(m.Window), int64(last.Window))
	number("bytes_in_flight", int64(m.InFlight), int64(last.InFlight))
	number("packets_in_flight", int64(m.PacketsInFlight), int64(last.PacketsInFlight))
	if m.SSThresh > 0 {
		number("ssthresh", int64(m.SSThresh), int64(last.SSThresh))
	}
	if m.Rate > 0 {
		number("pacing_rate", m.Rate*8, last.Rate*8)
	}
	if len(b) == at+1 {
		b = append(b, '}')
	} else {
		b = append(b[:at+1], b[at+2:]...) // without the comma
		b = append(b, '}')
	}
	b = end(b)
	b = c.begin(b, e.Time, "ebb:metrics_updated")
	b = append(b, `{"delivered":`...)
	b = strconv.AppendUint(b, m.Delivered, 10)
	if m.HasQueueDelay {
		b = append(b, `,"queue_delay":`...)
		b = appendMillis(b, m.QueueDelay)
	}
	c.metrics, c.any = *m, true
	return end(append(b, '}'))
}

// appendName appends the name of a field that follows others.
func appendName(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// appendMillis appends a time in milliseconds, to the microsecond.
func appendMillis(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	if us < 0 {
		b, us = append(b, '-'), -us
	}
	b = strconv.AppendInt(b, us/1000, 10)
	if us %= 1000; us == 0 {
		return b
	}
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

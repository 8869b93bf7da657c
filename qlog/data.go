package qlog

import (
	"fmt"

	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

// The data of events of which there are few.

type packetHeader struct {
	Type   string  `json:"packet_type"`
	Number *uint64 `json:"packet_number,omitempty"`
}

func headerOf(p *trace.Packet) packetHeader {
	h := packetHeader{Type: packetType(p.Type)}
	if p.Numbered {
		number := p.Number
		h.Number = &number
	}
	return h
}

type rawInfo struct {
	Length int `json:"length"`
}

type lostData struct {
	Header    packetHeader `json:"header"`
	SizeProbe bool         `json:"is_mtu_probe_packet,omitempty"`
	Trigger   string       `json:"trigger,omitempty"`
}

// lostTriggers is why a packet is lost, in QUIC's words.
var lostTriggers = map[string]string{
	trace.AfterOthers:   "reordering_threshold",
	trace.AfterTheDelay: "time_threshold",
}

type droppedData struct {
	Header  packetHeader      `json:"header"`
	Raw     rawInfo           `json:"raw"`
	Details map[string]string `json:"details"`
	Trigger string            `json:"trigger,omitempty"`
}

// droppedTriggers is why a packet is dropped, in QUIC's words.
var droppedTriggers = map[string]string{
	trace.BadTrailer: "decryption_failure",
	trace.Malformed:  "invalid",
	trace.Duplicate:  "duplicate",
	trace.OtherPath:  "rejected",
	trace.Unexpected: "general",
	trace.NoRoom:     "rejected",
}

type changeData struct {
	Old string `json:"old,omitempty"`
	New string `json:"new"`
}

// stateNames is the states of a connection in QUIC's words.
var stateNames = map[string]string{
	"handshake": "attempted", "established": "handshake_complete", "confirmed": "handshake_confirmed",
	"closing": "closing", "done": "closed",
}

type sizesData struct {
	Old  int  `json:"old"`
	New  int  `json:"new"`
	Done bool `json:"done"`
}

type keyData struct {
	Type    string  `json:"key_type"`
	Phase   *uint64 `json:"key_phase,omitempty"`
	Trigger string  `json:"trigger"`
}

func (c *encoder) keyData(k *trace.Key) keyData {
	d := keyData{Type: "server", Trigger: "tls"}
	if k.Ours == c.conn.Dialled {
		d.Type = "client"
	}
	if k.Handshake {
		d.Type += "_handshake_secret"
		return d
	}
	d.Type += "_1rtt_secret"
	phase := k.Phase
	d.Phase = &phase
	switch {
	case phase > 0 && k.Peer:
		d.Trigger = "remote_update"
	case phase > 0:
		d.Trigger = "local_update"
	}
	return d
}

type recoveryData struct {
	PacketThreshold  int     `json:"reordering_threshold"`
	TimeThreshold    float64 `json:"time_threshold"`
	Granularity      int64   `json:"timer_granularity"`
	DatagramSize     int     `json:"max_datagram_size"`
	InitialWindow    int     `json:"initial_congestion_window"`
	PersistentPeriod int     `json:"persistent_congestion_threshold"`
}

func recoveryDataOf(r *trace.Recovery) recoveryData {
	return recoveryData{
		r.PacketThreshold, r.TimeThreshold, r.Granularity.Milliseconds(),
		r.DatagramSize, r.InitialWindow, r.PersistentTimeout,
	}
}

type closedData struct {
	Initiator string  `json:"initiator"`
	Error     string  `json:"connection_error"`
	Code      *uint64 `json:"error_code,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Trigger   string  `json:"trigger"`
}

func closedDataOf(e *trace.End) closedData {
	d := closedData{Initiator: "local", Error: errorName(e.Code), Reason: e.Reason, Trigger: "error"}
	if e.Peer {
		d.Initiator = "remote"
	}
	if d.Error == "unknown" {
		code := uint64(e.Code)
		d.Code = &code
	}
	switch e.Kind {
	case "", "closed":
		d.Trigger = "application"
	case "idle timeout", "user timeout", "handshake timeout", "linger timeout":
		d.Trigger = "idle_timeout"
	case "version":
		d.Trigger = "version_mismatch"
	case "reset by peer":
		d.Trigger = "aborted"
	}
	if e.Kind != "" && d.Reason == "" {
		d.Reason = e.Kind
	}
	return d
}

// errorNames is codes in QUIC's words.
var errorNames = map[wire.Code]string{
	wire.CodeNone: "no_error", wire.CodeRefused: "connection_refused", wire.CodeBusy: "connection_refused",
	wire.CodeProtocol: "protocol_violation", wire.CodeFlowControl: "flow_control_error", wire.CodeFinalSize: "final_size_error",
	wire.CodeInternal: "internal_error", wire.CodeParameter: "transport_parameter_error",
	wire.CodeKeyUpdate: "key_update_error", wire.CodeKeyLimit: "aead_limit_reached",
}

// errorName is a code in QUIC's words; unknown: it has none for it.
func errorName(c wire.Code) string {
	if name, ok := errorNames[c]; ok {
		return name
	}
	if c >= wire.CodeAlert && c < wire.CodeAlert+256 {
		return fmt.Sprintf("crypto_error_0x%03x", uint64(c))
	}
	return "unknown"
}

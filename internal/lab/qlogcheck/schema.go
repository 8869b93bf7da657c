package qlogcheck

import "fmt"

// The integers of CDDL.
var (
	uint8s  = unsigned(1<<8 - 1)
	uint16s = unsigned(1<<16 - 1)
	uint32s = unsigned(1<<32 - 1)
	uint64s = unsigned(1<<64 - 1)
)

// QlogFileSeq and what is in it.
var (
	file = object(
		req("file_schema", oneOf("urn:ietf:params:qlog:file:sequential")),
		req("serialization_format", oneOf("application/qlog+json-seq")),
		opt("title", text), opt("description", text),
		req("trace", object(
			opt("title", text), opt("description", text),
			opt("common_fields", object(
				opt("time_format", oneOf("relative_to_epoch")), // as relative_to_previous_event is not written
				opt("reference_time", object(
					req("clock_type", oneOf("monotonic")), // whose epoch must be unknown
					req("epoch", oneOf("unknown")),
					opt("wall_clock_time", dateTime),
				)),
				opt("group_id", text),
			)),
			opt("vantage_point", object(opt("name", text), req("type", oneOf("client", "server")))),
			req("event_schemas", list(1, 8, text)),
		)),
	)
	event = object(req("time", number), req("name", text), req("data", anyMap))
)

// What events have in common.
var (
	rawInfo   = object(opt("length", uint64s), opt("payload_length", uint64s))
	ipAddress = text
	tuple     = object(
		opt("ip_v4", ipAddress), opt("port_v4", uint16s), opt("ip_v6", ipAddress), opt("port_v6", uint16s),
		opt("connection_ids", list(1, 16, hex)),
	)
	packetType   = oneOf("initial", "handshake", "0RTT", "1RTT", "retry", "version_negotiation", "stateless_reset", "unknown")
	packetHeader = object(req("packet_type", packetType), opt("packet_number_length", uint8s), opt("packet_number", uint64s))
	initiator    = oneOf("local", "remote")
	transport    = oneOf("no_error", "internal_error", "connection_refused", "flow_control_error", "stream_limit_error",
		"stream_state_error", "final_size_error", "frame_encoding_error", "transport_parameter_error", "connection_id_limit_error",
		"protocol_violation", "invalid_token", "application_error", "crypto_buffer_exceeded", "key_update_error", "aead_limit_reached",
		"no_viable_path", "unknown")
	keyType = oneOf("server_handshake_secret", "client_handshake_secret", "server_1rtt_secret", "client_1rtt_secret")
	state   = oneOf("attempted", "handshake_started", "handshake_complete", "closed", "peer_validated", "early_write",
		"handshake_confirmed", "closing", "draining")
	ecnState = oneOf("testing", "unknown", "failed", "capable")
)

// cryptoError is crypto_error_0x100 to crypto_error_0x1ff.
func cryptoError(path string, v any) error {
	s, _ := v.(string)
	var n int
	if _, err := fmt.Sscanf(s, "crypto_error_0x%03x", &n); err != nil || n < 0x100 || n > 0x1ff || s != fmt.Sprintf("crypto_error_0x%03x", n) {
		return fmt.Errorf("%s is %v: want an error", path, v)
	}
	return nil
}

// frames is QuicBaseFrames, by their frame_type.
var frames = map[string]rule{
	"padding":          frameOf(opt("raw", rawInfo)),
	"ping":             frameOf(opt("raw", rawInfo)),
	"ack":              frameOf(opt("ack_delay", number), opt("acked_ranges", list(1, 1<<16, ackRange)), opt("ect1", uint64s), opt("ect0", uint64s), opt("ce", uint64s), opt("raw", rawInfo)),
	"reset_stream":     frameOf(req("stream_id", uint64s), req("error", oneOf("unknown")), opt("error_code", uint64s), req("final_size", uint64s), opt("raw", rawInfo)),
	"stop_sending":     frameOf(req("stream_id", uint64s), req("error", oneOf("unknown")), opt("error_code", uint64s), opt("raw", rawInfo)),
	"crypto":           frameOf(req("offset", uint64s), req("raw", rawInfo)),
	"stream":           frameOf(req("stream_id", uint64s), opt("offset", uint64s), opt("fin", boolean), opt("raw", rawInfo)),
	"max_data":         frameOf(req("maximum", uint64s), opt("raw", rawInfo)),
	"data_blocked":     frameOf(req("limit", uint64s), opt("raw", rawInfo)),
	"path_challenge":   frameOf(opt("data", hex), opt("raw", rawInfo)),
	"path_response":    frameOf(opt("data", hex), opt("raw", rawInfo)),
	"connection_close": frameOf(opt("error_space", oneOf("transport", "application")), opt("error", either(transport, cryptoError)), opt("error_code", uint64s), opt("reason", text), opt("raw", rawInfo)),
	"unknown":          frameOf(req("frame_type_bytes", uint64s), opt("raw", rawInfo)),
}

func frameOf(fields ...field) rule { return object(append(fields, req("frame_type", text))...) }

// ackRange is one number or two, in order.
func ackRange(path string, v any) error {
	if err := list(1, 2, uint64s)(path, v); err != nil {
		return err
	}
	if all := v.([]any); len(all) == 2 && len(fmt.Sprint(all[0])) >= len(fmt.Sprint(all[1])) && fmt.Sprint(all[0]) > fmt.Sprint(all[1]) {
		return fmt.Errorf("%s is %v: want the smaller one first", path, v)
	}
	return nil
}

// frame is one of frames.
func frame(path string, v any) error {
	m, _ := v.(map[string]any)
	name, _ := m["frame_type"].(string)
	r, ok := frames[name]
	if !ok {
		return fmt.Errorf("%s is %v: want a frame", path, v)
	}
	return r(path, v)
}

var anyFrames = list(0, 1<<16, frame)

// aPacket is PacketSent, PacketReceived and what Ebb makes of them.
func aPacket(more ...field) rule {
	return object(append(more, req("header", packetHeader), opt("frames", anyFrames), opt("raw", rawInfo))...)
}

// changed is an event of an old state and a new one.
func changed(s rule) rule { return object(opt("old", s), req("new", s)) }

// events is the data of each.
var events = map[string]rule{
	"quic:connection_started":       object(req("local", tuple), req("remote", tuple)),
	"quic:connection_state_updated": changed(state),
	"quic:connection_closed": object(
		opt("initiator", initiator), opt("connection_error", either(transport, cryptoError)), opt("error_code", uint64s), opt("reason", text),
		opt("trigger", oneOf("idle_timeout", "application", "error", "version_mismatch", "stateless_reset", "aborted", "unspecified")),
	),
	"quic:mtu_updated": object(opt("old", uint32s), req("new", uint32s), opt("done", boolean)),
	"quic:packet_sent": aPacket(
		opt("is_mtu_probe_packet", boolean),
		opt("trigger", oneOf("retransmit_reordered", "retransmit_timeout", "pto_probe", "retransmit_crypto", "cc_bandwidth_probe")),
	),
	"quic:packet_received": aPacket(opt("trigger", oneOf("keys_available"))),
	"quic:packet_dropped": object(
		opt("header", packetHeader), opt("raw", rawInfo), opt("details", anyMap),
		opt("trigger", oneOf("internal_error", "rejected", "unsupported", "invalid", "duplicate", "connection_unknown", "decryption_failure", "key_unavailable", "general")),
	),
	"quic:packet_lost": object(
		opt("header", packetHeader), opt("frames", anyFrames), opt("is_mtu_probe_packet", boolean),
		opt("trigger", oneOf("reordering_threshold", "time_threshold", "pto_expired")),
	),
	"quic:key_updated": object(
		req("key_type", keyType), opt("key_phase", uint64s), opt("trigger", oneOf("tls", "remote_update", "local_update")), // the keys themselves never
	),
	"quic:recovery_parameters_set": object(
		opt("reordering_threshold", uint16s), opt("time_threshold", number), req("timer_granularity", uint16s), opt("initial_rtt", number),
		opt("max_datagram_size", uint32s), opt("initial_congestion_window", uint64s), opt("minimum_congestion_window", uint64s),
		opt("loss_reduction_factor", number), opt("persistent_congestion_threshold", uint16s),
	),
	"quic:recovery_metrics_updated": object(
		opt("min_rtt", number), opt("smoothed_rtt", number), opt("latest_rtt", number), opt("rtt_variance", number), opt("pto_count", uint16s),
		opt("congestion_window", uint64s), opt("bytes_in_flight", uint64s), opt("ssthresh", uint64s), opt("packets_in_flight", uint64s),
		opt("pacing_rate", uint64s),
	),
	"quic:congestion_state_updated": object(opt("old", text), req("new", text), opt("trigger", text)),
	"quic:ecn_state_updated":        changed(ecnState),

	// Ebb's own.

	// A run of packets: the first of count that have numbers and stream offsets that follow each other, and the size and the stream bytes of the first.
	"ebb:packets_sent":     aPacket(req("count", uint64s)),
	"ebb:packets_received": aPacket(req("count", uint64s)),
	// A packet that was declared lost is acknowledged.
	"ebb:loss_spurious": object(req("header", packetHeader)),
	// What holds the sender back.
	"ebb:limit_updated": changed(oneOf("application", "receiver window", "congestion window", "pacer", "pool", "own limit", "peer silent")),
	// Beside recovery_metrics_updated: bytes of packets that the peer has acknowledged so far, and how long the bottleneck's queue is, in ms.
	"ebb:metrics_updated": object(req("delivered", uint64s), opt("queue_delay", number)),
	// So many events are missing before this one, because the disk did not take them in time.
	"ebb:events_dropped": object(req("count", uint64s)),
}

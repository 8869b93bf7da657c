package debug

import (
	"example.com/ebb"
	"example.com/ebb/internal/untrusted"
	"example.com/ebb/wire"
)

// Connection is an ebb.ConnInfo. What ebb.ConnInfo has of its socket is the endpoint's.
type Connection struct {
	ID        string `json:"id"` // 16 hexadecimal digits
	Local     string `json:"local"`
	Remote    string `json:"remote"`
	Dialled   bool   `json:"dialled"`
	Protected bool   `json:"protected"`
	State     string `json:"state"`
	Error     string `json:"error,omitempty"` // why it is over; may be the peer's words, escaped

	LimitedBy  string     `json:"limited_by"` // an ebb.Limit
	LimitRates LimitRates `json:"limit_rates"`

	SmoothedRTTSeconds float64 `json:"smoothed_rtt_seconds"` // 0: no sample yet; so the next three
	RTTVarianceSeconds float64 `json:"rtt_variance_seconds"`
	MinRTTSeconds      float64 `json:"min_rtt_seconds"`
	LatestRTTSeconds   float64 `json:"latest_rtt_seconds"`
	QueueDelaySeconds  float64 `json:"queue_delay_seconds"` // what is above the smallest delay now
	SinceHeardSeconds  float64 `json:"since_heard_seconds"`
	SinceAckedSeconds  float64 `json:"since_acked_seconds"`

	CongestionControl     string `json:"congestion_control"`
	CongestionState       string `json:"congestion_state"`
	CongestionWindowBytes int    `json:"congestion_window_bytes"`
	SSThreshBytes         int    `json:"ssthresh_bytes"` // 0: none is set
	InFlightBytes         int    `json:"in_flight_bytes"`
	RateBytesPerSecond    int64  `json:"rate_bytes_per_second"` // at which packets leave; 0: as fast as the window admits
	PacketSizeBytes       int    `json:"packet_size_bytes"`
	ECN                   bool   `json:"ecn"`
	DSCP                  int    `json:"dscp"`

	SendBufferedBytes    int `json:"send_buffered_bytes"`
	SendBufferBytes      int `json:"send_buffer_bytes"`
	ReceiveBufferedBytes int `json:"receive_buffered_bytes"`
	ReceiveWindowBytes   int `json:"receive_window_bytes"`
	PeerWindowBytes      int `json:"peer_window_bytes"`

	PacketsSent        uint64            `json:"packets_sent"`
	PacketsReceived    uint64            `json:"packets_received"`
	BytesSent          uint64            `json:"bytes_sent"`
	BytesReceived      uint64            `json:"bytes_received"`
	StreamBytesSent    uint64            `json:"stream_bytes_sent"`
	BytesRetransmitted uint64            `json:"bytes_retransmitted"`
	PacketsLost        uint64            `json:"packets_lost"`
	SpuriousLosses     uint64            `json:"spurious_losses"`
	PacketsMarked      uint64            `json:"packets_marked"`
	Probes             uint64            `json:"probes"`
	Timeouts           uint64            `json:"timeouts"`
	BlackHoles         uint64            `json:"black_holes"`
	SendErrors         uint64            `json:"send_errors"`
	Dropped            map[string]uint64 `json:"dropped,omitempty"` // received and not used, by reason
}

// LimitRates is an ebb.LimitRates: what each limit would admit alone, in bytes per second; -1: anything.
type LimitRates struct {
	ReceiverWindow   int64 `json:"receiver_window_bytes_per_second"`
	CongestionWindow int64 `json:"congestion_window_bytes_per_second"`
	Pacer            int64 `json:"pacer_bytes_per_second"`
	Pool             int64 `json:"pool_bytes_per_second"`
	Own              int64 `json:"own_bytes_per_second"`
}

// connectionOf is a connection for the JSON.
func connectionOf(i *ebb.ConnInfo) Connection {
	c := Connection{
		ID: wire.ID(i.ID).String(), Local: i.Local.String(), Remote: i.Remote.String(),
		Dialled: i.Dialled, Protected: i.Protected, State: string(i.State),
		LimitedBy: string(i.LimitedBy), LimitRates: LimitRates(i.Limits),
		SmoothedRTTSeconds: i.SmoothedRTT.Seconds(), RTTVarianceSeconds: i.RTTVariance.Seconds(),
		MinRTTSeconds: i.MinRTT.Seconds(), LatestRTTSeconds: i.LatestRTT.Seconds(), QueueDelaySeconds: i.Congestion.QueueDelay.Seconds(),
		SinceHeardSeconds: i.SinceHeard.Seconds(), SinceAckedSeconds: i.SinceAcked.Seconds(),
		CongestionControl: i.Congestion.Name, CongestionState: i.Congestion.State, CongestionWindowBytes: i.CongestionWindow,
		SSThreshBytes: i.Congestion.SSThresh, InFlightBytes: i.InFlight, RateBytesPerSecond: i.Rate,
		PacketSizeBytes: i.PacketSize, ECN: i.ECN, DSCP: i.DSCP,
		SendBufferedBytes: i.SendBuffered, SendBufferBytes: i.SendBuffer,
		ReceiveBufferedBytes: i.ReceiveBuffered, ReceiveWindowBytes: i.ReceiveWindow, PeerWindowBytes: i.PeerWindow,
		PacketsSent: i.PacketsSent, PacketsReceived: i.PacketsReceived, BytesSent: i.BytesSent, BytesReceived: i.BytesReceived,
		StreamBytesSent: i.StreamBytesSent, BytesRetransmitted: i.BytesRetransmitted,
		PacketsLost: i.PacketsLost, SpuriousLosses: i.SpuriousLosses, PacketsMarked: i.PacketsMarked,
		Probes: i.Probes, Timeouts: i.Timeouts, BlackHoles: i.BlackHoles, SendErrors: i.SendErrors, Dropped: i.Dropped,
	}
	if i.Err != nil {
		c.Error = untrusted.Text(i.Err.Error()).String()
	}
	return c
}

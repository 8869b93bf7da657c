// Package ebbprom exports what a process does with Ebb to Prometheus:
//
//	prometheus.MustRegister(ebbprom.NewCollector())
//
// It is a module of its own, so that a program without Prometheus does not depend on it. Names are Prometheus's conventional ones, in base
// units. The number of series does not grow with that of connections or peers: connections are counted by state and by
// what limits them. The one label whose values come from the program is the name of a pool. docs/watching.md lists the metrics.
//
// Nothing is counted or read but when a scrape asks for it. A scrape reads each connection once.
package ebbprom

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ebb"
	"example.com/ebb/debug"
)

// desc describes a metric.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ebb_"+name, help, labels, nil)
}

// total is a counter over all connections, those included that are over.
type total struct {
	desc *prometheus.Desc
	of   func(t *debug.Totals) uint64
}

// Collector implements prometheus.Collector. Its methods may be called by any number of goroutines.
type Collector struct {
	totals []total

	connections, limited, opened                            *prometheus.Desc
	endpoints, queued, halfOpen                             *prometheus.Desc
	poolMembers, poolThrottled, poolLimit, poolReceiveLimit *prometheus.Desc
	limitUsed, limitPeak, limitMax, limitRefused            *prometheus.Desc
}

// NewCollector makes a collector of the whole process. It is registered once.
func NewCollector() *Collector {
	return &Collector{
		totals: []total{
			{desc("connections_ended_total", "Connections that were established and are over."), func(t *debug.Totals) uint64 { return t.Ended }},
			{desc("sent_packets_total", "Packets sent."), func(t *debug.Totals) uint64 { return t.PacketsSent }},
			{desc("received_packets_total", "Packets received, whatever became of them."), func(t *debug.Totals) uint64 { return t.PacketsReceived }},
			{desc("sent_bytes_total", "UDP payload sent."), func(t *debug.Totals) uint64 { return t.BytesSent }},
			{desc("received_bytes_total", "UDP payload received."), func(t *debug.Totals) uint64 { return t.BytesReceived }},
			{desc("sent_stream_bytes_total", "Bytes of applications sent, repeated ones included."), func(t *debug.Totals) uint64 { return t.StreamBytesSent }},
			{desc("retransmitted_bytes_total", "Bytes of applications that had been sent before."), func(t *debug.Totals) uint64 { return t.BytesRetransmitted }},
			{desc("lost_packets_total", "Packets declared lost."), func(t *debug.Totals) uint64 { return t.PacketsLost }},
			{desc("spuriously_lost_packets_total", "Packets declared lost and acknowledged after all."), func(t *debug.Totals) uint64 { return t.SpuriousLosses }},
			{desc("marked_packets_total", "Packets sent that the path has marked as having met congestion (ECN)."), func(t *debug.Totals) uint64 { return t.PacketsMarked }},
			{desc("probes_total", "Timeouts that sent a probe."), func(t *debug.Totals) uint64 { return t.Probes }},
			{desc("persistent_congestion_total", "Episodes of persistent congestion."), func(t *debug.Totals) uint64 { return t.Timeouts }},
			{desc("black_holes_total", "Times that the packet size fell back to 1200 bytes."), func(t *debug.Totals) uint64 { return t.BlackHoles }},
			{desc("send_errors_total", "Packets that the network refused, as far as ICMP told."), func(t *debug.Totals) uint64 { return t.SendErrors }},
		},
		connections:      desc("connections", "Connections now, by state.", "state"),
		limited:          desc("connections_limited", "Established connections now, by what keeps them from sending more.", "by"),
		opened:           desc("connections_opened_total", "Connections whose handshake was completed, by the side that began it.", "side"),
		endpoints:        desc("endpoints", "Endpoints whose sockets are open, those of single dialled connections included."),
		queued:           desc("accept_queue_connections", "Connections that wait for Accept, of all endpoints."),
		halfOpen:         desc("half_open_connections", "Connections whose peer has not proved its address yet, of all endpoints."),
		poolMembers:      desc("pool_members", "Connections in a pool.", "pool"),
		poolThrottled:    desc("pool_throttled_members", "Connections that the pool holds back in sending.", "pool"),
		poolLimit:        desc("pool_limit_bytes_per_second", "Most that all members send together; +Inf for no limit.", "pool"),
		poolReceiveLimit: desc("pool_receive_limit_bytes_per_second", "Most that all members receive together; +Inf for no limit.", "pool"),
		limitUsed:        desc("limit_used", "What is in use of a limited resource of the process: connections, streams, descriptors, or bytes of memory.", "manager", "resource"),
		limitPeak:        desc("limit_peak", "The most of a limited resource that was in use at once.", "manager", "resource"),
		limitMax:         desc("limit_max", "The limit of a resource of the process; +Inf for none. That of handshakes is a second.", "manager", "resource"),
		limitRefused:     desc("limit_refusals_total", "Requests that a limit has refused, by the level of the limit.", "manager", "level", "resource"),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// states and limits are all values of the labels, so that a series does not come and go.
var (
	states = []ebb.State{ebb.StateHandshake, ebb.StateEstablished, ebb.StateClosing, ebb.StateDone}
	limits = []ebb.Limit{ebb.LimitApplication, ebb.LimitReceiver, ebb.LimitCongestion, ebb.LimitPacer, ebb.LimitPool, ebb.LimitOwn, ebb.LimitSocket, ebb.LimitSilence}
)

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	v := debug.ReadVariable()
	gauge := func(d *prometheus.Desc, x float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, x, labels...)
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for _, t := range c.totals {
		counter(t.desc, t.of(&v.Totals))
	}
	counter(c.opened, v.Totals.Dialled, "dialled")
	counter(c.opened, v.Totals.Accepted, "accepted")
	for _, s := range states {
		gauge(c.connections, float64(v.ConnectionsByState[string(s)]), string(s))
	}
	for _, l := range limits {
		gauge(c.limited, float64(v.ConnectionsByLimit[string(l)]), string(l))
	}
	gauge(c.endpoints, float64(v.EndpointsTotal))
	gauge(c.queued, float64(v.Queued))
	gauge(c.halfOpen, float64(v.HalfOpen))
	for _, p := range v.Pools {
		gauge(c.poolMembers, float64(p.Members), p.Name)
		gauge(c.poolThrottled, float64(p.Throttled), p.Name)
		gauge(c.poolLimit, orInfinite(p.TotalBytesPerSecond), p.Name)
		gauge(c.poolReceiveLimit, orInfinite(p.ReceiveTotalBytesPerSecond), p.Name)
	}
	for _, m := range v.Limits {
		for _, s := range m.Scopes {
			for _, b := range s.Books {
				if s.Level == "process" {
					gauge(c.limitUsed, float64(b.Used), m.Manager, b.Resource)
					gauge(c.limitPeak, float64(b.Peak), m.Manager, b.Resource)
					gauge(c.limitMax, orInfinite(b.Limit), m.Manager, b.Resource)
				}
				counter(c.limitRefused, b.Refused, m.Manager, s.Level, b.Resource)
			}
		}
	}
}

// orInfinite is a limit as Prometheus has it.
func orInfinite(n int64) float64 {
	if n < 0 {
		return math.Inf(1)
	}
	return float64(n)
}

package against

import "example.com/ebb/bench/internal/measure"

// kind is how the values of a metric are compared and shown.
type kind struct {
	metric measure.Metric
	title  string
	scale  float64 // of what is shown
	better direction
	// least is what smaller values count as: among those is no difference worth a word, and a
	// ratio to nothing would be none. For goroutines and processor time of idle pairs it is the bar.
	least float64
}

type direction int

const (
	higher direction = iota
	lower
)

// kinds is all metrics, in the order of the table.
var kinds = []kind{
	{measure.BulkRate, "1 connection, MB/s", 1e-6, higher, 1},
	{measure.BulkCPU, "1 connection, CPU, s/GB", 1, lower, 1e-3},
	{measure.EightRate, "8 connections, MB/s", 1e-6, higher, 1},
	{measure.EightCPU, "8 connections, CPU, s/GB", 1, lower, 1e-3},
	{measure.PingP50, "ping-pong p50, µs", 1e6, lower, 1e-9},
	{measure.PingP99, "ping-pong p99, µs", 1e6, lower, 1e-9},
	{measure.DialOne, "dials 1 at a time, /s", 1, higher, 1},
	{measure.DialMany, "dials 32 at a time, /s", 1, higher, 1},
	{measure.Resumed, "resumed dials 1 at a time, /s", 1, higher, 1},
	{measure.ResumedAll, "resumed dials 32 at a time, /s", 1, higher, 1},
	{measure.RelayClean, "relay, MB/s", 1e-6, higher, 1},
	{measure.RelayCleanUsed, "relay, link used, %", 100, higher, 1e-3},
	{measure.RelayCleanSent, "relay, sent / delivered", 1, lower, 1},
	{measure.RelayLossy, "relay, 1 % loss, MB/s", 1e-6, higher, 1},
	{measure.RelayLossyUsed, "relay, 1 % loss, link used, %", 100, higher, 1e-3},
	{measure.RelayLossySent, "relay, 1 % loss, sent / delivered", 1, lower, 1},
	{measure.IdleRSS, "idle pair, RSS, KB", 1e-3, lower, 100},
	{measure.IdleRoutes, "idle pair, goroutines", 1, lower, 0.05},
	{measure.IdleCPU, "idle pair, CPU, µs/s", 1e6, lower, 10e-6},
	{measure.ManyConns, "many, connections", 1, higher, 1},
	{measure.ManyIdle, "many idle, cores", 1, lower, 1e-3},
	{measure.ManyMessages, "many with a message a second, cores", 1, lower, 1e-3},
	{measure.ManyFew, "as many messages on 100, cores", 1, lower, 1e-3},
	{measure.ManyBusy, "100 of many busy, MB/s", 1e-6, higher, 1},
	{measure.ManyAlone, "100 alone, MB/s", 1e-6, higher, 1},
}

// ratio is that of new to old, above 0 and finite.
func (k kind) ratio(before, after float64) float64 {
	return max(after, k.least) / max(before, k.least)
}

// worse says whether a ratio is beyond the tolerance in the bad direction.
func (k kind) worse(ratio, tolerance float64) bool {
	if k.better == higher {
		return ratio < 1-tolerance
	}
	return ratio > 1+tolerance
}

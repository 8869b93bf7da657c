// Package measure runs the measurements: one peer, one turn, one set of
// numbers.
package measure

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"example.com/ebb/bench/internal/peer"
)

// Metric is the name of a number, as JSON has it.
type Metric string

// The metrics. Rates are bytes of the application's data per second, costs
// processor seconds of both ends together, times seconds.
const (
	BulkRate   Metric = "bulk_bytes_per_second"
	BulkCPU    Metric = "bulk_cpu_seconds_per_gb"
	EightRate  Metric = "bulk8_bytes_per_second"
	EightCPU   Metric = "bulk8_cpu_seconds_per_gb"
	PingP50    Metric = "ping_p50_seconds"
	PingP99    Metric = "ping_p99_seconds"
	DialOne    Metric = "dial1_per_second"
	DialMany   Metric = "dial32_per_second"
	Resumed    Metric = "dial_resumed_per_second"   // one at a time, by the ticket of an earlier session
	ResumedAll Metric = "dial32_resumed_per_second" // 32 at a time
	IdleRSS    Metric = "idle_pair_rss_bytes"
	IdleRoutes Metric = "idle_pair_goroutines"
	IdleCPU    Metric = "idle_pair_cpu_seconds_per_second"

	// Through the relay, without loss and with. What is used is a part of the link,
	// what is sent is counted in bytes for one delivered.
	RelayClean     Metric = "relay_bytes_per_second"
	RelayCleanUsed Metric = "relay_link_used"
	RelayCleanSent Metric = "relay_sent_per_delivered"
	RelayLossy     Metric = "relay_loss1_bytes_per_second"
	RelayLossyUsed Metric = "relay_loss1_link_used"
	RelayLossySent Metric = "relay_loss1_sent_per_delivered"

	// Of many connections at a time. Cores are processor seconds a second.
	ManyConns    Metric = "many_connections"
	ManyIdle     Metric = "many_idle_cores"
	ManyMessages Metric = "many_messages_cores"
	ManyFew      Metric = "many_messages_on_few_cores" // as many messages on 100 connections
	ManyBusy     Metric = "many_busy_bytes_per_second"
	ManyAlone    Metric = "many_alone_bytes_per_second" // as many busy ones and no others
)

// Sample is the numbers of one turn.
type Sample map[Metric]float64

// Plan is how long the turns take.
type Plan struct {
	Slot      time.Duration // of one turn, but for those below
	RelaySlot time.Duration // of a turn through the relay
	IdlePairs int           // connections that are idle together
	Settle    time.Duration // how long they are left alone first
	IdleTime  time.Duration // how long their processor time is watched
	// ManyDivisor makes the multitude smaller than the peer's own by so much.
	ManyDivisor int
}

// Turn is what a measurement gets: a transport to dial with, and whom.
type Turn struct {
	Peer   peer.Peer
	Plan   Plan
	Dialer peer.Transport
	Server *Server
	// resumes has every dial be an error that resumes no session.
	resumes bool
}

// Measurement is one kind of turn.
type Measurement struct {
	Name string
	// UDPOnly leaves out the peers that a relay of datagrams cannot carry.
	UDPOnly bool
	// Rounds bounds the rounds of what takes long; 0 does not.
	Rounds int
	// OnceQuick is for what takes too long to have more than one round of a
	// quick run.
	OnceQuick bool
	run       func(context.Context, Turn) (Sample, error)
	// ManyOnly leaves out the peers that have no multitude.
	ManyOnly bool
	// Resumes has the dials resume sessions, and leaves out the peers that have none.
	Resumes bool
	// alone is run in a process of its own in place of run.
	alone func(context.Context, peer.Peer, Plan) (Sample, error)
}

// All is the measurements, in the order of a round.
func All() []Measurement {
	return []Measurement{
		{Name: "bulk", run: bulkOne},
		{Name: "bulk8", run: bulkEight},
		{Name: "ping", run: pingPong},
		{Name: "dial", run: dialOne},
		{Name: "dial32", run: dialMany},
		{Name: "dial-resumed", run: dialResumed, Resumes: true},
		{Name: "dial32-resumed", run: dialManyResumed, Resumes: true},
		{Name: "relay", run: relayed, UDPOnly: true, Rounds: relayRounds, OnceQuick: true},
		{Name: "idle", alone: idle, Rounds: 1},
		{Name: "many", alone: many, Rounds: 1, ManyOnly: true},
	}
}

// Run takes a turn. ends says where the far end lives.
func (m Measurement) Run(ctx context.Context, p peer.Peer, plan Plan, ends Ends) (Sample, error) {
	if m.alone != nil {
		return inChild(ctx, m.Name, p, plan)
	}
	open := p.Open
	if m.Resumes {
		open = p.Resume
	}
	dialer, err := open()
	if err != nil {
		return nil, err
	}
	defer dialer.Close()
	server, err := StartServer(ctx, p, ends)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	return m.run(ctx, Turn{Peer: p, Plan: plan, Dialer: dialer, Server: server})
}

// Select is the measurements of a comma-separated list, all for an empty one.
// "raw" is not one of these, and the caller's to take out.
func Select(names string) ([]Measurement, error) {
	all := All()
	if names == "" {
		return all, nil
	}
	var selected []Measurement
	for name := range strings.SplitSeq(names, ",") {
		m, err := find(all, strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		selected = append(selected, m)
	}
	return selected, nil
}

func find(all []Measurement, name string) (Measurement, error) {
	var known []string
	for _, m := range all {
		if m.Name == name {
			return m, nil
		}
		known = append(known, m.Name)
	}
	return Measurement{}, fmt.Errorf("no measurement %q; they are %s, raw", name, strings.Join(known, ", "))
}

// Takes reports whether a peer takes part.
func (m Measurement) Takes(p peer.Peer) bool {
	return (!m.UDPOnly || p.Datagram > 0) && (!m.ManyOnly || p.Many > 0) && (!m.Resumes || p.Resume != nil)
}

// grace is what a turn may take beyond its slot until it has failed: a slow
// peer delivers what it has buffered.
const grace = 10 * time.Second

// dial connects, with a deadline for everything that follows.
func (t Turn) dial(ctx context.Context, address string, slot time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	c, err := t.Dialer.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(slot + grace)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

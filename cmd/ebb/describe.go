package main

import (
	"fmt"
	"strings"
	"time"

	"example.com/ebb"
	"example.com/ebb/ledbat"
)

// newDescription returns a function that describes a connection at each call.
func newDescription(info func() ebb.ConnInfo) func() string {
	last, at := info(), time.Now()
	return func() string {
		i, now := info(), time.Now()
		passed := now.Sub(at)
		line := describeInfo(i, rateOf(i.BytesSent-last.BytesSent, passed), rateOf(i.BytesReceived-last.BytesReceived, passed))
		last, at = i, now
		return line
	}
}

// rateOf is bytes per second, as text.
func rateOf(n uint64, d time.Duration) string {
	return bytesText(float64(n)/max(d.Seconds(), 1e-9)) + "/s"
}

// describeInfo is what a person asks about first when a transfer is slow: what
// limits it, and what each limit would admit.
func describeInfo(i ebb.ConnInfo, sending, receiving string) string {
	threshold := fmt.Sprint(i.Congestion.SSThresh)
	if own, ok := i.Congestion.Own.(ledbat.Stats); ok {
		threshold = fmt.Sprint("at least ", own.MinSSThresh)
	}
	return fmt.Sprintf("%s, sending %s, receiving %s, limited by %s%s; round trip %v, least %v; "+
		"%s %s, window %d bytes, ssthresh %s, queue %v, %d timeouts; "+
		"sent %d packets of up to %d bytes, %d lost, %d of %d bytes repeated; received %d packets, "+
		"the last %v ago, the last acknowledgement %v ago; socket: %s",
		i.State, sending, receiving, i.LimitedBy, describeLimits(i.Limits),
		i.SmoothedRTT.Round(time.Microsecond), i.MinRTT.Round(time.Microsecond),
		i.Congestion.Name, i.Congestion.State, i.CongestionWindow, threshold,
		i.Congestion.QueueDelay.Round(time.Microsecond), i.Timeouts,
		i.PacketsSent, i.PacketSize, i.PacketsLost, i.BytesRetransmitted, i.StreamBytesSent, i.PacketsReceived,
		i.SinceHeard.Round(time.Millisecond), i.SinceAcked.Round(time.Millisecond), describeSocket(i.Socket))
}

// describeSocket is the modes of a socket that are on.
func describeSocket(s ebb.SocketInfo) string {
	var modes []string
	for _, mode := range []struct {
		name string
		on   bool
	}{{"batches", s.Batch}, {"GSO", s.GSO}, {"GRO", s.GRO}, {"ECN", s.ECN}, {"DF", s.DontFragment}, {"stamps", s.Stamps}} {
		if mode.on {
			modes = append(modes, mode.name)
		}
	}
	if len(modes) == 0 {
		return "single datagrams"
	}
	return strings.Join(modes, ", ")
}

// describeLimits is the rate that each existing limit admits, in parentheses.
func describeLimits(l ebb.LimitRates) string {
	var limits []string
	for _, each := range []struct {
		limit ebb.Limit
		rate  int64
	}{
		{ebb.LimitReceiver, l.ReceiverWindow},
		{ebb.LimitCongestion, l.CongestionWindow},
		{ebb.LimitPacer, l.Pacer},
		{ebb.LimitPool, l.Pool},
		{ebb.LimitOwn, l.Own},
	} {
		if each.rate != ebb.Unlimited {
			limits = append(limits, each.limit.String()+" "+rateOf(uint64(each.rate), time.Second))
		}
	}
	if len(limits) == 0 {
		return ""
	}
	return " (" + strings.Join(limits, ", ") + ")"
}

// Package bbr is BBR version 1 as a congestion.Controller: for a flow that has to have its share whatever
// the loss, and does not fill buffers. It models the path by the largest delivery rate and the least
// round trip that were seen lately, sends at that rate, and keeps up to twice their product in flight.
// It does not yield: package ledbat does.
//
// It is the algorithm of Linux's tcp_bbr, as of version 6.18, and of draft-cardwell-iccrg-bbr-congestion-control-00
// before it: Startup, Drain, ProbeBW, ProbeRTT and the detection of policers. Two things are Ebb's own. A mark of
// Congestion Experienced is answered as a loss is, since a sender that asks for marks has to (RFC 3168 section
// 6.1.2); the kernel's module ignores it. And what an own bandwidth limit holds back counts as application-limited, so
// that such a limit is not taken for the path's. Beside loss-based flows BBR takes what its model says, in shallow
// buffers more than an even share, and it knows no difference between 1 and 15 % of loss: docs/tuning.md says when
// to use it.
//
// Windows are bytes, whole packets of them; rates are bytes per second, gains 1/256. The package is
// pure: time comes in as an argument, arithmetic is in integers, a controller is used by one
// goroutine at a time, and nothing allocates once it is made.
package bbr

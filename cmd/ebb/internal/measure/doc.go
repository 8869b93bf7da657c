// Package measure compares transports that look like net.Conn, over loopback, in
// one process: how fast bytes move, what that costs in processor time, and how
// long a short message takes to go and come back.
//
// The transports take turns, so that whatever else the machine does hits all of
// them alike; each figure is the median over the rounds, with the smallest and
// the largest beside it. Loopback is not a network: it has no bottleneck, no
// distance and no loss, so nothing here says how a transport shares a link.
package measure

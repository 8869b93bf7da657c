// Package cubic is CUBIC as a congestion.Controller: what Linux, Windows and macOS use for TCP unless
// told otherwise. It is for a flow that has to have its share beside such traffic. It fills the
// bottleneck's buffer and does not yield: package ledbat does.
//
// It follows RFC 9438 as Linux 6.18 does (tcp_cubic), with the Reno-friendly region, fast convergence and
// HyStart. It departs from the RFC where the kernel does: the time ahead in the curve is the least
// round trip and not the smoothed one, W_est keeps growing by α and never by a whole packet, and slow start
// ends by HyStart, where RFC 9438 section 4.10 prefers HyStart++. Reductions are spread over a
// round trip (RFC 6937), windows that were not used are validated and expire (RFC 9002 section 7.8), and
// a mark of Congestion Experienced is answered as a loss.
//
// Windows are counted in packets and the curve's time in milliseconds, as in the kernel. The package
// is pure: time comes in as an argument, arithmetic is in integers, a controller is used by one
// goroutine at a time, and nothing allocates once it is made.
package cubic

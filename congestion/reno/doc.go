// Package reno is NewReno as a congestion.Controller: what every network has been built for. It is for
// a flow that has to have its share beside other TCP, on paths of up to some megabytes of
// bandwidth times delay; package cubic is the better choice on longer ones. It fills the bottleneck's
// buffer and does not yield: package ledbat does.
//
// It follows RFC 5681, RFC 6675 and RFC 6937 as Linux 6.18 does (tcp_reno and what surrounds it), and RFC 9002
// section 7, whose controller it is but for the details in which the kernel differs: slow start counts bytes
// without a limit, a window that was not used is validated and expires (RFC 5681 section 4.1), and a
// reduction that answered losses which were none is undone. A mark of Congestion Experienced is
// answered as a loss.
//
// Windows are counted in packets, as in the kernel. The package is pure: time comes in as an
// argument, arithmetic is in integers, a controller is used by one goroutine at a time, and nothing
// allocates once it is made.
package reno

// Package competitor holds the congestion controllers that Ebb has to live beside: Reno, CUBIC and
// BBR, as Linux has them. They run in Ebb's own engine, so that a test can put a foreground flow
// and a flow of Ebb's default controller on one simulated bottleneck.
//
// They copy the behaviour of the kernel's modules, also where an RFC leaves a choice or the kernel
// departs from it; the comments say where. Windows are counted in packets, as in the kernel.
// What the kernel does around a module is here as well, as far as it shapes the traffic: the
// window is validated before it grows, and reductions are spread over a round trip (Proportional
// Rate Reduction, RFC 6937).
//
// The package is pure: time comes in as an argument, arithmetic is in integers, and a controller is
// used by one goroutine at a time. Nothing allocates once a controller is made.
package competitor

// Package lossbased is what the controllers of the loss-based kind have in common: slow start, the
// validation of the window, the course of a reduction (Proportional Rate Reduction) and its undo,
// the restart after an idle time, and pacing. A Law is the rest: how the window grows in congestion
// avoidance, and what a reduction leaves of it.
//
// It does what Linux does around its modules of congestion control, as of version 6.18; comments
// name the RFC's rule or the kernel's function. Windows are counted in packets, as in the
// kernel, and become bytes where the connection asks.
//
// The package is pure: time comes in as an argument, arithmetic is in integers, a Controller is
// used by one goroutine at a time, and nothing allocates once it is made.
package lossbased

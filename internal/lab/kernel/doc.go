// Package kernel puts Ebb and the kernel's own TCP on one bottleneck and measures there what each
// gets: scenarios that internal/lab/simnet runs in virtual time, with real sockets, real
// timers and a real competitor. It also holds Ebb's own Reno, CUBIC and BBR against the kernel's.
//
// The bottleneck is netlab's (package netlab). Figures come from what netlab writes down for every 100 ms: per flow,
// the bytes that the bottleneck's queue took, the mean wait of those packets, and the drops. What a sender believes
// is not among them. Quantiles of the queue are over these means.
//
// A full run takes hours. Each round is kept in a file as it ends, so that a run goes on where another was
// interrupted. A run in which the laboratory itself stalled, by its own timing, is repeated or dropped.
package kernel

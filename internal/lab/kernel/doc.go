// Package kernel puts Ebb and the kernel's own TCP on one bottleneck and measures there what each
// gets: the same scenarios that internal/lab/simnet runs in virtual time, with real sockets, real
// timers and a real competitor. It also compares the models of package competitor with the kernel's
// own.
//
// The bottleneck is netlab's: two network namespaces joined by one emulated path, in a Go module
// of its own whose folder the caller names. It needs Linux, root, /dev/net/tun and iproute2. What
// the package starts it ends, also when its context does.
//
// Figures come from what netlab writes down for every 100 ms: per flow, the bytes that the
// bottleneck's queue took, the mean wait of those packets, and the drops. What a sender believes
// is not among them. Quantiles of the queue are over these means.
package kernel

// Package stream is the two directions of a stream of bytes, without the protocol that carries it: what was
// written and not acknowledged (Send), what was received and not read (Recv), the memory under both, and sets
// of numbers.
//
// The package is pure: it knows no clock, lock or packet. A stream is used by one goroutine at a time.
package stream

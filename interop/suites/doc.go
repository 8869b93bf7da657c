// Package suites runs other people's programs and libraries over Ebb: it has nothing but tests. They are a module of their own, so that
// what they need is no dependency of the library.
//
//	go test . -short            what the gate runs
//	go test . -loss 0.02 -v     whole, and two of a hundred packets are lost in each direction
//
// A test of a server that is not installed is skipped and says so.
package suites

// Package differential compares Ebb with the kernel's TCP: random programs of calls of net.Listener and net.Conn are run over both, and
// what the calls return has to be the same.
//
// A Program is a row of steps with a barrier behind each: when every call of a step has returned, and what it sends has
// arrived, the next begins. A step is mostly one call. Where it is two or three, goroutines make them at the same time, in a random
// order, so a program may have many outcomes. TCP is asked until twenty runs have added no new one; Ebb's has to be among
// them. Otherwise the first call that differs has to be explained by one of the Rules, which are those of docs/dropin.md: then the program
// is compared again without that call. What no rule explains is shrunk to the shortest program that still shows it.
package differential

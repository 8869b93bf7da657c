// Package router is what an endpoint knows of its connections and what it answers
// without one: the tables that find the connection of a datagram, and the
// handshake's stateless half, RETRY, REFUSE, UNKNOWN, VERSIONS and the last word
// of connections that are gone. Section 3 of docs/wire.md has the rules.
//
// The package is pure: time comes in as an argument, and randomness from a
// seed. A Router has no lock; its endpoint's guards it.
package router

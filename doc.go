// Package ebb is a reliable transport over UDP in the shape of package net: Dial
// returns a net.Conn, Listen a net.Listener, and a program that speaks TCP
// needs no other change. It gives way to other traffic on the path (LEDBAT),
// paces every packet, and keeps each connection within a limit of its own. It
// does not encrypt: crypto/tls runs over it as over TCP.
//
// # Layers
//
// From the application down:
//
//   - Conn, Listener and Endpoint are the surface. Their callers wait without
//     any lock, until a deadline at most.
//   - The drive (drive.go) is the one caller of a connection's engine. It
//     has the clock, the timer and the lock. It gives the engine what arrived,
//     and sends what the engine has to send.
//   - The engine (internal/engine) is a connection as a state machine. It
//     knows no clock and no socket, and so can be tested with a scripted one.
//   - The shaper (internal/shaper) stands between the engine and the pool whose
//     budget the connection shares, if there is one.
//   - The router (internal/router) knows all connections of an endpoint. It finds
//     the connection of a datagram, and answers datagrams that have none.
//   - The socket (internal/udp) moves datagrams, many at a time.
//
// # Who owns what
//
// A connection belongs to an Endpoint. The endpoint owns one socket, or several, and
// for each a goroutine that reads it, unless a caller of Read or Write does so while
// it waits. A connection has no goroutine; it is a mutex and an engine. The timer is
// its socket's.
// Dial makes an Endpoint for each connection, whose socket is connected to the
// peer and closes with it; Listen makes one for the listener and all that it
// accepts; NewEndpoint makes one that a program keeps.
//
// The package has two pieces of global state: the connections that were closed and
// are still delivering, for Drain, and the endpoints that Listen has made, by address, for the next
// Listen on it. Package pool has another: the default pool and the named ones.
//
// # The life of a packet
//
// Write copies bytes into the engine's send buffer, and flushes: as far as
// the window, the pacer and the peer allow, the engine encodes packets, all of
// one size, into a borrowed batch. The lock is released, and the socket
// sends the batch with few system calls. Data that may not leave yet is sent
// later: when an ACK arrives, or when the timer fires because the pacer has credit.
// The bytes stay in the buffer until they are acknowledged; a retransmission
// encodes them again.
//
// At the other end the goroutine that reads the socket borrows buffers when
// something has arrived, reads a batch, and asks the router about every datagram.
// Datagrams of one connection that follow each other enter its engine under one
// lock. The engine verifies the trailer, copies the bytes to their place in the
// receive window, and notes what to acknowledge. A Read that waits is woken, and
// one flush sends the ACK with whatever else is due.
//
// docs/design.md describes the architecture in full, docs/wire.md specifies the
// packets, and docs/security.md says what the protocol does not protect against.
package ebb

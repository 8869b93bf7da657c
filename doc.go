// Package ebb is a reliable transport over UDP in the shape of package net: Dial
// returns a net.Conn, Listen a net.Listener, and a program that speaks TCP
// needs no other change. It gives way to other traffic on the path (LEDBAT),
// paces every packet, and keeps each connection within a limit of its own. With
// Config.TLS it is TLS 1.3 as well.
//
// # Connections
//
// Both sides have to speak Ebb. One listens and one dials:
//
//	ln, err := ebb.Listen("udp", ":9000")              // a net.Listener
//	conn, err := ebb.Dial("udp", "server.example:9000") // a net.Conn
//
// The networks tcp, tcp4 and tcp6 mean the same as udp, udp4 and udp6, so that a name may come from
// code that was written for TCP; addresses are then *net.TCPAddr. Deadlines, CloseWrite, CloseRead and SetLinger do what they do on a
// *net.TCPConn; keep-alive is on. [Dialer] and [ListenConfig] take a [Config], whose zero value is
// ready to use. [Conn.Info] tells how a connection fares and what limits it; [Connections] lists all of the process, and package
// [example.com/ebb/debug] shows them, live.
//
// # Errors
//
// An error is a *net.OpError, with an *os.SyscallError below it where TCP's has one, around values that match what TCP's would,
// for errors.Is:
//
//   - io.EOF, alone and not in an OpError: the peer has ended its stream, and all of it was read.
//   - os.ErrDeadlineExceeded: a deadline has passed, or the time for a dial. Where it was a
//     context that ended the dial, the context's error matches too.
//   - net.ErrClosed: this side has closed the connection, the listener or the endpoint.
//   - syscall.ECONNREFUSED: nobody listens there. If what listens there speaks another version of
//     Ebb, ErrVersion matches too.
//   - syscall.ETIMEDOUT: the peer does not answer, or takes nothing. ErrHandshakeTimeout, ErrIdleTimeout,
//     ErrUserTimeout or ErrNotDelivered, which matches too, says when.
//   - syscall.EHOSTUNREACH, syscall.ENETUNREACH: no way leads to the peer, as the system said of a dial.
//   - syscall.ECONNRESET: the peer has aborted the connection, or does not know it any more. If a side
//     broke the rules of the protocol, ErrProtocol matches too.
//   - syscall.EPIPE: a write after the stream was ended. To a peer that has closed the first write succeeds, and its
//     bytes are lost, as over TCP.
//
// Timeout, of net.Error, is true of what matches os.ErrDeadlineExceeded or syscall.ETIMEDOUT.
//
// # Close and Drain
//
// Close returns at once, and what was written is delivered in the background. For TCP the kernel does
// that, even after the program has ended. Ebb runs within the program: before it ends it calls [Drain],
// which waits for all connections that were closed, and returns an error if one gave up. Abort
// discards instead, and the peer gets ECONNRESET.
//
// # TLS
//
// Without TLS a checksum detects errors and no attackers. [Config.TLS] protects every packet, by TLS 1.3:
//
//	lc := &ebb.ListenConfig{Config: &ebb.Config{TLS: &tls.Config{Certificates: certificates}}}
//	d := &ebb.Dialer{Config: &ebb.Config{TLS: &tls.Config{}}} // compares the certificate with the host that is dialled
//
// [Conn.TLS] says who the peer is. Dial and Accept return a [*SecureConn] then, and net/http sets Request.TLS. What the handshake
// finds wrong is an error of crypto/tls or crypto/x509 within a *net.OpError, as tls.Dial's: tls.AlertError is what the peer says.
// Peers without certificates are named by keys with package [example.com/ebb/peerid].
//
// # HTTP
//
// A server needs the listener and a client one field:
//
//	http.Serve(ln, handler)
//	client := &http.Client{Transport: &http.Transport{DialContext: ebb.DialContext}}
//
// # Many connections, and peers
//
// Dial makes a socket for each connection. An [Endpoint] is one socket for any number of connections, in both
// directions, and none of them costs a goroutine. Programs with thousands of connections need that, and
// so do peers, which are reached at the address that they also dial from. If two endpoints dial each other at
// the same time, both dials return one connection, which opens most NATs.
//
// # Limits and pools
//
// A connection sends at most 10 MB/s unless [Config.BandwidthLimit] says otherwise. A pool (package
// [example.com/ebb/pool]) is a budget that the connections of any number of dialers, listeners and
// endpoints share: those whose [Config.Pool] names it. It divides the total among those that use it.
//
// What peers may use, connections, handshakes and memory, is bounded by default, for all endpoints of the process together and for each
// peer: [Config.Limits] has other bounds (package [example.com/ebb/limits]), and [Config.Admit] a word of the program's own.
//
// # Congestion control
//
// [Config.Congestion] says which algorithm decides how much may be in flight: a mode of package
// [example.com/ebb/ledbat] with its settings, or a controller of the program's own, of which package
// [example.com/ebb/congestion] says what it has to be. The default yields to other traffic.
//
// docs/dropin.md says what to change in a program that speaks TCP, and what differs.
// docs/watching.md says how to watch a program at work,
// docs/tuning.md is about settings and slow transfers, docs/security.md about what the protocol does not
// protect against, docs/design.md about the architecture, and docs/wire.md specifies the packets.
package ebb

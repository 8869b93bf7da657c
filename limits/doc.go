// Package limits bounds what a process spends on its peers: connections, handshakes, memory, descriptors, streams. Without such bounds a single
// address can take all of them. With them it meets its own limit first, and what it is refused is not taken from anybody.
//
// # Scopes
//
// Everything is counted in several scopes at once, and granted only if each of them has room:
//
//	process ── endpoint or listener ─┐
//	   └────── network ── peer ──────┼── connection ── stream
//	   └────── identity ─────────────┘
//
// A Manager is the process. An Endpoint is one of its endpoints or listeners. A peer is who an address stands for (Peer): an
// IPv4 address or an IPv6 /56. Its network is the IPv4 /24 or the IPv6 /48 that it is in, as who has one address often has
// its neighbours. An identity is what a peer has proved on a protected connection. A Conn is one connection, and goes with whatever holds that
// connection. Peers are in the table only while they hold something, so strangers cannot make it grow.
//
// An address that nothing has proved may be forged. So a connection is charged to its peer from when a cookie has proved the address, or when the
// handshake is complete, and until then to the endpoint and the process alone: who floods an endpoint in somebody's name
// uses up nothing of his.
//
// # Which memory is charged
//
// Charged is what a connection pins: the buffers that it has taken, whole, however few bytes are in them, and a price for its state
// (Overhead). Windows that were promised are not charged. A window is what a peer may send, and few send all of it at once: if promises
// were charged, a hundred silent peers with windows of 16 MiB would use up a budget while all of the memory is free, and
// it would cost them not one byte. The price of this choice is that peers may call in more than there is. Therefore
//
//   - promises are only made while there is room. Above five eighths of a limit no window grows, above three quarters they shrink
//     when they are renewed, above seven eighths no connection is made (WindowGrowth, WindowRenewal, NewConnection);
//   - what is beyond a first window and has no room is dropped as if the network had lost it, and is sent again. Data that arrives out of
//     order goes first, above half of a limit, as it waits for other data and nobody can read it (OutOfOrder);
//   - the last eighth is for first windows. Somebody who has little is served when those with much are not (FirstWindow).
//
// The same fractions hold for the limit of each scope: a peer that has used half of its own limit is the one whose data is dropped,
// though the process has plenty. The limit of a peer itself falls, as the process's memory is used up, to what is left of five
// eighths of it, so that windows go on growing for others: peers that take what they can end up with equal parts, and leave another one, however many they are.
//
// # Where to begin
//
// Who runs a gateway needs nothing but Default, and reads Snapshot: when Refused grows at the process, the machine is too small for
// its peers, or Config.Process.Memory for the machine. When it grows at one network, somebody there takes more than his part. Companies
// and mobile networks put many people behind one address; if those are refused, raise Config.Peer, or put their addresses on
// Config.Allow.
//
// Who writes a peer-to-peer program begins with PeerNode. It has few connections with each of many peers, of whom nobody knows who they
// are. Bootstrap nodes go on the allowlist, by identity if they have one: the table can be full of strangers, and they still get in.
//
// Who builds a device with little memory says how much it is: Config{Process: Limits{Memory: 2 << 20}} has everything else
// follow from it, 128 connections and 32 half-open ones. GOMEMLIMIT, where it is set, is taken for the machine's memory. The table of
// rates is 16 KiB for peers and as much for networks; with negative limits of handshakes there is none.
//
// # Time
//
// The package reads no clock and starts no goroutine. The one method that depends on time, Endpoint.Inbound, gets it as an argument,
// counted from any origin that all endpoints of a manager share.
package limits

// Package simnet is a simulated network for tests.
//
// Link is the model of one direction of a path: rate, drop-tail queue, delay,
// and everything that can happen to a datagram on the way. It has no clock; it
// is told the time and answers when each datagram arrives, so that two
// connections on one goroutine can be replayed bit for bit. A Rule of a link is
// for some datagrams, or for some time, only. A Schedule says when its bottleneck
// may send: in aggregates as Wi-Fi, in grants as a mobile link, at rates that
// change, or as a Trace was recorded or Mobile makes one up.
//
// Sim runs endpoints over links on that one goroutine. Its stations may be paused,
// killed, kept from running now and then, and put behind a SimNAT. They are told
// what ICMP reports. Their datagrams may pass an AQM, which may know classes of
// service.
//
// Network puts links between hosts and gives each host sockets that implement
// [net.PacketConn]; NAT puts hosts behind an address translator. They use the
// clock of package time: inside a testing/synctest bubble an hour passes in
// milliseconds, outside it the network is merely slow.
//
// Wrap puts a link behind a real socket, for tests that need real time.
package simnet

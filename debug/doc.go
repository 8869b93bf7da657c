// Package debug shows what a process does with Ebb: a page for a person, the same as JSON for programs (ebb top is one), and a
// variable for package expvar. Module example.com/ebb/debug/ebbprom is a collector for Prometheus.
//
// Nothing is served, published or counted on import. A program asks for it, in one of these ways:
//
//	mux.Handle("/debug/ebb/", debug.Handler(nil))          // beside pprof, on a server that it has
//	ln, err := debug.Listen("")                            // a Unix socket of its own, which ebb top finds
//	go http.Serve(ln, debug.Handler(nil))
//	expvar.Publish("ebb", debug.Var())                     // totals, in /debug/vars
//
// # Who may look
//
// Whoever reads this sees who the peers are and the connections' IDs, which are half of what it takes to forge packets of connections without
// TLS. Listen makes a Unix socket that only its owner may connect to. On a TCP address everybody who reaches it may read; the
// handler only answers GET and HEAD, and only to browsers that have come by an IP address, as localhost or by a name of Config.Hosts, so
// that no page from elsewhere can read along (DNS rebinding).
//
// # Cost
//
// Nothing while nobody asks. A snapshot locks each connection for a microsecond, one after the other. The handler makes at most
// four in a second, however many ask, of at most Config.MaxConnections connections.
package debug

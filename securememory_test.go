//go:build !race

// The race detector takes memory of its own.

package ebb_test

import (
	"crypto/tls"
	"net"
	"runtime"
	"testing"

	"example.com/ebb"
)

// TestTLSIdleMemory: what an idle protected connection takes, both ends, TLS's view of it included.
func TestTLSIdleMemory(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	plain, secure := idlePair(t, nil, nil), idlePair(t, client, server)
	t.Logf("an idle pair takes %d bytes, a protected one %d", plain, secure)
	if secure > 20<<10 {
		t.Errorf("an idle protected pair takes %d bytes", secure)
	}
}

// idlePair is how many bytes a pair of connections takes that have nothing to do.
func idlePair(t *testing.T, client, server *tls.Config) int {
	t.Helper()
	l := listen(t, &ebb.Config{TLS: server})
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from, err := ebb.NewEndpoint(pc, inMode(&ebb.Config{TLS: client}))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer l.Endpoint().Close()
	const pairs = 300
	var all [2 * pairs]net.Conn
	connect := func(at int) {
		c, err := from.Dial("udp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		all[at], all[pairs+at] = c, s
		write(t, c, "x")
		reads(t, s, "x")
		write(t, s, "y")
		reads(t, c, "y")
	}
	connect(0)
	before := heapInUse()
	for i := range pairs - 1 {
		connect(i + 1)
	}
	for _, c := range all {
		info := infoOf(c)
		eventually(t, "all to be acknowledged", func() bool { return info().SendBuffered == 0 })
	}
	after := heapInUse()
	runtime.KeepAlive(&all)
	return (int(after) - int(before)) / (pairs - 1)
}

// infoOf is the method Info of a connection.
func infoOf(c net.Conn) func() ebb.ConnInfo {
	return c.(interface{ Info() ebb.ConnInfo }).Info
}

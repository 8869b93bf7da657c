package ebb_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb"
)

// closedPort is an address on which nobody listens.
func closedPort(t *testing.T, ip string) net.Addr {
	t.Helper()
	pc, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Skip(err)
	}
	defer pc.Close()
	return pc.LocalAddr()
}

// wantRefused dials where nobody listens, and is told so long before the dial would end by itself. Another process may
// take a port between our closing it and the dial, and be silent: then another port tells.
func wantRefused(t *testing.T, e *ebb.Endpoint, ip string) {
	t.Helper()
	took := time.Hour
	var err error
	for try := 0; try < 3 && took > time.Second/2; try++ {
		addr, start := closedPort(t, ip), time.Now()
		_, err = e.DialAddr(t.Context(), addr)
		took = time.Since(start)
	}
	if took > time.Second/2 {
		blameICMP(t)
	}
	var op *net.OpError
	if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Err.Error() != "connect: connection refused" {
		t.Errorf("a dial to a closed port of %s ends with %v", ip, err)
	}
	if took > time.Second/2 {
		t.Errorf("a dial to a closed port of %s was refused after %v", ip, took)
	}
}

// needsErrorQueue skips a test of what a socket is told that has no one peer.
func needsErrorQueue(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" || inMode(nil).NoBatch {
		t.Skip("only Linux tells a socket what ICMP says of datagrams to anybody")
	}
}

// A dial to a port where nobody listens fails at once, from a shared socket too, of one family or both.
func TestDialFromASharedSocketIsRefused(t *testing.T) {
	needsErrorQueue(t)
	leavesNothing(t)
	for _, test := range []struct{ network, local, remote string }{
		{"udp4", "127.0.0.1:0", "127.0.0.1"}, {"udp", ":0", "127.0.0.1"}, {"udp", ":0", "::1"}, {"udp6", "[::1]:0", "::1"},
	} {
		pc, err := net.ListenPacket(test.network, test.local)
		if err != nil {
			t.Skip(err)
		}
		e, err := ebb.NewEndpoint(pc, inMode(nil))
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, e, test.remote)
		eventually(t, "the dial to be forgotten", func() bool { return e.Info().Connections == 0 })
		e.Close()
	}
}

// While one socket dials ports where nobody listens, a transfer over it goes on: no byte is lost, and none of its packets is
// taken for one that the system refused.
func TestTransferBesideRefusedDials(t *testing.T) {
	needsErrorQueue(t)
	leavesNothing(t)
	e, peer := endpoint(t, &ebb.Config{BandwidthLimit: ebb.Unlimited}), endpoint(t, nil)
	l := serves(t, peer)
	conn, err := e.DialAddr(t.Context(), peer.Addr())
	if err != nil {
		t.Fatal(err)
	}
	accepted := accept(t, l)
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(i >> 8 * i)
	}
	var group sync.WaitGroup
	group.Go(func() {
		conn.Write(content)
		conn.CloseWrite()
	})
	over := make(chan struct{})
	var got []byte
	group.Go(func() {
		got, err = io.ReadAll(accepted)
		close(over)
	})
	for transferring := true; transferring; {
		wantRefused(t, e, "127.0.0.1")
		select {
		case <-over:
			transferring = false
		default:
		}
	}
	group.Wait()
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d of %d bytes, or others, error %v", len(got), len(content), err)
	}
	socket := e.Info().Socket
	delete(socket.SendErrors, "would block")
	if n := conn.Info().SendErrors; n != 0 || len(socket.SendErrors) != 0 || socket.ReceiveErrors != 0 || socket.Reported == 0 {
		t.Errorf("the connection counts %d packets as refused, the socket %v, and %d errors of reads", n, socket.SendErrors, socket.ReceiveErrors)
	}
}

// What is said of an established connection's packets ends nothing at once, as anybody may forge it. Three probes are, over a
// second: if each has such an answer and the peer is silent, it is dead.
func TestHintsEndAnEstablishedConnAfterProbes(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		b.SetICMP(true)
		pc, err := b.server.ListenPacket(serverPort)
		if err != nil {
			b.Fatal(err)
		}
		l := serves(b.T, b.endpointOver(pc, nil))
		e := b.endpoint(b.client, clientPort, nil)
		c, err := e.DialAddr(b.Context(), serverAddr)
		if err != nil {
			b.Fatal(err)
		}
		accept(b.T, l)
		synctest.Wait()
		pc.Close()
		write(b.T, c, "is anybody there?")
		time.Sleep(4 * oneWay) // a round trip, and the packet's delay in the socket
		if i := c.Info(); i.State != "established" || i.SendErrors == 0 {
			b.Errorf("%s, %d packets refused", i.State, i.SendErrors)
		}
		start := time.Now()
		c.SetDeadline(start.Add(time.Minute))
		_, err = c.Read(make([]byte, 1))
		if took := time.Since(start); !errors.Is(err, syscall.ECONNRESET) || took < time.Second-2*oneWay || took > time.Second+2*oneWay {
			b.Errorf("the connection ends with %v after %v, want a reset after a second", err, took)
		}
		start = time.Now()
		_, err = e.DialAddr(b.Context(), serverAddr)
		if took := time.Since(start); !errors.Is(err, syscall.ECONNREFUSED) || took != 2*oneWay {
			b.Errorf("a dial ends with %v after %v, want a refusal after a round trip", err, took)
		}
	})
}

// icmpFailures is how many ICMP messages the kernel could not send, 0 if it does not say.
func icmpFailures() (n int) {
	b, _ := os.ReadFile("/proc/net/snmp")
	var names []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if i := slices.Index(names, "OutErrors"); i > 0 && fields[0] == "Icmp:" {
			n, _ = strconv.Atoi(fields[i])
		}
		names = fields
	}
	return n
}

// icmpFailuresBefore is that when the tests began.
var icmpFailuresBefore = icmpFailures()

// blameICMP skips a test that waited for a report in vain if the kernel could not send some. It has few buffers for
// ICMP, which all network namespaces share, and one slow link somewhere can hold them all.
func blameICMP(t testing.TB) {
	t.Helper()
	if n := icmpFailures() - icmpFailuresBefore; n > 0 {
		t.Skipf("the kernel could not send %d ICMP messages", n)
	}
}

package ebb_test

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
)

// TestTLSManyAtOnce: many dials to one listener, from one endpoint, each carry bytes, and no goroutine is left while they are open.
func TestTLSManyAtOnce(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	l := listen(t, &ebb.Config{TLS: server, RetryThreshold: 8})
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from, err := ebb.NewEndpoint(pc, inMode(&ebb.Config{TLS: client}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close() })
	const many = 100
	before := runtime.NumGoroutine()
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			c, err := from.Dial("udp4", l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			io.WriteString(c, "x")
		})
		all.Go(func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			reads(t, c, "x")
		})
	}
	all.Wait()
	eventually(t, "the goroutines of handshakes to end", func() bool { return runtime.NumGoroutine() <= before })
	if got := l.Endpoint().Info(); got.Connections != many || got.HalfOpen != 0 {
		t.Errorf("%d connections, %d half-open", got.Connections, got.HalfOpen)
	}
}

// TestTLSRetry: while handshakes are slow and many, a client proves its address, and gets in.
func TestTLSRetry(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	asked := make(chan struct{}, 1)
	server.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		if info.ServerName == "slow.test" {
			asked <- struct{}{}
			<-info.Context().Done()
		}
		return nil, nil
	}
	l := listen(t, &ebb.Config{TLS: server, RetryThreshold: 1})
	late := client.Clone()
	late.ServerName = "slow.test"
	over := make(chan struct{})
	go func() {
		defer close(over)
		dialTLS(t, l, late)
	}()
	<-asked
	c, s := meet(t, l, client)
	write(t, c, "proved")
	reads(t, s, "proved")
	if got := l.Endpoint().Info(); got.Retries == 0 {
		t.Errorf("no RETRY: %+v", got)
	}
	l.Endpoint().Close()
	<-over
}

// TestNettestTLSOverALossyPath is TestNettestOverALossyPath over protected connections, whose sockets are not the system's.
func TestNettestTLSOverALossyPath(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as loss makes it")
	}
	client, server := secured(t)
	path := simnet.LinkConfig{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.01, Reorder: 0.02, Duplicate: 0.01}
	seed := uint64(0)
	over := func(cfg *tls.Config) (*ebb.Endpoint, error) {
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		seed++
		quick := *fast
		quick.TLS = cfg
		return ebb.NewEndpoint(simnet.Wrap(pc, path, seed), inMode(&quick))
	}
	leavesNothing(t)
	nettest.TestConn(t, func() (dialled, accepted net.Conn, stop func(), err error) {
		to, err := over(server)
		if err != nil {
			return nil, nil, nil, err
		}
		l, err := to.Listen()
		if err != nil {
			return nil, nil, nil, err
		}
		from, err := over(client)
		if err != nil {
			return nil, nil, nil, err
		}
		if dialled, err = from.Dial("udp4", to.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if accepted, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return dialled, accepted, func() {
			from.Close()
			to.Close()
			runtime.KeepAlive(dialled) // some tests use one end alone, and the other would be collected
			runtime.KeepAlive(accepted)
		}, nil
	})
}

// TestTLSListenerFollowsPlain: a listener of the other kind takes over the port of one that was closed, and the connections that live on it
// stay what they are.
func TestTLSListenerFollowsPlain(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	for _, first := range []*tls.Config{nil, server} {
		l := listen(t, &ebb.Config{TLS: first})
		addr := l.Addr().String()
		old := [2]net.Conn{}
		var err error
		if first == nil {
			old[0], old[1] = dial(t, l, nil), accept(t, l)
		} else {
			old[0], old[1] = meet(t, l, client)
		}
		l.Close()
		second := &ebb.Config{TLS: server}
		if first != nil {
			second.TLS = nil
		}
		again, err := (&ebb.ListenConfig{Config: inMode(second)}).Listen(t.Context(), "udp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		l = again.(*ebb.Listener)
		for range 2 { // the second time beside one of the new kind
			write(t, old[0], "still")
			reads(t, old[1], "still")
			if second.TLS == nil {
				dial(t, l, nil)
				accept(t, l)
			} else {
				meet(t, l, client)
			}
		}
		l.Close()
	}
}

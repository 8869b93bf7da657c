package tlsdriver

import (
	"crypto/tls"
	"sync"
	"testing"

	"example.com/ebb/internal/protect"
)

// blocker is a callback that waits until it is let go.
type blocker struct {
	entered chan struct{}
	leave   chan struct{}
}

func newBlocker(n int) blocker {
	return blocker{make(chan struct{}, n), make(chan struct{})}
}

func (b blocker) verify(tls.ConnectionState) error {
	b.entered <- struct{}{}
	<-b.leave
	return nil
}

// crew is workers whose goroutines a test waits for.
func crew(t *testing.T, most int) (*Workers, *sync.WaitGroup) {
	t.Helper()
	wg := new(sync.WaitGroup)
	return NewWorkers(most, wg.Go), wg
}

// TestBlockingCallback: while a callback waits, nothing but Work does; and other handshakes go on.
func TestBlockingCallback(t *testing.T) {
	client, server := configs(t)
	b := newBlocker(1)
	blocked := client.Clone()
	blocked.VerifyConnection = b.verify
	c, s := ends(t, blocked, server)
	for _, e := range []*end{c, s} {
		if e.Start() {
			e.Work(e.take)
		}
	}
	workers, wg := crew(t, 2)
	// The server's flight, as far as the client can take it without an answer.
	if work, _ := s.Receive(protect.LevelInitial, c.sent[protect.LevelInitial].Next(1<<20)); work {
		s.Work(s.take)
	}
	news := make(chan struct{}, 10)
	tell := func() { news <- struct{}{} }
	for l := protect.LevelInitial; l <= protect.LevelHandshake; l++ {
		work, err := c.Receive(l, s.sent[l].Next(1<<20))
		if err != nil {
			t.Fatal(err)
		}
		if work {
			workers.Run(c.Driver, tell)
		}
	}
	<-b.entered
	if work, err := c.Receive(protect.LevelHandshake, []byte{1}); work || err != nil {
		t.Errorf("a second goroutine for one handshake: %v, %v", work, err)
	}
	if _, ok := c.State(); ok {
		t.Error("done while the application decides")
	}
	c2, s2 := ends(t, client, server)
	converse(t, c2, s2, 1200)
	agreed(t, c2, s2)
	close(b.leave)
	wg.Wait()
	if len(news) == 0 || workers.Running() != 0 {
		t.Errorf("%d news, %d running", len(news), workers.Running())
	}
}

// TestCloseWhileBlocked: Close does not wait for a callback, and nothing comes of it afterwards.
func TestCloseWhileBlocked(t *testing.T) {
	client, server := configs(t)
	b := newBlocker(1)
	only := server.Certificates[0]
	server.Certificates = nil
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &only, b.verify(tls.ConnectionState{})
	}
	c, s := ends(t, client, server)
	c.Start()
	c.Work(c.take)
	workers, wg := crew(t, 1)
	if work, err := s.Receive(protect.LevelInitial, c.sent[0].Next(1<<20)); !work || err != nil {
		t.Fatalf("work %v, %v", work, err)
	}
	workers.Run(s.Driver, func() { t.Error("news of a handshake that was closed") })
	<-b.entered
	s.Close()
	close(b.leave)
	wg.Wait()
	if s.conn != nil || s.Next().Kind != protect.EventNone {
		t.Error("something is left")
	}
}

// TestWorkersBound: no more goroutines than allowed, whoever blocks; all get their turn; none is left.
func TestWorkersBound(t *testing.T) {
	const most, all = 3, 10
	client, server := configs(t)
	b := newBlocker(all)
	only := server.Certificates[0]
	server.Certificates = nil
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &only, b.verify(tls.ConnectionState{})
	}
	workers, wg := crew(t, most)
	var servers []*end
	for range all {
		c, s := ends(t, client, server)
		c.Start()
		c.Work(c.take)
		if work, err := s.Receive(protect.LevelInitial, c.sent[0].Next(1<<20)); !work || err != nil {
			t.Fatalf("work %v, %v", work, err)
		}
		workers.Run(s.Driver, s.take)
		servers = append(servers, s)
	}
	for range most {
		<-b.entered
	}
	if n := workers.Running(); n != most || len(b.entered) != 0 {
		t.Errorf("%d goroutines, %d more in callbacks, want %d", n, len(b.entered), most)
	}
	close(b.leave)
	wg.Wait()
	for i, s := range servers {
		if s.err != nil || s.sent[protect.LevelHandshake].Len() == 0 {
			t.Errorf("handshake %d: %v", i, s.err)
		}
	}
	if n := workers.Running(); n != 0 {
		t.Errorf("%d goroutines are left", n)
	}
}

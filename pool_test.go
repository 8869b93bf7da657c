package ebb_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/pool"
)

var longTables = flag.Bool("long", false, "measure shares over loopback for ten seconds a row, end 10,000 connections in each way, and open and close 50,000")

func newPool(t *testing.T, total, min int64) *pool.Pool {
	t.Helper()
	p, err := pool.New(total, min)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sinkFor is a listener whose connections are read to their end. They must end before the test does.
func sinkFor(t *testing.T, cfg *ebb.Config) *ebb.Listener {
	t.Helper()
	l := listen(t, cfg)
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			readers.Go(func() {
				io.Copy(io.Discard, c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() { l.Close(); readers.Wait() })
	return l
}

// keepBusy writes to connections until the test ends.
func keepBusy(t *testing.T, conns ...*ebb.Conn) {
	t.Helper()
	for _, c := range conns {
		done := make(chan struct{})
		go func() {
			defer close(done)
			zeros := make([]byte, 64<<10)
			for {
				if _, err := c.Write(zeros); err != nil {
					return
				}
			}
		}()
		t.Cleanup(func() { c.Abort(); <-done })
	}
}

// sendRates lets d pass and returns at what rate each connection has sent, in bytes per second.
func sendRates(d time.Duration, conns []*ebb.Conn) (each []float64, sum float64) {
	before, start := make([]uint64, len(conns)), time.Now()
	for i, c := range conns {
		before[i] = c.Info().BytesSent
	}
	<-time.After(d)
	took := time.Since(start).Seconds()
	for i, c := range conns {
		each = append(each, float64(c.Info().BytesSent-before[i])/took)
		sum += each[i]
	}
	return each, sum
}

// shareRow is a number of busy connections in a pool, and what each is to get, in bytes per second.
type shareRow struct {
	total, min int64
	n          int
	share      int64
}

// documentedRows are the tables of docs/tuning.md.
func documentedRows() []shareRow {
	return []shareRow{
		{100e6, 2e6, 1, 100e6}, {100e6, 2e6, 5, 20e6}, {100e6, 2e6, 10, 10e6}, {100e6, 2e6, 25, 4e6},
		{100e6, 2e6, 50, 2e6}, {100e6, 2e6, 100, 2e6},
		{3e6, 500e3, 1, 3e6}, {3e6, 500e3, 4, 750e3}, {3e6, 500e3, 6, 500e3}, {3e6, 500e3, 9, 500e3},
	}
}

// TestSharesOverLoopback measures the documented table with real sockets, half of the connections of each
// row from one endpoint and half with sockets of their own. A machine that is busy with something else lets
// some send less for a while. So without -long, whose rows want the machine for themselves, the totals are small, and the
// mean over the attempts, the latest of which count most, is to be within a fifth of an even split. More than the total is never
// excused.
func TestSharesOverLoopback(t *testing.T) {
	awaitOthers(t)
	span, attempts := time.Second, 20
	rows := []shareRow{{10e6, 200e3, 10, 1e6}, {5e6, 50e3, 50, 100e3}, {3e6, 500e3, 6, 500e3}}
	if raceDetector { // a packet costs ten times as much, and others test beside us
		rows[0] = shareRow{2.5e6, 50e3, 10, 250e3}
	}
	if *longTables {
		span, attempts = 10*time.Second, 1
		rows = documentedRows()
	}
	for _, c := range rows {
		t.Run(fmt.Sprintf("%d of %d", c.n, c.total), func(t *testing.T) {
			cfg := &ebb.Config{Pool: newPool(t, c.total, c.min)}
			conns := dialHalves(t, sinkFor(t, nil), cfg, c.n)
			keepBusy(t, conns...)
			sendRates(time.Second, conns) // the windows open
			var low, high, sum float64
			mean := make([]float64, c.n)
			share, all, margin := float64(c.share), float64(c.share*int64(c.n)), 0.05
			fair := false
			for i := range attempts {
				var each []float64
				each, sum = sendRates(span, conns)
				for j, rate := range each {
					mean[j] += (rate - mean[j]) / float64(min(i+1, 4))
				}
				low, high = slices.Min(mean), slices.Max(mean)
				t.Logf("%d connections in a pool of %d: share %.0f, measured %.0f to %.0f, sum %.0f", c.n, c.total, share, low, high, sum)
				want := share
				if !*longTables {
					want, margin = sum/float64(c.n), 0.2
				}
				fair = low >= (1-margin)*want && high <= (1+margin)*want && (sum >= 0.97*all || !*longTables)
				if fair || sum > 1.03*all {
					break
				}
			}
			if !fair || sum > 1.03*all {
				t.Errorf("want each within %.0f %% of its share, and the sum within 3 %% of %.0f", 100*margin, all)
			}
			if got := cfg.Pool.Members(); got != c.n {
				t.Errorf("%d members, want %d", got, c.n)
			}
		})
	}
}

// TestReceivingOverLoopback has a listener with a total for receiving, and peers that nothing limits.
func TestReceivingOverLoopback(t *testing.T) {
	const total, n = 4e6, 4
	p := newPool(t, pool.Unlimited, 0)
	if err := p.SetReceiveLimits(total, 0); err != nil {
		t.Fatal(err)
	}
	l := sinkFor(t, &ebb.Config{Pool: p})
	conns := make([]*ebb.Conn, n)
	for i := range conns {
		conns[i] = dial(t, l, &ebb.Config{BandwidthLimit: ebb.Unlimited})
	}
	keepBusy(t, conns...)
	eventually(t, "the peers to send at the total", func() bool {
		each, sum := sendRates(500*time.Millisecond, conns) // headers and probes of the size included
		return slices.Min(each) > 0.95*total/n && slices.Max(each) < 1.05*1.05*total/n && sum < 1.05*1.05*total
	})
}

// dialHalves dials n connections, every other one from a common endpoint.
func dialHalves(t *testing.T, l *ebb.Listener, cfg *ebb.Config, n int) []*ebb.Conn {
	t.Helper()
	shared := endpoint(t, cfg)
	conns := make([]*ebb.Conn, n)
	for i := range conns {
		if i%2 == 0 {
			conns[i] = dial(t, l, cfg)
			continue
		}
		c, err := shared.DialAddr(t.Context(), l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
	}
	return conns
}

// TestMembershipEndsWithTheConnection ends connections in every way there is.
func TestMembershipEndsWithTheConnection(t *testing.T) {
	p := newPool(t, 10e6, 1e6)
	cfg := &ebb.Config{Pool: p}
	members := func(n int) {
		t.Helper()
		eventually(t, "the pool's members to be right", func() bool { return p.Members() == n })
	}
	l := listen(t, cfg)
	for _, end := range []func(c *ebb.Conn) error{
		(*ebb.Conn).Close,
		(*ebb.Conn).Abort,
		func(c *ebb.Conn) error { c.Close(); return c.Close() },
		func(c *ebb.Conn) error { c.Close(); c.Abort(); return c.Abort() },
		func(c *ebb.Conn) error { c.SetLinger(0); return c.Close() },
	} {
		c := dial(t, l, cfg)
		s := accept(t, l)
		members(2)
		end(c)
		s.Close()
		members(0)
	}

	e := endpoint(t, cfg)
	var used []net.Conn // or they would be collected
	for range 3 {
		c, err := e.DialAddr(t.Context(), l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		used = append(used, c, accept(t, l))
	}
	members(6)
	runtime.KeepAlive(used)
	e.Close() // and the peers hear of it
	members(0)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	silent, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := (&ebb.Dialer{Config: cfg}).DialContext(ctx, "udp4", silent.LocalAddr().String()); err == nil {
		t.Error("a dial that nobody answers succeeds")
	}
	members(0)
}

// TestMembershipSurvivesNoPanic has a handler of net/http panic: the connection is closed behind it.
func TestMembershipSurvivesNoPanic(t *testing.T) {
	p := newPool(t, 10e6, 1e6)
	l := listen(t, &ebb.Config{Pool: p})
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	})}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{DialContext: ebb.DialContext}}
	for range 3 {
		if _, err := client.Get("http://" + l.Addr().String()); err == nil {
			t.Error("an answer from a handler that panics")
		}
	}
	eventually(t, "no members", func() bool { return p.Members() == 0 })
	server.Close()
	<-served
	client.CloseIdleConnections()
}

func TestWhatLimits(t *testing.T) {
	p := newPool(t, 1e6, 0)
	l := sinkFor(t, nil)
	inPool := dial(t, l, &ebb.Config{Pool: p})
	ceiling := dial(t, l, &ebb.Config{Pool: p, BandwidthLimit: 100e3})
	plain := dial(t, l, nil)
	if i := inPool.Info(); i.BandwidthLimit != ebb.Unlimited || i.Limits.Pool <= 0 {
		t.Errorf("in a pool: own limit %d, want none; %+v", i.BandwidthLimit, i.Limits)
	}
	if i := plain.Info(); i.BandwidthLimit != ebb.DefaultBandwidthLimit || i.Limits.Pool != ebb.Unlimited {
		t.Errorf("without a pool: own limit %d, want the default; %+v", i.BandwidthLimit, i.Limits)
	}
	if got := plain.Info().LimitedBy; got != ebb.LimitApplication {
		t.Errorf("a silent connection is limited by %q", got)
	}
	keepBusy(t, inPool, ceiling)
	limited := func(c *ebb.Conn, by ebb.Limit, rate int64) {
		t.Helper()
		eventually(t, "the limit to be "+by.String(), func() bool { i := c.Info(); return i.LimitedBy == by && i.Rate == rate })
	}
	limited(ceiling, ebb.LimitOwn, 100e3)
	eventually(t, "the other to have what the ceiling leaves", func() bool {
		i := inPool.Info()
		return i.LimitedBy == ebb.LimitPool && i.Rate > 850e3 && i.Rate < 950e3
	})
	if err := inPool.SetBandwidthLimit(50e3); err != nil {
		t.Fatal(err)
	}
	limited(inPool, ebb.LimitOwn, 50e3)
	if err := inPool.SetBandwidthLimit(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pool to limit again", func() bool { return inPool.Info().LimitedBy == ebb.LimitPool })
	if err := p.SetLimits(150e3, 0); err != nil {
		t.Fatal(err)
	}
	limited(ceiling, "pool", 75e3)
	limited(inPool, "pool", 75e3)
}

func TestTheSocketLimits(t *testing.T) {
	e, full := fillable(t, nil)
	defer e.Close()
	c, err := e.DialAddr(t.Context(), sinkFor(t, nil).Addr())
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	keepBusy(t, c)
	eventually(t, "the socket to be what limits", func() bool { return c.Info().LimitedBy == ebb.LimitSocket })
	full.Store(false)
	eventually(t, "it not to be any more", func() bool { return c.Info().LimitedBy != ebb.LimitSocket })
}

// TestEndpointsShareAPool has two endpoints that began at different times, with a connection each, in one pool, over
// a simulated network: ten seconds are exact.
func TestEndpointsShareAPool(t *testing.T) {
	const total = 1_000_000
	inBubble(t, delayed, delayed, func(b *bubble) {
		p := newPool(b.T, total, 0)
		l := serves(b.T, b.endpoint(b.server, serverPort, nil))
		var conns []*ebb.Conn
		for i := range 2 {
			c, err := b.endpoint(b.client, clientPort+uint16(i), &ebb.Config{Pool: p}).DialAddr(b.Context(), serverAddr)
			if err != nil {
				b.Fatal(err)
			}
			s := accept(b.T, l)
			go io.Copy(io.Discard, s) // ends with the connection
			conns = append(conns, c)
			<-time.After(time.Hour)
		}
		keepBusy(b.T, conns...)
		sendRates(time.Second, conns)
		each, sum := sendRates(10*time.Second, conns)
		if slices.Min(each) < 0.95*total/2 || slices.Max(each) > 1.05*total/2 || sum < 0.97*total || sum > 1.03*total {
			b.Errorf("two share %d as %.0f", total, each)
		}
		if p.Members() != 2 {
			b.Errorf("%d members", p.Members())
		}
	})
}

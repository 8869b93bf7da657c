package ebb_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
)

// noise is n bytes that differ by seed.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	rand.NewChaCha8(key).Read(b)
	return b
}

var fast = &ebb.Config{BandwidthLimit: ebb.Unlimited}

func TestReadFromAndWriteTo(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, fast)
	sent := noise(1, 5<<20+7)
	var got bytes.Buffer
	var group sync.WaitGroup
	group.Go(func() {
		if n, err := io.Copy(&got, struct{ io.Reader }{b}); n != int64(len(sent)) || err != nil {
			t.Errorf("Copy = %d, %v", n, err)
		}
	})
	if n, err := a.ReadFrom(bytes.NewReader(sent)); n != int64(len(sent)) || err != nil {
		t.Errorf("ReadFrom = %d, %v", n, err)
	}
	a.CloseWrite()
	group.Wait()
	if !bytes.Equal(got.Bytes(), sent) {
		t.Error("ReadFrom sent something else")
	}

	got.Reset()
	group.Go(func() { b.Write(sent); b.CloseWrite() })
	if n, err := a.WriteTo(&got); n != int64(len(sent)) || err != nil || !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("WriteTo = %d, %v", n, err)
	}
	group.Wait()

	c, d := pair(t, nil)
	if n, err := c.ReadFrom(io.MultiReader(strings.NewReader("part"), failing{})); n != 4 || err != errFailing {
		t.Errorf("ReadFrom a reader that fails = %d, %v", n, err)
	}
	if n, err := d.WriteTo(failing{}); n != 0 || err != errFailing {
		t.Errorf("WriteTo a writer that fails = %d, %v", n, err)
	}
}

type failing struct{}

var errFailing = fmt.Errorf("it fails")

func (failing) Read([]byte) (int, error)  { return 0, errFailing }
func (failing) Write([]byte) (int, error) { return 0, errFailing }

// TestBothDirectionsAtOnce moves different bytes each way, written and read in
// odd pieces.
func TestBothDirectionsAtOnce(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, fast)
	var group sync.WaitGroup
	move := func(from, to *ebb.Conn, seed uint64) {
		sent := noise(seed, 3<<20)
		group.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1))
			for rest := sent; len(rest) > 0; {
				n := min(1+r.IntN(40_000), len(rest))
				if _, err := from.Write(rest[:n]); err != nil {
					t.Error(err)
					return
				}
				rest = rest[n:]
			}
			from.CloseWrite()
		})
		group.Go(func() {
			r := rand.New(rand.NewPCG(seed, 2))
			var got []byte
			buf := make([]byte, 50_000)
			for {
				n, err := to.Read(buf[:1+r.IntN(len(buf)-1)])
				got = append(got, buf[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
			if !bytes.Equal(got, sent) {
				t.Errorf("%d bytes of %d arrived, or others", len(got), len(sent))
			}
		})
	}
	move(a, b, 10)
	move(b, a, 20)
	group.Wait()
}

// TestBothSidesMayWriteFirst: 1 MiB each way, written before either side reads, as over TCP.
func TestBothSidesMayWriteFirst(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, nil)
	deadline := time.Now().Add(20 * time.Second)
	var group sync.WaitGroup
	for i, c := range []*ebb.Conn{a, b} {
		c.SetDeadline(deadline)
		mine, theirs := noise(uint64(i), 1<<20), noise(uint64(1-i), 1<<20)
		group.Go(func() {
			if n, err := c.Write(mine); err != nil {
				t.Errorf("wrote %d bytes of %d: %v", n, len(mine), err)
				return
			}
			got := make([]byte, len(theirs))
			if n, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, theirs) {
				t.Errorf("read %d bytes of %d, or others: %v", n, len(theirs), err)
			}
		})
	}
	group.Wait()
}

// TestHTTP is net/http with nothing changed but where connections come from:
// 1,000 requests, 64 at a time, bodies up to 8 MiB, and nothing left behind.
func TestHTTP(t *testing.T) {
	if testing.Short() {
		t.Skip("moves some hundred megabytes")
	}
	leavesNothing(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	serveHTTP(t)
	runtime.GC()
	runtime.GC() // the pools let go at the second
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

func serveHTTP(t *testing.T) {
	l := listen(t, fast)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		if err != nil {
			t.Errorf("server: %v", err)
		}
		w.Header().Set("Sum", fmt.Sprintf("%x", h.Sum(nil)))
		io.CopyN(w, bytes.NewReader(noise(uint64(n%1000), int(n))), n)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	transport := &http.Transport{DialContext: (&ebb.Dialer{Config: inMode(fast)}).DialContext, MaxIdleConnsPerHost: 64}
	client := &http.Client{Transport: transport}
	var group sync.WaitGroup
	requests := make(chan int)
	for range 64 {
		group.Go(func() {
			for i := range requests {
				roundTrip(t, client, l.Addr().String(), bodySize(i))
			}
		})
	}
	for i := range 1000 {
		requests <- i
	}
	close(requests)
	group.Wait()
	transport.CloseIdleConnections()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != http.ErrServerClosed {
		t.Errorf("Serve = %v", err)
	}
	if err := drain(t); err != nil {
		t.Logf("Drain: %v", err) // the server cut idle connections
	}
}

// bodySize spreads sizes from nothing to 8 MiB, most of them small.
func bodySize(i int) int {
	switch {
	case i%250 == 0:
		return 8 << 20
	case i%50 == 0:
		return 1<<20 + i
	}
	return i * 37 % 60_000
}

func roundTrip(t *testing.T, client *http.Client, host string, size int) {
	body := noise(uint64(size%1000), size)
	resp, err := client.Post("http://"+host, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		t.Errorf("%d bytes: %v", size, err)
		return
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes: %d came back, %v", size, len(got), err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(body)); resp.Header.Get("Sum") != want {
		t.Errorf("%d bytes: the server had others", size)
	}
}

// TestALargeReadLeavesTheRest: a Read takes 256 KiB at most however much there is, so that it does not keep the
// socket's reader from the connection for longer, and the next one goes on where it ended.
func TestALargeReadLeavesTheRest(t *testing.T) {
	const most = 256 << 10
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(fast, fast)
		sent := noise(1, 8<<20)
		go func() { c.Write(sent); c.CloseWrite() }()
		got := make([]byte, 0, len(sent)+1)
		read := func(room int) int {
			n, err := s.Read(got[len(got):min(len(got)+room, cap(got))])
			if err != nil {
				b.Fatalf("after %d bytes: %v", len(got), err)
			}
			got = got[:len(got)+n]
			return n
		}
		for s.Info().ReceiveWindow < 4*most { // it grows with what is read
			read(16 << 10)
		}
		time.Sleep(time.Second)
		if ready := s.Info().ReceiveBuffered; ready < 2*most {
			b.Fatalf("%d bytes are there, want at least %d", ready, 2*most)
		}
		if n := read(2 * most); n != most {
			b.Errorf("a Read into %d bytes took %d, want %d", 2*most, n, most)
		}
		for len(got) < len(sent) {
			read(2 * most)
		}
		if !bytes.Equal(got, sent) {
			b.Error("something else was read than was written")
		}
	})
}

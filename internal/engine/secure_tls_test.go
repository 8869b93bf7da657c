package engine_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/internal/protect"
	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/peerid"
	"example.com/ebb/wire"
)

// overTLS has both sides of a duo make TLS handshakes, on the test's goroutine.
func (d *duo) overTLS(client, server *tls.Config) {
	d.t.Helper()
	clientTLS, err1 := tlsdriver.ClientConfig(client, "192.0.2.2")
	serverTLS, err2 := tlsdriver.ServerConfig(server)
	if err := errors.Join(err1, err2); err != nil {
		d.t.Fatal(err)
	}
	d.params = func(client bool, p *engine.Params) {
		player, config := d.server, serverTLS
		if client {
			player, config = d.client, clientTLS
		}
		p.Handshake = func(ours []byte) protect.Handshake {
			s := tlsdriver.NewSession(tlsdriver.New(context.Background(), tlsdriver.Params{Client: client, TLS: config, Transport: ours}))
			d.t.Cleanup(s.Close)
			player.shake = s
			return s
		}
	}
}

// TestSecureTLS: real handshakes, with a ClientHello of two packets, over good networks and bad ones; the second is resumed by the
// ticket of the first.
func TestSecureTLS(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			clientKey, serverKey := peerid.NewKey(), peerid.NewKey()
			client, server := peerid.Client(clientKey, peerid.IDOf(serverKey)), peerid.Server(serverKey)
			for i := range 2 {
				d := newDuo(t, seed)
				if seed > 0 {
					d.rough()
				}
				d.overTLS(client, server)
				d.exchange(100<<10, 10*time.Minute)
				for p, want := range map[*player]peerid.ID{d.client: peerid.IDOf(serverKey), d.server: peerid.IDOf(clientKey)} {
					state, ok := p.shake.(*tlsdriver.Session).State()
					if id, err := peerid.Of(state); !ok || id != want || err != nil || state.DidResume != (i > 0) {
						t.Errorf("connection %d: %v, %v, want %v; resumed %v", i, id, err, want, state.DidResume)
					}
				}
			}
		})
	}
}

// TestSecureWrongPeer: somebody else answers. The dial ends with what crypto/tls says of it, and the other with the alert.
func TestSecureWrongPeer(t *testing.T) {
	d := newDuo(t, 1)
	d.overTLS(peerid.Client(peerid.NewKey(), peerid.IDOf(peerid.NewKey())), peerid.Server(peerid.NewKey()))
	if !d.run(5*time.Second, func() bool { return d.server.Conn != nil && d.client.Done() && d.server.Done() }) {
		t.Fatal("it goes on")
	}
	ours, ok := errors.AsType[*engine.Error](d.client.Err())
	if !ok || ours.Kind != engine.KindTLS {
		t.Fatalf("the client has %v", d.client.Err())
	}
	if _, ok := errors.AsType[*peerid.WrongPeerError](ours.Cause); !ok {
		t.Errorf("the cause is %v", ours.Cause)
	}
	if e, ok := errors.AsType[*engine.Error](d.server.Err()); !ok || e.Code != wire.CodeAlert+42 {
		t.Errorf("the server has %v", d.server.Err())
	}
}

// secureTwins are twins with a scripted handshake.
func secureTwins(t testing.TB, suite protect.Suite) *twins {
	return scriptedTwins(suite, func(*engine.Params) {}).connect(t)
}

// scriptedTwins are twins that are to make a scripted handshake, each from what change has made of its parameters.
func scriptedTwins(suite protect.Suite, change func(*engine.Params)) *twins {
	return makeTwins(1<<20, func(p *engine.Params) {
		s := scripted.Script{Client: p.Client, Suite: suite}
		p.Handshake = func(ours []byte) protect.Handshake { return scripted.New(s, ours) }
		change(p)
	})
}

// TestSecureNoAllocation: neither do protected ones.
func TestSecureNoAllocation(t *testing.T) { checkAllocations(t, secureTwins(t, protect.AES128GCM)) }

// TestSecureMemory: what protection adds to two connections that are idle, TLS apart: four AEADs and four ciphers for headers,
// which take 5 KiB, and what surrounds them. The keys that come next are not among them.
func TestSecureMemory(t *testing.T) {
	const pairs = 200
	size := func(make func() *twins) int {
		var all [pairs]*twins
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range all {
			all[i] = make()
			all[i].buf, all[i].bytes = nil, nil
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(&all)
		return (int(after.HeapAlloc) - int(before.HeapAlloc)) / pairs
	}
	plain := size(func() *twins { return newTwins(t, 64<<10) })
	secure := size(func() *twins { return secureTwins(t, protect.AES128GCM) })
	t.Logf("a pair takes %d bytes, a protected one %d", plain, secure)
	if more := secure - plain; more > 10<<10 {
		t.Errorf("protection takes %d bytes a pair", more)
	}
}

func BenchmarkSecureBulk(b *testing.B) {
	for _, s := range []protect.Suite{protect.AES128GCM, protect.AES256GCM, protect.ChaCha20Poly1305} {
		b.Run(s.String(), func(b *testing.B) { bulk(b, secureTwins(b, s)) })
	}
}

func BenchmarkSecurePingPong(b *testing.B) { pingPong(b, secureTwins(b, protect.AES128GCM)) }

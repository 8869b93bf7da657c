package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// retryOf is a RETRY that answers an INITIAL.
func retryOf(h wire.Header, cookie string) []byte {
	b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Retry, Version: wire.Version, Dst: h.Src, Src: h.Dst}))
	b = wire.Must(wire.AppendCookie(b, []byte(cookie)))
	return wire.AppendTrailer(b, 0, wire.Seed(wire.Version, h.Src, h.Dst))
}

// load makes a server ask for cookies: a stranger holds it half-open.
func (w *world) load() {
	w.server.SetBounds(endpoint.Bounds{RetryAfter: 1})
	stranger := w.NewStation("10.0.0.3:3000", fixedFactory(1<<16))
	w.Join(stranger, w.server, simnet.LinkConfig{}, simnet.LinkConfig{Loss: 1})
	stranger.Dial(w.server)
	w.Run(time.Millisecond)
}

// TestForgedRetryKillsNoDial: somebody sees our INITIALs and answers the first ones before the server can. The dial goes on
// whether the server asks for cookies or not, and whether it has got the first INITIAL or not.
// Of docs/wire.md: [W76] [W81].
func TestForgedRetryKillsNoDial(t *testing.T) {
	for _, loaded := range []bool{false, true} {
		for _, lost := range []bool{false, true} {
			for forged := range engine.MaxRetries {
				w := newWorld(t, 1, path(0, rtt), path(0, rtt))
				if loaded {
					w.load()
				}
				w.up.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Drop: func(n int, b []byte) bool {
					h, _, err := wire.ParseHeader(b)
					if err == nil && h.Type == wire.Initial && n < forged {
						forgery := retryOf(h, fmt.Sprint("forged ", n))
						w.After(0, func() { w.client.Inject(w.server.Addr, forgery) })
					}
					return lost && n == 0
				}})
				start := w.Now()
				c, _ := w.connect()
				took, most := w.Now()-start, 2*rtt+time.Second*b2i(lost && forged == 0)
				if loaded {
					most += rtt
				}
				if took > most {
					t.Errorf("%d forged, first lost %v, asked for cookies %v: the handshake took %v", forged, lost, loaded, took)
				}
				if n := c.Conn.Info().Stats.Retries; n < uint64(forged) {
					t.Errorf("%d RETRYs were followed, of %d forged", n, forged)
				}
			}
		}
	}
}

func b2i(b bool) time.Duration {
	if b {
		return 1
	}
	return 0
}

// TestRetriesAreBounded: a RETRY for each INITIAL, each with another cookie, costs a bounded number of INITIALs, and
// copies of one cost none.
// Of docs/wire.md: [W75].
func TestRetriesAreBounded(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	forged := 0
	w.up.SetConfig(0, simnet.LinkConfig{Drop: func(n int, b []byte) bool {
		if h, _, err := wire.ParseHeader(b); err == nil && h.Type == wire.Initial {
			forged++
			for range 3 {
				forgery := retryOf(h, fmt.Sprint(n))
				w.After(0, func() { w.client.Inject(w.server.Addr, forgery) })
			}
		}
		return true
	}})
	c := w.client.Dial(w.server)
	if w.Run(500 * time.Millisecond); forged != 1+engine.MaxRetries {
		t.Errorf("%d INITIALs, want %d", forged, 1+engine.MaxRetries)
	}
	if st := c.Conn.Info().Stats; st.Retries != engine.MaxRetries {
		t.Errorf("%+v", st)
	}
	if w.Run(time.Minute); kindOf(c.Conn.Err()) != engine.KindHandshakeTimeout {
		t.Errorf("error %v", c.Conn.Err())
	}
}

// TestServerRepeatsTheCookie: the server's parameters have the cookie of the INITIAL that has opened the connection, whether it was
// asked for or not, and the client's INITIALs have the newest.
// Of docs/wire.md: [W73] [W82].
func TestServerRepeatsTheCookie(t *testing.T) {
	for _, loaded := range []bool{false, true} {
		var down talk
		w := newWorld(t, 1, path(0, rtt), path(0, rtt))
		if loaded {
			w.load()
		}
		w.down.SetConfig(w.Now(), down.link())
		var cookies []string
		w.up.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Drop: func(n int, b []byte) bool {
			h, _, err := wire.ParseHeader(b)
			if err == nil && h.Type == wire.Initial {
				cookies = append(cookies, fmt.Sprintf("%x", h.Cookie))
			}
			if !loaded && n == 0 {
				w.After(0, func() { w.client.Inject(w.server.Addr, retryOf(h, "forged")) })
				return true
			}
			return false
		}})
		w.connect()
		last := cookies[len(cookies)-1]
		if said := down.frames("initial-window=65536"); said != 1 || len(cookies) != 2 || cookies[0] != "" || last == "" {
			t.Fatalf("%d ACCEPTs, cookies %q: %v", said, cookies, down.said)
		}
		for line := range down.said {
			if strings.HasPrefix(line, "initial-window") && !strings.HasSuffix(line, " cookie="+last) {
				t.Errorf("asked for cookies %v: the server says %q, want cookie %s", loaded, line, last)
			}
		}
	}
}

// TestOldCookieIsRenewed: an INITIAL that is repeated when its cookie has grown old is answered by another RETRY, and the
// dial goes on with that.
// Of docs/wire.md: [W80].
func TestOldCookieIsRenewed(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.server.Adjust = func(p *engine.Params) { p.HandshakeTimeout = time.Minute } // the stranger stays half-open
	w.client.Adjust = w.server.Adjust
	w.load()
	until := w.Now() + 12*time.Second
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Drop: func(_ int, b []byte) bool {
		h, _, err := wire.ParseHeader(b)
		return err == nil && len(h.Cookie) > 0 && w.Now() < until
	}})
	c := w.client.Dial(w.server)
	if !w.RunUntil(30*time.Second, c.Conn.Established) {
		t.Fatalf("%v: %+v", c.Conn.Err(), w.server.Endpoint().Counters())
	}
	if n := w.server.Endpoint().Counters().BadCookies; n != 1 {
		t.Errorf("%d old cookies", n)
	}
	if n := c.Conn.Info().Stats.Retries; n != 2 {
		t.Errorf("%d RETRYs were followed", n)
	}
}

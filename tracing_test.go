package ebb_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/qlogcheck"
	"example.com/ebb/trace"
)

// exchangeWith dials what listens with a Config, has 300 KB echoed and closes both ends.
func exchangeWith(t *testing.T, listen, dial *ebb.Config) {
	t.Helper()
	l, err := (&ebb.ListenConfig{Config: listen}).Listen(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		s, err := l.Accept()
		if err != nil {
			return
		}
		io.Copy(s, s)
		s.Close()
	})
	c, err := (&ebb.Dialer{Config: dial}).Dial("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	group.Go(func() {
		c.Write(make([]byte, 300_000))
		c.(interface{ CloseWrite() error }).CloseWrite()
	})
	if n, err := io.Copy(io.Discard, c); n != 300_000 || err != nil {
		t.Errorf("%d bytes came back, then %v", n, err)
	}
	c.Close()
	group.Wait()
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := ebb.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestQLOGDIR: with the variable set, both ends of a connection have a file each when Drain returns, plain and protected, that the published
// schema admits; and an application that has a Tracer has none.
func TestQLOGDIR(t *testing.T) {
	tracer := func(trace.Conn) trace.Tracer { return nil }
	client, server := secured(t)
	for name, cfgs := range map[string][2]*ebb.Config{
		"plain":     {{}, {}},
		"protected": {{TLS: server}, {TLS: client}},
		"own":       {{Tracer: tracer}, {}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "traces")
			t.Setenv("QLOGDIR", dir+"/")
			exchangeWith(t, cfgs[0], cfgs[1])
			all, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			roles := map[string]string{}
			for _, f := range all {
				b, err := os.ReadFile(filepath.Join(dir, f.Name()))
				if err != nil {
					t.Fatal(err)
				}
				id, role, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".sqlog"), "_")
				roles[role] = id
				counts, err := qlogcheck.File(b, false)
				if err != nil {
					t.Errorf("%s: %v", f.Name(), err)
				}
				for _, e := range []string{"quic:connection_started", "quic:recovery_metrics_updated", "quic:congestion_state_updated"} {
					if counts[e] == 0 {
						t.Errorf("%s has no %s: %v", f.Name(), e, counts)
					}
				}
				if keys := counts["quic:key_updated"]; (keys > 0) != (name == "protected") {
					t.Errorf("%s has %d keys", f.Name(), keys)
				}
			}
			if _, server := roles["server"]; server != (name != "own") {
				t.Errorf("there are %v", all)
			}
			if id := roles["client"]; id == "" || name != "own" && id != roles["server"] {
				t.Errorf("the two ends have other names: %v", all)
			}
		})
	}
}

// TestTracer: the application's own is told of both ends, of all that happens to each, and of the end last.
func TestTracer(t *testing.T) {
	var mu sync.Mutex
	conns := map[bool]trace.Conn{}
	kinds := map[bool][]trace.Kind{}
	begin := func(c trace.Conn) trace.Tracer {
		mu.Lock()
		conns[c.Dialled] = c
		mu.Unlock()
		return func(e *trace.Event) {
			mu.Lock()
			defer mu.Unlock()
			kinds[c.Dialled] = append(kinds[c.Dialled], e.Kind)
		}
	}
	exchangeWith(t, &ebb.Config{Tracer: begin}, &ebb.Config{Tracer: begin})
	ended := func(dialled bool) bool {
		mu.Lock()
		defer mu.Unlock()
		all := kinds[dialled]
		return len(all) > 0 && all[len(all)-1] == trace.Closed
	}
	eventually(t, "both connections have ended", func() bool { return ended(true) && ended(false) })
	c, s := conns[true], conns[false]
	if c.Original != s.Original || c.ID != s.Peer || c.Local.Port() != s.Remote.Port() || time.Since(c.Wall) > time.Minute {
		t.Errorf("the client was told of %+v, the server of %+v", c, s)
	}
}

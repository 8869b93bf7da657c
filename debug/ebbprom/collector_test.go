package ebbprom

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"example.com/ebb"
	"example.com/ebb/pool"
)

// connected makes n connections over loopback, and has a pool with a name.
func connected(t *testing.T, n int) {
	t.Helper()
	pool.Named("bulk")
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := ln.(*ebb.Listener)
	t.Cleanup(func() { l.Close() })
	for range n {
		c, err := l.Endpoint().Dial("udp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(); s.Close() })
	}
}

// TestTheLinterHasNothingToSay: names, units, help and types are as Prometheus wants them, and the registry takes all of it.
func TestTheLinterHasNothingToSay(t *testing.T) {
	connected(t, 2)
	problems, err := testutil.CollectAndLint(NewCollector())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestSeriesDoNotGrowWithConnections: and counters are those of the process.
func TestSeriesDoNotGrowWithConnections(t *testing.T) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(20 * time.Second); ebb.Totals().Ended < ebb.Totals().Accepted+ebb.Totals().Dialled; <-tick.C {
		if time.Now().After(limit) {
			t.Fatal("connections of other tests do not end")
		}
	}
	connected(t, 1)
	c := NewCollector()
	few := testutil.CollectAndCount(c)
	before := ebb.Totals()
	connected(t, 30)
	if many := testutil.CollectAndCount(c); many != few || few < 30 {
		t.Errorf("%d series with a connection, %d with 31", few, many)
	}
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	for _, want := range []string{
		"# TYPE ebb_sent_bytes_total counter", "# TYPE ebb_connections gauge", `ebb_connections{state="established"} 62`,
		`ebb_pool_limit_bytes_per_second{pool="bulk"} +Inf`, `ebb_limit_used{manager="default",resource="connections"} 62`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if got := ebb.Totals().Accepted - before.Accepted; got != 30 {
		t.Errorf("%d were accepted", got)
	}
	if strings.Contains(text, "127.0.0.1") {
		t.Error("an address is a label")
	}
}

// TestEveryMetricIsDocumented: under its name, on the page that says so.
func TestEveryMetricIsDocumented(t *testing.T) {
	connected(t, 1)
	page, err := os.ReadFile("../../docs/watching.md")
	if err != nil {
		t.Fatal(err)
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(NewCollector())
	families, err := r.Gather()
	if err != nil || len(families) < 20 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	for _, f := range families {
		if !strings.Contains(string(page), "`"+f.GetName()+"`") {
			t.Errorf("docs/watching.md does not have `%s`", f.GetName())
		}
	}
}

package debug

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// nasty is what a peer would like a browser or a terminal to do.
const nasty = `</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>`

// madeUp is a snapshot of a process with n connections, in which every text that could be a peer's is nasty.
func madeUp(n int, seconds float64) Snapshot {
	s := Snapshot{
		Version: Version, Program: "gateway", PID: 4711, Time: time.Unix(1_790_000_000, 0).UTC(), UptimeSeconds: 7000 + seconds, ConnectionsTotal: n + 5,
		Endpoints: []Endpoint{{Local: "192.0.2.1:443", Listening: true, Connections: n, Sockets: 1, SocketModes: []string{"batch", "gso", "gro", "ecn"}, Overflows: 3}},
		Pools:     []Pool{{Name: "default", Members: n, Throttled: n / 3, TotalBytesPerSecond: 100e6, MinimumBytesPerSecond: 1e6, RateBytesPerSecond: 1e6, ReceiveTotalBytesPerSecond: -1}},
		Limits: []Limits{{Manager: "default", Scopes: []Scope{{Level: "process", Scope: "process", Books: []Book{
			{Resource: "connections", Used: int64(n), Peak: int64(n), Limit: 4096}, {Resource: "memory", Used: 80 << 20, Peak: 90 << 20, Limit: 256 << 20, Refused: 2},
		}}, {Level: "peer", Scope: nasty, Books: []Book{{Resource: "connections", Used: 7, Peak: 8, Limit: 8, Refused: 40}}}}}},
	}
	by := []string{"application", "receiver window", "congestion window", "pacer", "pool", "own limit", "socket", "peer silent"}
	for i := range n {
		sent := uint64(float64(i%97) * 20_000 * seconds)
		s.Totals.BytesSent += sent
		s.Totals.PacketsSent += sent / 1400
		s.Totals.PacketsLost += sent / 1400 / 300
		s.Connections = append(s.Connections, Connection{
			ID: fmt.Sprintf("%016x", i*7919+1), Local: "192.0.2.1:443", Remote: fmt.Sprintf("198.51.%d.%d:%d", i/250, i%250, 20000+i),
			Protected: i%2 == 0, State: "established", LimitedBy: by[i%7*i%8], CongestionControl: "adaptive", CongestionState: nasty,
			SmoothedRTTSeconds: .02 + float64(i%50)/1000, MinRTTSeconds: .02, QueueDelaySeconds: float64(i%50) / 1000,
			BytesSent: sent, BytesReceived: sent / 30, PacketsSent: sent / 1400, PacketsLost: sent / 1400 / 300, CongestionWindowBytes: 100_000 + i, InFlightBytes: 50_000,
			LimitRates: LimitRates{-1, 5e6, -1, 1e6, 10e6}, PacketSizeBytes: 1472,
		})
	}
	if n > 0 {
		s.Connections[0].Error = nasty
		s.Connections[0].Remote = "203.0.113.9:1"
	}
	return s
}

// serving is a handler over snapshots of the test's own.
func serving(read func() Snapshot) *handler {
	h := Handler(&Config{Hosts: []string{"gateway.example"}}).(*handler)
	if read != nil {
		h.read = read
	}
	return h
}

// ask makes a request of a handler.
func ask(h http.Handler, method, url string, header ...string) *http.Response {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// TestWhoIsServed: GET and HEAD alone, by an address or a name that is ours, and no other site's page.
func TestWhoIsServed(t *testing.T) {
	h := serving(func() Snapshot { return madeUp(1, 1) })
	for _, tt := range []struct {
		method, url string
		header      []string
		status      int
	}{
		{"GET", "http://127.0.0.1:8080/", nil, 200},
		{"HEAD", "http://127.0.0.1:8080/", nil, 200},
		{"GET", "http://127.0.0.1:8080/debug/ebb/ebb.json", nil, 200},
		{"GET", "http://[::1]:8080/debug/ebb/", nil, 200},
		{"GET", "http://[fe80::1%25eth0]:8080/", nil, 200},
		{"GET", "http://localhost/", nil, 200},
		{"GET", "http://LOCALHOST.:80/", nil, 200},
		{"GET", "http://ebb.localhost:1/", nil, 200},
		{"GET", "http://Gateway.Example:8080/", nil, 200},
		{"GET", "http://attacker.example/", nil, 421},
		{"GET", "http://attacker.example/ebb.json", nil, 421},
		{"GET", "http://127.0.0.1.attacker.example/ebb.json", nil, 421},
		{"GET", "http://localhost.attacker.example/ebb.json", nil, 421},
		{"GET", "http://127.0.0.1/ebb.json", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"GET", "http://127.0.0.1/ebb.json", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"GET", "http://127.0.0.1/ebb.json", []string{"Sec-Fetch-Site", "none"}, 200},
		{"GET", "http://127.0.0.1/", []string{"Sec-Fetch-Site", "cross-site"}, 200}, // a link to it
		{"POST", "http://127.0.0.1/", nil, 405},
		{"PUT", "http://127.0.0.1/ebb.json", nil, 405},
		{"DELETE", "http://127.0.0.1/", nil, 405},
		{"OPTIONS", "http://127.0.0.1/ebb.json", nil, 405},
		{"GET", "http://127.0.0.1/other", nil, 404},
		{"GET", "http://127.0.0.1/ebb.json/x", nil, 404},
	} {
		got := ask(h, tt.method, tt.url, tt.header...)
		if got.StatusCode != tt.status {
			t.Errorf("%s %s %v: status %d, want %d", tt.method, tt.url, tt.header, got.StatusCode, tt.status)
		}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Cache-Control", "Cross-Origin-Resource-Policy"} {
			if got.Header.Get(name) == "" {
				t.Errorf("%s %s has no %s", tt.method, tt.url, name)
			}
		}
		if got.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s lets others read", tt.method, tt.url)
		}
	}
}

// TestThePageIsOneFile: nothing of it comes from elsewhere, and its policy admits nothing else.
func TestThePageIsOneFile(t *testing.T) {
	got := ask(serving(nil), "GET", "http://127.0.0.1/debug/ebb/")
	body, err := io.ReadAll(got.Body)
	if err != nil || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || !bytes.Equal(body, page) {
		t.Fatalf("%d bytes of %s, %v", len(body), got.Header.Get("Content-Type"), err)
	}
	policy := got.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	for _, bad := range []string{"unsafe", "*", "http"} {
		if strings.Contains(policy, bad) {
			t.Errorf("the policy has %q: %s", bad, policy)
		}
	}
	text := strings.ReplaceAll(string(page), "http://www.w3.org/2000/svg", "") // the name of a namespace
	for _, bad := range []string{"http:", "https:", "//cdn", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", " onclick="} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, element := range []string{"script", "style"} {
		if n := strings.Count(text, "<"+element); n != 1 {
			t.Errorf("the page has %d elements %s, want the one whose hash is in the policy", n, element)
		}
	}
}

// TestWordsOfAPeerAreNoMarkup: in the JSON there is nothing that a browser would take for an element, whatever it takes the JSON for.
func TestWordsOfAPeerAreNoMarkup(t *testing.T) {
	got := ask(serving(func() Snapshot { return madeUp(2, 1) }), "GET", "http://127.0.0.1/ebb.json")
	body, err := io.ReadAll(got.Body)
	if err != nil || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the type is %s, error %v", got.Header.Get("Content-Type"), err)
	}
	if bytes.ContainsAny(body, "<>") {
		t.Error("the JSON has markup")
	}
	var s Snapshot
	if err := json.Unmarshal(body, &s); err != nil || s.Connections[0].Error != nasty {
		t.Errorf("the error comes back as %q, %v", s.Connections[0].Error, err)
	}
}

// TestManyViewersAreOne: a snapshot is made at most four times a second, and is never older than that.
func TestManyViewersAreOne(t *testing.T) {
	reads := 0
	h := serving(func() Snapshot { reads++; return madeUp(reads, 1) })
	now := time.Now()
	h.now = func() time.Time { return now }
	for range 50 {
		ask(h, "GET", "http://127.0.0.1/ebb.json")
	}
	if reads != 1 {
		t.Errorf("50 requests at once made %d snapshots", reads)
	}
	now = now.Add(freshness)
	ask(h, "HEAD", "http://127.0.0.1/ebb.json")
	if reads != 2 {
		t.Errorf("%d snapshots after %v", reads, freshness)
	}
}

// TestAUnixSocketNeedsNoName: who connects to one is no page of another site, whatever Host says.
func TestAUnixSocketNeedsNoName(t *testing.T) {
	path := t.TempDir() + "/s"
	ln, err := Listen(unixPrefix + path)
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: serving(nil)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	got, err := client.Get("http://ebb/ebb.json")
	if err != nil {
		t.Fatal(err)
	}
	var s Snapshot
	if err := json.NewDecoder(got.Body).Decode(&s); err != nil || s.Version != Version || got.StatusCode != 200 {
		t.Errorf("status %d, version %d, %v", got.StatusCode, s.Version, err)
	}
	got.Body.Close()
	client.CloseIdleConnections()
	server.Close()
	if err := <-done; err != http.ErrServerClosed {
		t.Error(err)
	}
}

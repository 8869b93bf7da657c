package debug

import (
	"encoding/json"
	"expvar"
	"flag"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

var update = flag.Bool("update", false, "write testdata/names.txt")

// connected makes n connections between two endpoints, with a pool and a manager of their own.
func connected(t testing.TB, n int) (*ebb.Endpoint, *ebb.Config) {
	t.Helper()
	m, err := limits.New(limits.Config{
		Process: limits.Limits{Inbound: n + 1, Outbound: n + 1, HalfOpen: n + 1}, Peer: limits.Limits{Connections: -1, Handshakes: -1, HalfOpen: -1},
		Network: limits.Limits{Connections: -1, Handshakes: -1, HalfOpen: -1}, Endpoint: limits.Limits{Connections: -1, Inbound: -1, Outbound: -1, HalfOpen: -1, Handshakes: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New(1<<30, 0)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ebb.Config{Pool: p, Limits: m, Backlog: n + 1}
	ends := make([]*ebb.Endpoint, 2)
	for i := range ends {
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if ends[i], err = ebb.NewEndpoint(pc, cfg); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ends[i].Close() })
	}
	l, err := ends[1].Listen()
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		c, err := ends[0].DialAddr(t.Context(), ends[1].Addr())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.AcceptConn()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Abort(); s.Abort() })
	}
	return ends[1], cfg
}

// TestReadIsWhatTheProcessHas: connections with what Info says, endpoints, the pool and the books that they use.
func TestReadIsWhatTheProcessHas(t *testing.T) {
	server, cfg := connected(t, 3)
	named := pool.Named("a test's")
	s := Read(&Config{Program: "tested", Pools: map[string]*pool.Pool{"mine": cfg.Pool}})
	if s.Program != "tested" || s.PID != os.Getpid() || s.Version != 1 || s.UptimeSeconds <= 0 || time.Since(s.Time) > time.Minute {
		t.Errorf("the snapshot is of %q, %d, version %d, %v, %v s", s.Program, s.PID, s.Version, s.Time, s.UptimeSeconds)
	}
	at := server.Addr().String()
	n := 0
	for _, c := range s.Connections {
		if c.Local == at {
			n++
			if c.Dialled || c.State != "established" || len(c.ID) != 16 || c.PacketsSent == 0 || c.PacketSizeBytes < 1200 || c.LimitedBy == "" || c.CongestionControl != "adaptive" || c.LimitRates.Own != -1 {
				t.Errorf("a connection is %+v", c)
			}
		}
	}
	e := slices.IndexFunc(s.Endpoints, func(e Endpoint) bool { return e.Local == at })
	if n != 3 || s.ConnectionsTotal < 6 || e < 0 || !s.Endpoints[e].Listening || s.Endpoints[e].Connections != 3 {
		t.Errorf("%d connections of %d at %s, endpoints %+v", n, s.ConnectionsTotal, at, s.Endpoints)
	}
	pools := make(map[string]Pool)
	for _, p := range s.Pools {
		pools[p.Name] = p
	}
	if p := pools["mine"]; p.Members != 6 || p.TotalBytesPerSecond != 1<<30 || p.ReceiveTotalBytesPerSecond != -1 || pools["a test's"].TotalBytesPerSecond != -1 || named == nil {
		t.Errorf("the pools are %+v", s.Pools)
	}
	used := int64(0)
	for _, m := range s.Limits {
		for _, b := range m.Scopes[0].Books {
			if m.Scopes[0].Level == "process" && b.Resource == "connections" {
				used += b.Used
			}
		}
	}
	if used < 6 {
		t.Errorf("the books have %d connections: %+v", used, s.Limits)
	}
	if few := Read(&Config{MaxConnections: 2}); len(few.Connections) != 2 || few.ConnectionsTotal < 6 {
		t.Errorf("%d of %d connections are listed, want 2", len(few.Connections), few.ConnectionsTotal)
	}
	if none := Read(&Config{MaxConnections: -1}); len(none.Connections) != 0 || none.Connections == nil {
		t.Errorf("%d connections are listed, want none", len(none.Connections))
	}
}

// names are the paths of all fields in the JSON of a type, with their kinds.
func names(t reflect.Type, prefix string) (all []string) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return []string{prefix + " string"}
	case t.Kind() == reflect.Slice:
		return names(t.Elem(), prefix+"[]")
	case t.Kind() == reflect.Map:
		return names(t.Elem(), prefix+".*")
	case t.Kind() != reflect.Struct:
		return []string{prefix + " " + strings.TrimRight(t.Kind().String(), "0123456789")}
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, names(f.Type, strings.TrimPrefix(prefix+"."+name, "."))...)
	}
	return all
}

// TestTheNamesOfTheJSONStay: programs read them. A name that goes or changes is a new Version; one that is new is added here and to docs/watching.md.
func TestTheNamesOfTheJSONStay(t *testing.T) {
	got := strings.Join(names(reflect.TypeFor[Snapshot](), ""), "\n") + "\n"
	if *update {
		if err := os.WriteFile("testdata/names.txt", []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/names.txt")
	if err != nil || got != string(want) {
		t.Errorf("the names are not those of testdata/names.txt (%v):\n%s", err, got)
	}
	page, err := os.ReadFile("../docs/watching.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got) {
		path, _, _ := strings.Cut(line, " ")
		parts := strings.Split(strings.TrimSuffix(path, ".*"), ".")
		name := strings.TrimSuffix(parts[len(parts)-1], "[]")
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/watching.md does not have `%s` (%s)", name, path)
		}
	}
}

// TestQuantitiesHaveUnits: a name of a number says its unit, or counts something.
func TestQuantitiesHaveUnits(t *testing.T) {
	counts := regexp.MustCompile(`(bytes|seconds|per_second|sent|received|lost|marked|losses|retransmitted|errors|holes|probes|timeouts|total|ended|dialled|accepted|` +
		`version|pid|connections|open|queued|tombstones|blocked|sockets|overflows|foreign|retries|refusals|members|throttled|opened|released|used|peak|limit|refused|dscp|dropped\.\*)$`)
	for _, line := range names(reflect.TypeFor[Snapshot](), "") {
		path, kind, _ := strings.Cut(line, " ")
		if kind != "string" && kind != "bool" && !counts.MatchString(path) {
			t.Errorf("%s is a %s of what?", path, kind)
		}
	}
}

// TestVarIsSums: JSON for expvar, which has no row for a connection.
func TestVarIsSums(t *testing.T) {
	connected(t, 3)
	var v expvar.Var = Var()
	text := v.String()
	var got Variable
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.ConnectionsTotal < 6 || got.ConnectionsByState["established"] < 6 || got.EndpointsTotal < 2 || got.Totals.Accepted < 3 || len(got.Limits) == 0 || len(got.Pools) == 0 {
		t.Errorf("the variable is %s", text)
	}
	if strings.Contains(text, "127.0.0.1") {
		t.Errorf("the variable has addresses: %s", text)
	}
}

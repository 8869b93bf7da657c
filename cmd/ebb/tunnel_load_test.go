package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// loadPatience is how long a load tool may take, and a server to begin.
const loadPatience = 2 * time.Minute

// load is a load tool on a service.
type load struct {
	name string
	run  func(t *testing.T, address string) (rate float64) // in requests a second; it fails the test if there is any error
}

// installed is a program; the test is skipped if there is none.
func installed(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("skipped: %s is not installed", program)
	}
	return path
}

// serving runs a server until the test ends. It is asked to go with an interrupt.
func serving(t *testing.T, server *exec.Cmd, address string) {
	t.Helper()
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(loadPatience):
			t.Errorf("%s does not end", server.Path)
			server.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(loadPatience); ; runtime.Gosched() {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s: %v\n%s", server.Path, err, &said)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not begin: %v", server.Path, err)
		}
	}
}

// tool runs a load tool to its end.
func tool(t *testing.T, path string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), loadPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", path, args, err, out)
	}
	return string(out)
}

// postgresServer starts PostgreSQL with pgbench's tables.
func postgresServer(t *testing.T) (address string) {
	initdb, postgres, pgbench := installed(t, "initdb"), installed(t, "postgres"), installed(t, "pgbench")
	dir, err := os.MkdirTemp("", "ebb") // its name leaves room for a Unix socket's, and its parent lets another user in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	own := asNobody(t, dir)
	data := filepath.Join(dir, "data")
	setup := exec.Command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
	setup.SysProcAttr, setup.Dir = own, dir
	if out, err := setup.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	address = freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	server := exec.Command(postgres, "-D", data, "-k", dir, "-F", "-c", "listen_addresses="+host, "-c", "port="+port, "-c", "max_connections=200")
	server.SysProcAttr, server.Dir = own, dir
	serving(t, server, address)
	for deadline := time.Now().Add(loadPatience); ; { // it listens before it serves
		out, err := exec.Command(pgbench, "-h", host, "-p", port, "-U", "postgres", "-i", "-q", "-s", "1", "postgres").CombinedOutput()
		if err == nil {
			return address
		}
		if time.Now().After(deadline) || !strings.Contains(string(out), "starting up") {
			t.Fatalf("pgbench -i: %v\n%s", err, out)
		}
	}
}

// pgbenchLoad is pgbench for so many seconds, with more flags.
func pgbenchLoad(name string, seconds int, flags ...string) load {
	rate := regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	return load{name, func(t *testing.T, address string) float64 {
		t.Helper()
		host, port, _ := net.SplitHostPort(address)
		args := append([]string{"-h", host, "-p", port, "-U", "postgres", "-n", "-j", "2", "-T", strconv.Itoa(seconds)}, flags...)
		out := tool(t, installed(t, "pgbench"), append(args, "postgres")...)
		m := rate.FindStringSubmatch(out)
		if m == nil || !strings.Contains(out, "number of failed transactions: 0 (0.000%)") {
			t.Fatalf("%s: there are failures, or no rate:\n%s", name, out)
		}
		tps, _ := strconv.ParseFloat(m[1], 64)
		return tps
	}}
}

// redisServer starts Redis, which keeps nothing.
func redisServer(t *testing.T) (address string) {
	path := installed(t, "redis-server")
	address = freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	serving(t, exec.Command(path, "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir()), address)
	return address
}

// redisLoad is redis-benchmark with so many requests, one after another and answered in any number, of a test.
func redisLoad(name, test string, requests int, flags ...string) load {
	return load{name, func(t *testing.T, address string) float64 {
		t.Helper()
		host, port, _ := net.SplitHostPort(address)
		args := append([]string{"-h", host, "-p", port, "-t", test, "-n", strconv.Itoa(requests), "--csv"}, flags...)
		out := tool(t, installed(t, "redis-benchmark"), args...)
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil || len(rows) != 2 || !strings.EqualFold(rows[1][0], test) {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		rate, err := strconv.ParseFloat(rows[1][1], 64)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return rate
	}}
}

// loaded is a service of a load tool.
type loaded struct {
	service string
	start   func(t *testing.T) (address string)
	loads   []load
}

// services are what tunnels are loaded with: by a pgbench for so many seconds, and by a redis-benchmark with so many thousand requests of a kind,
// more of those that are quick.
func services(seconds, thousands int) []loaded {
	return []loaded{
		{"PostgreSQL", postgresServer, []load{
			pgbenchLoad("pgbench -S -c 8", seconds, "-S", "-c", "8"),
			pgbenchLoad("pgbench -S -c 1", seconds, "-S", "-c", "1", "-j", "1"),
			pgbenchLoad("pgbench -c 8", seconds, "-c", "8"),
			pgbenchLoad("pgbench -S -C -c 8", seconds, "-S", "-C", "-c", "8"),
		}},
		{"Redis", redisServer, []load{
			redisLoad("redis-benchmark get, 50 clients", "get", 1000*thousands, "-c", "50"),
			redisLoad("redis-benchmark set, 50 clients, 16 at once", "set", 5000*thousands, "-c", "50", "-P", "16"),
			redisLoad("redis-benchmark get, 1 client", "get", 300*thousands, "-c", "1"),
			redisLoad("redis-benchmark set, 8 clients, 16 KB", "set", 300*thousands, "-c", "8", "-d", "16384"),
		}},
	}
}

// loadTunnel starts both sides of a tunnel over a network, whatever their rate, until the test ends.
func loadTunnel(t *testing.T, network, service string) (address string) {
	t.Helper()
	side := func(args ...string) *process {
		protection := "plain"
		if strings.HasPrefix(network, "ebb") {
			protection = "ebb"
		}
		limited := prepare(t, protection, append([]string{"tunnel", "--bandwidth-limit", "unlimited", "--drain", "5s"}, args...)...)
		cmd := exec.Command(limited.Path, limited.Args[1:]...) // which may run for longer
		cmd.Env = append(limited.Env, asCommand+"="+network)
		p := start(t, cmd, true)
		t.Cleanup(func() { terminate(t, p) })
		return p
	}
	far := side("--accept", "127.0.0.1:0", "--forward", service)
	return side("--listen", "127.0.0.1:0", "--to", far.address).address
}

// Load tools of other people find no error in a tunnel, protected or plain, without loss and with 2 %: all of that with -long.
func TestLoadThroughTunnel(t *testing.T) {
	skipWithoutSignals(t)
	seconds, thousands, networks := 1, 5, []string{"plain", "ebb-lossy"}
	if *long {
		seconds, thousands, networks = 10, 30, []string{"ebb", "plain", "ebb-lossy", "plain-lossy"}
	}
	for _, s := range services(seconds, thousands) {
		t.Run(s.service, func(t *testing.T) {
			address := s.start(t)
			for _, network := range networks {
				t.Run(network, func(t *testing.T) {
					through := loadTunnel(t, network, address)
					for _, l := range s.loads {
						if !*long && l.name != s.loads[0].name {
							continue
						}
						t.Logf("%s: %.0f a second", l.name, l.run(t, through))
					}
				})
			}
		})
	}
}

// loadShare is the least part that a tunnel over Ebb has of what the same two processes have over TCP.
const loadShare = 0.6

// What load tools get through a tunnel, protected and plain, beside two proxies over TCP in user space: the same two processes, whose bytes cross
// buffers too and whose connections to each other are TCP. The three take turns.
func TestLoadRateThroughTunnel(t *testing.T) {
	skipWithoutSignals(t)
	if !*long {
		t.Skip("skipped: it takes several minutes; -long runs it")
	}
	const rounds = 7
	for _, s := range services(2, 20) {
		t.Run(s.service, func(t *testing.T) {
			address := s.start(t)
			networks := []string{"tcp", "plain", "ebb"}
			through := make(map[string]string)
			for _, network := range networks {
				through[network] = loadTunnel(t, network, address)
			}
			for _, l := range s.loads {
				t.Run(l.name, func(t *testing.T) {
					ratios, base := make(map[string][]float64), []float64(nil)
					for round := range rounds {
						rates := make(map[string]float64)
						for i := range networks {
							network := networks[(round+i)%len(networks)]
							rates[network] = l.run(t, through[network])
						}
						base = append(base, rates["tcp"])
						for _, network := range networks[1:] {
							ratios[network] = append(ratios[network], rates[network]/rates["tcp"])
						}
					}
					t.Logf("over TCP %s a second", spread(base, "%.0f"))
					for _, network := range networks[1:] {
						t.Logf("%s: %s of that", network, spread(ratios[network], "%.3f"))
						if median(ratios[network]) < loadShare {
							t.Errorf("%s: %.3f of what it is over TCP, want %.1f", network, median(ratios[network]), loadShare)
						}
					}
				})
			}
		})
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// spread is a median, the smallest and the largest value.
func spread(values []float64, format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", median(values), slices.Min(values), slices.Max(values))
}

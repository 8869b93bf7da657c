package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"example.com/ebb"
	"example.com/ebb/cmd/ebb/internal/perf"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/peerid"
)

// perfPort is where servers listen if they are told nothing else, and clients look for them.
const perfPort = ":5210"

// perfFlags is the command line of perf.
type perfFlags struct {
	transportOptions
	serve      bool
	over       string
	seconds    float64
	bytes      int64
	parallel   int
	reverse    bool
	bothWays   bool
	json       bool
	maxSeconds float64
	maxStreams int
	to         string // the argument
}

func (f *perfFlags) parse(args []string) error {
	fs := newFlagSet("perf", "--serve [ADDR] or ID@HOST:PORT",
		`Measures throughput between two machines, as iperf3 does: over Ebb, over the kernel's TCP on
the same port number, or over one after the other. A server runs one test at a time, for anyone
who can reach it or, with --peer, only for the identities listed; it prints the command to run
at the other end. ADDR is `+perfPort+` if not given. Beyond what iperf3 shows, perf reports
what limited the sender and for how long, the delay that its queue adds, and loss.

All connections are encrypted; those over TCP use TLS 1.3. With --plain at both ends none
are, so that the network is measured without the cost of encryption.`,
		`  ebb perf --serve
  ebb perf ID@server.example:5210
  ebb perf --over both --seconds 20 --parallel 4 ID@server.example:5210
  ebb perf --reverse --json ID@server.example:5210
  ebb perf --serve --plain                    (and at the other end:)
  ebb perf --plain --over both server.example:5210
`)
	fs.BoolVarP(&f.serve, "serve", "s", false, "be the server")
	fs.StringVar(&f.over, "over", "ebb", "measure this `NETWORK`: ebb, tcp or both")
	fs.Float64VarP(&f.seconds, "seconds", "t", 10, "measure for `SECONDS`")
	fs.Int64VarP(&f.bytes, "bytes", "n", 0, "move at most this many `BYTES` over each connection; 0 means no limit")
	fs.IntVarP(&f.parallel, "parallel", "P", 1, "use this `NUMBER` of connections in each direction")
	fs.BoolVarP(&f.reverse, "reverse", "R", false, "let the server send")
	fs.BoolVar(&f.bothWays, "both-ways", false, "let both send at the same time")
	fs.BoolVarP(&f.json, "json", "J", false, "print JSON with iperf3's names")
	fs.Float64Var(&f.maxSeconds, "max-seconds", 60, "with --serve: let a test take at most this many `SECONDS`")
	fs.IntVar(&f.maxStreams, "max-connections", 16, "with --serve: let a test use at most this `NUMBER` of connections in each direction")
	f.registerProtection(fs, true)
	f.register(fs, unlimited)
	if err := fs.parse(args, 0, 1); err != nil {
		return err
	}
	f.to = fs.Arg(0)
	if f.serve && f.to == "" {
		f.to = perfPort
	}
	return f.check()
}

// check reports what makes no sense.
func (f *perfFlags) check() error {
	switch {
	case f.to == "":
		return usageErrorf("too few arguments: want ID@HOST:PORT, or --serve")
	case !(f.seconds > 0 && f.seconds <= 86400):
		return usageErrorf("--seconds is up to 86400, not %v", f.seconds)
	case f.parallel < 1 || f.parallel > 1000:
		return usageErrorf("--parallel is from 1 to 1000, not %d", f.parallel)
	case f.bytes < 0:
		return usageErrorf("--bytes is %d: want at least 0", f.bytes)
	case f.reverse && f.bothWays:
		return usageErrorf("--reverse and --both-ways exclude each other")
	case f.over != "ebb" && f.over != "tcp" && f.over != "both":
		return usageErrorf("--over is ebb, tcp or both, not %q", f.over)
	case !(f.maxSeconds > 0) || f.maxStreams < 1:
		return usageErrorf("--max-seconds and --max-connections are at least 1")
	}
	if f.serve {
		return checkAddress(f.to, true)
	}
	return nil
}

// measurePerf is the command.
func measurePerf(ctx context.Context, c console, open opener, args []string) error {
	var f perfFlags
	if err := f.parse(args); err != nil {
		return err
	}
	var to target
	var chosen settings.Settings
	var err error
	if f.serve {
		chosen, err = f.resolve(c.stderr)
	} else {
		to, chosen, err = f.resolveTarget(c.stderr, f.to, "ebb perf --serve")
	}
	if err != nil {
		return err
	}
	t, err := f.open(c.stderr, open, chosen)
	if err != nil {
		return err
	}
	beside, err := overTCP(chosen.Protection)
	if err != nil {
		return err
	}
	if f.serve {
		return f.server(ctx, c, t, beside)
	}
	return f.client(ctx, c, to, t, beside)
}

// overTCP is the kernel's TCP as a transport, protected as that of Ebb is: by TLS 1.3, with the same keys.
func overTCP(p settings.Protection) (transport, error) {
	t := transport{
		listen: func(ctx context.Context, address string, _ func(string)) (net.Listener, error) {
			return listenTCP(ctx, address)
		},
		dial:     func(ctx context.Context, to target) (net.Conn, error) { return dialTCP(ctx, to.address) },
		drain:    func(context.Context) error { return nil },
		describe: func(net.Conn) func() string { return func() string { return "" } },
	}
	if p.Plain {
		return t, nil
	}
	key, _, err := loadKey(p.Key) // made by now, if it was not there
	if err != nil {
		return t, err
	}
	t.identity = peerid.IDOf(key)
	t.listen = func(ctx context.Context, address string, refused func(string)) (net.Listener, error) {
		ln, err := listenTCP(ctx, address)
		if err != nil {
			return nil, err
		}
		return tls.NewListener(ln, serverTLS(key, p.Peers, refused)), nil
	}
	t.dial = func(ctx context.Context, to target) (net.Conn, error) {
		return (&tls.Dialer{Config: peerid.Client(key, to.id)}).DialContext(ctx, "tcp", to.address)
	}
	return t, nil
}

// lookAt is a perf.Look.
func lookAt(conn net.Conn) (perf.Sample, bool) {
	c, ok := conn.(interface{ Info() ebb.ConnInfo })
	if !ok {
		if over, ok := conn.(*tls.Conn); ok {
			conn = over.NetConn()
		}
		return lookAtTCP(conn)
	}
	i := c.Info()
	s := perf.Sample{
		Packets: i.PacketsSent, PacketBytes: i.BytesSent, Lost: i.PacketsLost, Spurious: i.SpuriousLosses, Retransmitted: i.BytesRetransmitted,
		Window: i.CongestionWindow, RTT: i.LatestRTT, RTTVariance: i.RTTVariance, LimitedBy: i.LimitedBy.String(), Queue: i.LatestRTT - i.MinRTT,
	}
	if i.Congestion.QueueDelay > 0 {
		s.Queue = i.Congestion.QueueDelay
	}
	return s, true
}

// server takes tests until it is stopped, over Ebb and over TCP on the same port number.
func (f *perfFlags) server(ctx context.Context, c console, t, tcp transport) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	grumbling := newGrumbler(c.stderr, "perf")
	refused := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		grumbling.printf(time.Now(), "ebb perf: %s\n", line)
	}
	ln, beside, err := listenTwice(ctx, f.to, t, tcp, refused)
	if err != nil {
		return err
	}
	mu.Lock()
	t.announce(c.stderr, "perf", "perf", "", f.to, ln.Addr())
	mu.Unlock()
	s := perf.Server{MaxSeconds: f.maxSeconds, MaxStreams: f.maxStreams, Look: lookAt, Log: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(c.stdout, line)
	}}
	failed := make(chan error, 2)
	for _, l := range []net.Listener{ln, beside} {
		go func() { failed <- s.Serve(ctx, l) }()
	}
	err = <-failed
	stopped := ctx.Err() != nil
	cancel()
	<-failed
	t.drainEnds()
	if stopped {
		return errStopped
	}
	return err
}

// listenTwice listens over both networks on the same port number. If it is for the system to choose, a port that TCP has given away is not the
// last that is tried.
func listenTwice(ctx context.Context, address string, t, tcp transport, refused func(string)) (ln, beside net.Listener, err error) {
	for range 10 {
		if ln, err = t.listenOrSay(ctx, address, refused); err != nil {
			return nil, nil, err
		}
		if beside, err = tcp.listenOrSay(ctx, ln.Addr().String(), refused); err == nil {
			return ln, beside, nil
		}
		ln.Close()
		if _, port, _ := net.SplitHostPort(address); port != "0" {
			break
		}
	}
	return nil, nil, err
}

// client makes the tests that were asked for.
func (f *perfFlags) client(ctx context.Context, c console, to target, t, tcp transport) error {
	q := perf.Request{Up: f.parallel, Seconds: f.seconds, Bytes: f.bytes}
	if f.reverse || f.bothWays {
		q.Down = f.parallel
	}
	if f.reverse {
		q.Up = 0
	}
	printed := make(map[string]any)
	for _, over := range []struct {
		name string
		transport
	}{{"ebb", t}, {"tcp", tcp}} {
		if f.over != "both" && f.over != over.name {
			continue
		}
		var tell func(perf.Interval)
		if !f.json {
			fmt.Fprintf(c.stdout, "%s\n", over.name)
			tell = func(i perf.Interval) { printInterval(c.stdout, &i) }
		}
		dial := func(ctx context.Context) (net.Conn, error) { return over.dialOrSay(ctx, to) }
		r, err := perf.Run(ctx, dial, q, lookAt, time.Second, tell)
		if err != nil {
			return errors.Join(over.explain(err), t.drain(ctx))
		}
		if f.json {
			printed[over.name] = perfJSON(r, over.name)
		} else {
			printReport(c.stdout, r, over.name)
		}
	}
	t.drainEnds()
	if !f.json {
		return nil
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetIndent("", "  ")
	if f.over != "both" {
		return encoder.Encode(printed[f.over])
	}
	return encoder.Encode(printed)
}

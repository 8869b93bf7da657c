package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"time"

	"example.com/ebb/cmd/ebb/internal/measure"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/internal/lab/matrix"
)

// benchReport is the output of bench --json.
type benchReport struct {
	Machine machine          `json:"machine"`
	Plan    benchPlan        `json:"plan"`
	Ebb     benchSettings    `json:"ebb"`
	Results []measure.Result `json:"results,omitempty"` // over loopback
	Line    string           `json:"line,omitempty"`    // that flows share in virtual time
	Beside  []matrix.Beside  `json:"shared,omitempty"`  // what others have on it
}

type machine struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

type benchPlan struct {
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"`
	Size    int64   `json:"size"` // bytes of a bulk run; 0: what fits in the time
}

type benchSettings struct {
	BandwidthLimit    string `json:"bandwidth_limit"` // of a connection, or of all together
	MinSSThresh       int    `json:"min_ssthresh"`
	CongestionControl string `json:"congestion_control"`
	MaxPacket         int    `json:"max_packet_bytes"`
}

func settingsUsed(s settings.Settings) benchSettings {
	limit := settings.FormatRate(s.BandwidthLimit)
	if s.TotalBandwidthLimit > 0 {
		limit = settings.FormatRate(s.TotalBandwidthLimit) + " in all"
	}
	return benchSettings{limit, s.MinSSThresh, s.CongestionControl.String(), maxPacket}
}

// maxPacket is the size of Ebb's largest IP packet, in bytes: that of Ethernet,
// also where loopback would carry more.
const maxPacket = 1500

// benchFlags is the command line of bench.
type benchFlags struct {
	transportOptions
	plan    benchPlan
	only    string
	json    bool
	picture string
}

// What --only names.
const (
	onlySpeed  = "speed"
	onlyShared = "shared"
)

func (f *benchFlags) parse(args []string) error {
	fs := newFlagSet("bench", "",
		`Shows both sides of Ebb, in about 15 seconds. First it compares the speed of Ebb with
that of the kernel's TCP over loopback, with both ends in this process: the rate of one
connection, the processor time per gigabyte, and the round trip of 64 bytes. The two take
turns; figures are medians over the rounds. Then it simulates a shared line, in virtual
time: how much of its rate a CUBIC download keeps beside Ebb and beside another CUBIC, and
the delay of a call beside each.`,
		`  ebb bench
  ebb bench --seconds 60 --rounds 20
  ebb bench --only shared --picture shared.svg
  ebb bench --json > figures.json
`)
	fs.Float64Var(&f.plan.Seconds, "seconds", 12, "measure the speed for this many `SECONDS` in total")
	fs.IntVar(&f.plan.Rounds, "rounds", 5, "give each transport this `NUMBER` of turns")
	fs.Int64Var(&f.plan.Size, "size", 0, "move this many `BYTES` in each bulk run, however long it takes; 0 means as many as fit in the time")
	fs.StringVar(&f.only, "only", "", "run only this `PART`: "+onlySpeed+" (over loopback) or "+onlyShared+" (the shared line)")
	fs.StringVar(&f.picture, "picture", "", "draw the shared line over time, as SVG, into `FILE`")
	fs.BoolVar(&f.json, "json", false, "print JSON: bytes per second and seconds; for the shared line, percent and ms")
	f.register(fs, unlimited)
	if err := fs.parse(args, 0, 0); err != nil {
		return err
	}
	switch {
	case fs.Changed("only") && f.only != onlySpeed && f.only != onlyShared:
		return usageErrorf("--only is %s or %s, not %q", onlySpeed, onlyShared, f.only)
	case f.picture != "" && f.only == onlySpeed:
		return usageErrorf("--picture is of the shared line, which --only %s leaves out", onlySpeed)
	}
	return nil
}

// bench is the command.
func bench(ctx context.Context, c console, open opener, args []string) error {
	var f benchFlags
	if err := f.parse(args); err != nil {
		return err
	}
	measured, err := f.plan.measured()
	if err != nil {
		return err
	}
	chosen, err := f.resolve(c.stderr)
	if err != nil {
		return err
	}
	if err := checkWritable(f.picture); err != nil {
		return fmt.Errorf("--picture: %w", err)
	}
	report := benchReport{
		Machine: machine{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()},
		Plan:    f.plan,
		Ebb:     settingsUsed(chosen),
	}
	if f.only != onlyShared {
		if report.Results, err = f.speed(ctx, c, open, chosen, measured); err != nil {
			return err
		}
		if !f.json {
			report.printSpeed(c.stdout, widthOf(c.stdout))
		}
	}
	if f.only != onlySpeed {
		report.Line = matrix.ForegroundLine()
		report.Beside, err = matrix.Foreground(ctx, chosen.CongestionControl.Factory(chosen.MinSSThresh), 1)
		if err != nil {
			return err
		}
		if !f.json {
			report.printShared(c.stdout, widthOf(c.stdout))
		}
	}
	if f.picture != "" {
		if err := drawShared(f.picture, report.Beside); err != nil {
			return err
		}
	}
	if !f.json {
		return nil
	}
	encoder := json.NewEncoder(c.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

// speed measures over loopback.
func (f *benchFlags) speed(ctx context.Context, c console, open opener, chosen settings.Settings, plan measure.Plan) ([]measure.Result, error) {
	chosen.Protection = settings.Protection{Plain: true} // as the TCP beside it
	t, err := f.open(c.stderr, open, chosen)
	if err != nil {
		return nil, err
	}
	results, err := measure.Run(ctx, plan, []measure.Network{
		{Name: "TCP", Listen: listenTCP, Dial: dialTCP},
		{Name: "Ebb", Listen: t.listenPlain, Dial: t.dialPlain},
	})
	t.drainEnds()
	if err != nil {
		return nil, fmt.Errorf("measuring over loopback failed: %w", err)
	}
	return results, nil
}

// measured turns the time in all into that of one run: two transports, a bulk run
// and a ping-pong run each, every round.
func (p benchPlan) measured() (measure.Plan, error) {
	switch {
	case p.Rounds < 1 || p.Rounds > 10_000:
		return measure.Plan{}, usageErrorf("--rounds is from 1 to 10000, not %d", p.Rounds)
	case !(p.Seconds >= 0.1 && p.Seconds <= 86_400):
		return measure.Plan{}, usageErrorf("--seconds is from 0.1 to 86400, not %v", p.Seconds)
	case p.Size < 0:
		return measure.Plan{}, usageErrorf("--size is a number of bytes, not %d", p.Size)
	}
	slot := time.Duration(p.Seconds / float64(4*p.Rounds) * float64(time.Second))
	return measure.Plan{Rounds: p.Rounds, Slot: slot, Size: p.Size}, nil
}

// printSpeed prints what was measured over loopback.
func (r *benchReport) printSpeed(w io.Writer, width int) {
	printWrapped(w, "SPEED beside the kernel's TCP, over loopback", width)
	printWrapped(w, fmt.Sprintf("%s/%s, %d CPUs, %s, both ends in this process; %d rounds in turns, median (smallest to largest). "+
		"Ebb's bandwidth limit here: %s (the default is %s). Its packets have at most %d bytes; TCP's are as large as loopback "+
		"allows, up to 64 KB, which no Ethernet carries.",
		r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Plan.Rounds,
		r.Ebb.BandwidthLimit, settings.FormatRate(defaultBandwidthLimit), r.Ebb.MaxPacket), width)
	for _, figure := range []struct {
		title string
		scale float64
		of    func(measure.Result) measure.Spread
	}{
		{"One connection, MB/s (more is better)", 1e-6, func(m measure.Result) measure.Spread { return m.Rate }},
		{"CPU of both ends for a GB, s (less is better)", 1, func(m measure.Result) measure.Spread { return m.CPU }},
		{"64 bytes there and back, p50, µs (less is better)", 1e6, func(m measure.Result) measure.Spread { return m.PingP50 }},
		{"The same, p99, µs (less is better)", 1e6, func(m measure.Result) measure.Spread { return m.PingP99 }},
	} {
		chart := barChart{title: figure.title}
		for _, m := range r.Results {
			s := figure.of(m)
			chart.bars = append(chart.bars, bar{m.Transport, spreadText(s, figure.scale), s.Median})
		}
		fmt.Fprintln(w)
		chart.print(w, width)
	}
	fmt.Fprintln(w)
}

// printShared prints what others have on a line that they share.
func (r *benchReport) printShared(w io.Writer, width int) {
	printWrapped(w, "WHAT OTHERS NOTICE, on a line they share", width)
	printWrapped(w, "One line of "+r.Line+", simulated: equal on every machine.", width)
	keeps := barChart{title: "A CUBIC download keeps, of the rate it has alone (more is better)"}
	delay := barChart{title: "A packet of a call takes, one way, p95 (less is better)"}
	for _, b := range r.Beside {
		label := map[string]string{"nothing": "alone", "Ebb": "beside Ebb", "CUBIC": "beside CUBIC"}[b.Bulk]
		keeps.bars = append(keeps.bars, bar{label, fmt.Sprintf("%.0f %%", b.Kept), b.Kept})
		delay.bars = append(delay.bars, bar{label, fmt.Sprintf("%.0f ms", b.P95), b.P95})
	}
	for _, chart := range []barChart{keeps, delay} {
		fmt.Fprintln(w)
		chart.print(w, width)
	}
}

// spreadText is a spread in another unit, with three digits.
func spreadText(s measure.Spread, scale float64) string {
	digits := 0
	for v := s.Median * scale; v > 0 && v < 100 && digits < 3; v *= 10 {
		digits++
	}
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, s.Median*scale, digits, s.Min*scale, digits, s.Max*scale)
}

func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", address)
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

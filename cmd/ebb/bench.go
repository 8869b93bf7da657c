package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"text/tabwriter"
	"time"

	"example.com/ebb/cmd/ebb/internal/measure"
	"example.com/ebb/cmd/ebb/internal/settings"
)

// benchReport is the output of bench --json.
type benchReport struct {
	Machine machine          `json:"machine"`
	Plan    benchPlan        `json:"plan"`
	Ebb     benchSettings    `json:"ebb"`
	Results []measure.Result `json:"results"`
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

// bench is the command.
func bench(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("bench", "",
		`Compares Ebb with the kernel's TCP over loopback, both ends in this process: the
rate of one connection, the processor time per gigabyte, and the round trip of 64
bytes. The two take turns; figures are medians over the rounds.`,
		`  ebb bench
  ebb bench --seconds 60 --rounds 20
  ebb bench --json > figures.json
`)
	var options transportOptions
	var plan benchPlan
	fs.Float64Var(&plan.Seconds, "seconds", 12, "how many `SECONDS` to measure in all")
	fs.IntVar(&plan.Rounds, "rounds", 5, "`NUMBER` of turns of each transport")
	fs.Int64Var(&plan.Size, "size", 0, "`BYTES` of each bulk run, however long it takes; 0 is what fits in the time")
	asJSON := fs.Bool("json", false, "print JSON: bytes per second, seconds")
	options.register(fs, unlimited)
	if err := fs.parse(args, 0, 0); err != nil {
		return err
	}
	measured, err := plan.measured()
	if err != nil {
		return err
	}
	chosen, err := options.resolve(c.stderr)
	if err != nil {
		return err
	}
	chosen.Protection = settings.Protection{Plain: true} // as the TCP beside it
	t, err := options.open(c.stderr, open, chosen)
	if err != nil {
		return err
	}
	results, err := measure.Run(ctx, measured, []measure.Network{
		{Name: "TCP", Listen: listenTCP, Dial: dialTCP},
		{Name: "Ebb", Listen: t.listenPlain, Dial: t.dialPlain},
	})
	t.drainEnds()
	if err != nil {
		return fmt.Errorf("measuring over loopback failed: %w", err)
	}
	report := benchReport{
		Machine: machine{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()},
		Plan:    plan,
		Ebb:     settingsUsed(chosen),
		Results: results,
	}
	if *asJSON {
		encoder := json.NewEncoder(c.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(report)
	}
	return report.print(c.stdout)
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

func (r benchReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%s/%s, %d CPUs, %s; loopback, both ends in this process; %d rounds in turns, median (smallest to largest).\n",
		r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Plan.Rounds)
	fmt.Fprintf(w, "Ebb's bandwidth limit here: %s (the default is %s). Ebb's packets: at most %d bytes;\n"+
		"TCP's are as large as loopback allows, up to 64 KB, which no Ethernet carries.\n\n",
		r.Ebb.BandwidthLimit, settings.FormatRate(defaultBandwidthLimit), r.Ebb.MaxPacket)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\tbulk, MB/s\tCPU, s/GB\tping p50, µs\tping p99, µs")
	for _, t := range r.Results {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", t.Transport,
			spreadText(t.Rate, 1e-6), spreadText(t.CPU, 1), spreadText(t.PingP50, 1e6), spreadText(t.PingP99, 1e6))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, `
bulk       How many million bytes a second one connection moved; more is better.
CPU        The processor seconds that sender and receiver used for 1 GB together; less is better.
ping p50   Half of the 64-byte messages were back within this time; less is better.
ping p99   99 of 100 of them were.
`)
	return err
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

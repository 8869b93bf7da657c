package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/ebb/cmd/ebb/internal/traced"
	"example.com/ebb/internal/untrusted"
	"example.com/ebb/qlog"
)

// qlogFlags is the command line of qlog.
type qlogFlags struct {
	picture string
	expand  string
	file    string
}

func (f *qlogFlags) parse(args []string) error {
	fs := newFlagSet("qlog", "FILE",
		`Summarizes the trace of a connection, and draws it. Every program that uses Ebb writes a
trace of each connection if the environment variable QLOGDIR names a directory. The
sender's trace says the most.`,
		`  QLOGDIR=traces/ ebb send photo.jpg ID@example.com:9000
  ebb qlog traces/*_client.sqlog
  ebb qlog --picture drawn.svg trace.sqlog
  ebb qlog --expand for-other-tools.sqlog trace.sqlog
`)
	fs.StringVar(&f.picture, "picture", "", "draw rates, queue, window and losses over time, as SVG, into `FILE`")
	fs.StringVar(&f.expand, "expand", "", "write the trace into `FILE` with one event per packet, for QUIC tools")
	if err := fs.parse(args, 1, 1); err != nil {
		return err
	}
	f.file = fs.Arg(0)
	return nil
}

// readQlog is the command.
func readQlog(_ context.Context, c console, _ opener, args []string) error {
	var f qlogFlags
	if err := f.parse(args); err != nil {
		return err
	}
	in, err := os.Open(f.file)
	if err != nil {
		return err
	}
	defer in.Close()
	flow, err := traced.Read(in)
	if err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	if err := printFlow(c.stdout, flow); err != nil {
		return err
	}
	if f.picture != "" {
		p := flowPicture(flow)
		if err := p.write(f.picture); err != nil {
			return err
		}
	}
	if f.expand == "" {
		return nil
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return expandInto(f.expand, in)
}

// expandInto writes an expanded trace into a new file: what is there is kept, as it may be the trace itself.
func expandInto(path string, in io.Reader) error {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := qlog.Expand(out, in); err != nil {
		out.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return out.Close()
}

// printFlow prints what there is to say of a connection. The file may be a stranger's.
func printFlow(w io.Writer, f *traced.Flow) error {
	say := func(s string) string { return untrusted.Text(s).String() }
	ms := func(d time.Duration) string { return fmt.Sprintf("%.3f ms", float64(d)/float64(time.Millisecond)) }
	rate := func(bytes uint64) string {
		return fmt.Sprintf("%.2f MB/s", float64(bytes)/1e6/max(f.Length.Seconds(), 1e-6))
	}
	fmt.Fprintf(w, "connection  %s, as its %s has seen it, with %s\n", say(f.Group), say(f.Role), say(f.Remote))
	fmt.Fprintf(w, "began       %s, and was traced for %.3f s\n", say(f.Wall), f.Length.Seconds())
	fmt.Fprintf(w, "sent        %d bytes in %d packets, %s\n", f.BytesSent, f.PacketsSent, rate(f.BytesSent))
	fmt.Fprintf(w, "received    %d bytes in %d packets, %s; %d more were dropped\n", f.BytesReceived, f.PacketsReceived, rate(f.BytesReceived), f.Dropped)
	fmt.Fprintf(w, "lost        %d packets, %d of which arrived after all\n", f.Lost, f.Spurious)
	fmt.Fprintf(w, "round trip  %s at least, %s at the end\n", ms(f.MinRTT), ms(f.SmoothedRTT))
	for i, l := range f.Limits {
		label := ""
		if i == 0 {
			label = "limited by"
		}
		fmt.Fprintf(w, "%-11s %s: %.3f s\n", label, say(l.Name), l.For.Seconds())
	}
	if f.Missing > 0 {
		fmt.Fprintf(w, "missing     %d events, which the disk did not take in time\n", f.Missing)
	}
	end := "the trace ends before the connection"
	if f.End != "" {
		end = say(f.End)
	}
	_, err := fmt.Fprintf(w, "ended       %s\n", end)
	return err
}

// flowPicture is the picture of a connection.
func flowPicture(f *traced.Flow) picture {
	step := f.Step.Seconds()
	return picture{
		title: fmt.Sprintf("Connection %s, as its %s has seen it", untrusted.Text(f.Group), untrusted.Text(f.Role)),
		end:   float64(len(f.Sent)-1) * step,
		panels: []panel{
			{"rate, Mbit/s", []curve{{"sent", f.Sent, step, 0}, {"received", f.Received, step, 2}}},
			{"queue, ms", []curve{{"", f.Queue, step, 0}}},
			{"window, KB", []curve{{"congestion window", f.Window, step, 0}, {"in flight", f.InFlight, step, 3}}},
			{"packets lost", []curve{{"lost", f.Losses, step, 1}, {"arrived after all", f.Late, step, 3}}},
		},
	}
}

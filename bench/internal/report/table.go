package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/raw"
)

// column is a metric in a table.
type column struct {
	title  string
	metric measure.Metric
	scale  float64
	ratio  bool // has a column with the ratio to TCP beside it
}

// section is a table of its own.
type section struct {
	title   string
	columns []column
}

var sections = []section{
	{"Bulk", []column{
		{"1 connection, MB/s", measure.BulkRate, 1e-6, true},
		{"CPU, s/GB", measure.BulkCPU, 1, true},
		{"8 connections, MB/s", measure.EightRate, 1e-6, true},
		{"CPU, s/GB", measure.EightCPU, 1, false},
	}},
	{"64-byte ping-pong", []column{
		{"p50, µs", measure.PingP50, 1e6, true},
		{"p99, µs", measure.PingP99, 1e6, true},
	}},
	{"Dial, 1 byte there and back, close", []column{
		{"1 at a time, /s", measure.DialOne, 1, true},
		{"32 at a time, /s", measure.DialMany, 1, true},
		{"resumed, /s", measure.Resumed, 1, false},
		{"32 resumed at a time, /s", measure.ResumedAll, 1, false},
	}},
	{"Idle pairs, each", []column{
		{"RSS, KB", measure.IdleRSS, 1e-3, true},
		{"goroutines", measure.IdleRoutes, 1, false},
		{"CPU, µs/s", measure.IdleCPU, 1e6, false},
	}},
	{"Many connections", []column{
		{"connections", measure.ManyConns, 1, false},
		{"idle, cores", measure.ManyIdle, 1, false},
		{"a message a second, cores", measure.ManyMessages, 1, false},
		{"as many on 100", measure.ManyFew, 1, false},
		{"100 of them busy, MB/s", measure.ManyBusy, 1e-6, false},
		{"100 alone, MB/s", measure.ManyAlone, 1e-6, false},
	}},
	{"Relay of 100 Mbit/s, 20 ms, a queue of one BDP", []column{
		{"no loss, MB/s", measure.RelayClean, 1e-6, false},
		{"link used, %", measure.RelayCleanUsed, 100, false},
		{"sent / delivered", measure.RelayCleanSent, 1, false},
		{"1 % loss, MB/s", measure.RelayLossy, 1e-6, false},
		{"link used, %", measure.RelayLossyUsed, 100, false},
		{"sent / delivered", measure.RelayLossySent, 1, false},
	}},
	{"Raw UDP of 1472 bytes", []column{
		{"MB/s", raw.Rate, 1e-6, false},
		{"CPU, s/GB", raw.CPU, 1, false},
		{"lost, %", raw.Loss, 100, false},
	}},
}

// WriteTable writes what a person reads.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	for _, s := range sections {
		r.writeSection(&b, s)
	}
	r.writeFailures(&b)
	r.writeBars(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeHead(b *strings.Builder) {
	fmt.Fprintf(b, "%s\n%s; loopback, both ends in %s; %d rounds in turns of %.2f s, through the relay %.0f s; median (smallest to largest); ×TCP is the ratio to %s.\n\n",
		r.Machine, r.Plan.Start.Format("2006-01-02 15:04 MST"), r.Plan.Ends, r.Plan.Rounds, r.Plan.SlotSeconds, r.Plan.RelaySeconds, r.reference())
	var rows [][]string
	for _, p := range r.Peers {
		rows = append(rows, []string{p.Name, p.Version, p.Tuning})
	}
	Align(b, rows, false)
}

func (r *Report) writeSection(b *strings.Builder, s section) {
	head := []string{s.title}
	for _, c := range s.columns {
		head = append(head, c.title)
		if c.ratio {
			head = append(head, "×TCP")
		}
	}
	rows := [][]string{head}
	for _, p := range r.Peers {
		if row, any := r.row(p.Name, s.columns); any {
			rows = append(rows, row)
		}
	}
	if len(rows) > 1 {
		b.WriteByte('\n')
		Align(b, rows, true)
	}
}

func (r *Report) row(peer string, columns []column) (row []string, any bool) {
	row = []string{peer}
	for _, c := range columns {
		cell, ratio := "–", "–"
		if to, ok := r.find(peer, c.metric); ok {
			any = true
			cell = fmt.Sprintf("%s (%s to %s)", Digits(to.Median*c.scale), Digits(to.Min*c.scale), Digits(to.Max*c.scale))
			if len(to.Samples) == 1 {
				cell = Digits(to.Median * c.scale)
			}
			if to.ToTCP > 0 {
				ratio = Digits(to.ToTCP)
			}
		}
		row = append(row, cell)
		if c.ratio {
			row = append(row, ratio)
		}
	}
	return row, any
}

func (r *Report) writeFailures(b *strings.Builder) {
	for _, to := range r.Results {
		for _, f := range to.Failures {
			fmt.Fprintf(b, "\nFAILED: %s, %s: %s\n", to.Peer, to.Metric, f)
		}
	}
}

func (r *Report) writeBars(b *strings.Builder) {
	if len(r.Bars) == 0 {
		return
	}
	rows := [][]string{{"Bar", "wanted", "measured", ""}}
	for _, v := range r.Bars {
		word := "missed"
		if v.Met {
			word = "met"
		}
		rows = append(rows, []string{v.Bar, v.Wanted, Digits(v.Measured), word})
	}
	b.WriteByte('\n')
	Align(b, rows, true)
}

// Align writes rows of cells in columns; numbers, which are all but the first
// cell, to the right.
func Align(b *strings.Builder, rows [][]string, right bool) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("   ")
			}
			if right && i > 0 {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// Digits is a number with three that count, or all before the point.
func Digits(v float64) string {
	after := 0
	for a := math.Abs(v); a > 0 && a < 99.95 && after < 3; a *= 10 {
		after++
	}
	switch a := math.Abs(v); {
	case a >= 9.995 && a < 99.95:
		after = 1
	case a >= 0.9995 && a < 9.995:
		after = 2
	}
	return fmt.Sprintf("%.*f", after, v)
}

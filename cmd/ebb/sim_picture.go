package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/ebb/internal/lab/matrix"
)

// pictures draws into a directory, which is made if it is not there and found writable.
func pictures(dir string) (func(*matrix.Case, []matrix.Figure, []matrix.Trace) error, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, usageErrorf("no pictures can be put into %s: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".ebb-sim-*")
	if err != nil {
		return nil, usageErrorf("no pictures can be put into %s: %w", dir, err)
	}
	probe.Close()
	os.Remove(probe.Name())
	return func(c *matrix.Case, figures []matrix.Figure, traces []matrix.Trace) error {
		for i := range traces {
			path := filepath.Join(dir, pictureName(c, &traces[i]))
			if err := drawTrace(path, c, figures, &traces[i]); err != nil {
				return fmt.Errorf("drawing %s: %w", path, err)
			}
		}
		return nil
	}, nil
}

// pictureName is a file name of row, case and trace: letters and digits, the rest are dashes.
func pictureName(c *matrix.Case, t *matrix.Trace) string {
	words := strings.FieldsFunc(strings.ToLower(c.Row+" "+c.Name+" "+t.Name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.'
	})
	return strings.Join(words, "-") + ".svg"
}

// drawTrace draws goodput, queue and window over time, one above the other, as SVG.
func drawTrace(path string, c *matrix.Case, figures []matrix.Figure, t *matrix.Trace) error {
	step := t.Step.Seconds()
	rate := panel{label: "Goodput, Mbit/s"}
	queue := panel{label: "Queue at the bottleneck, ms", curves: []curve{{values: t.Queue, step: step, color: 5}}}
	window := panel{label: "Congestion window, KB"}
	ours, rival := 0, ""
	for _, f := range t.Flows {
		color := 1
		if strings.HasPrefix(f.Name, "Ebb") {
			color = []int{0, 2, 4, 3, 5}[ours%5]
			ours++
		} else if rival == "" {
			rival = f.Name
		}
		rate.curves = append(rate.curves, curve{f.Name, f.Rate, t.RateStep.Seconds(), color})
		window.curves = append(window.curves, curve{"", f.Window, step, color})
	}
	p := picture{
		title: finding(c, figures, t, rival), below: source(c, t),
		end: float64(len(t.Queue)-1) * step, panels: []panel{rate, queue, window},
	}
	return p.write(path)
}

// source says of which run a picture is.
func source(c *matrix.Case, t *matrix.Trace) string {
	text := "ebb sim, row " + c.Row
	if c.Name != "" {
		text += ", case \"" + c.Name + "\""
	}
	return text + ", run \"" + t.Name + "\""
}

// findings are figures as sentences: of the value, and before that of who competes.
var findings = []struct{ figure, sentence string }{
	{"keep, %", "%[2]s keeps %.0[1]f %% of its rate beside Ebb"},
	{"keeps, ours first, %", "%[2]s keeps %.0[1]f %% of its rate beside Ebb"},
	{"keeps, ours second, %", "%[2]s keeps %.0[1]f %% of its rate beside Ebb"},
	{"furthest from half in 10 s, %", "Two Ebb flows share within %.1[1]f %% of half in any 10 s"},
	{"90 % after the rise, s", "Ebb has 90 %% of the link %.1[1]f s after the rise"},
	{"80 % after, s", "Ebb has 80 %% of the link again after %.1[1]f s"},
	{"90 % after the fall, s", "%.1[1]f s after the fall"},
	{"link, %", "Ebb has %.1[1]f %% of the link"},
	{"upload, % of its link", "the upload against its ACKs %.0[1]f %% of its own"},
	{"queue p50, ms", "the queue is %.1[1]f ms long"},
	{"85 % regained after, s", "Ebb has 85 %% of the link %.1[1]f s after it has left"},
}

// finding says what a picture shows: the first two of the findings that the case has. Where nobody else sends, nobody keeps anything.
func finding(c *matrix.Case, figures []matrix.Figure, t *matrix.Trace, rival string) string {
	ours := slices.ContainsFunc(t.Flows, func(f matrix.FlowTrace) bool { return strings.HasPrefix(f.Name, "Ebb") })
	var said []string
	for _, f := range findings {
		i := slices.IndexFunc(figures, func(g matrix.Figure) bool { return g.Name == f.figure })
		order, ordered := strings.CutPrefix(f.figure, "keeps, ")
		switch {
		case i < 0 || len(said) == 2 || !ours:
		case strings.HasPrefix(f.figure, "keep") && rival == "":
		case ordered && !strings.HasPrefix(order, t.Name):
		case len(said) == 1 && (f.figure == "queue p50, ms" && rival != ""):
		default:
			said = append(said, fmt.Sprintf(f.sentence, math.Round(figures[i].Value*10)/10, rival)) // 1.25 is 1.3
		}
	}
	if len(said) == 0 {
		return c.String() + ": " + t.Name
	}
	return strings.Join(said, ", and ")
}

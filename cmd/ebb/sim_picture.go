package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"example.com/ebb/internal/lab/matrix"
)

// flowColors tell flows apart; with more of them they come round again.
var flowColors = []color.Color{
	color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}, color.RGBA{R: 0xd6, G: 0x27, B: 0x28, A: 0xff},
	color.RGBA{R: 0x2c, G: 0xa0, B: 0x2c, A: 0xff}, color.RGBA{R: 0xff, G: 0x7f, B: 0x0e, A: 0xff},
	color.RGBA{R: 0x94, G: 0x67, B: 0xbd, A: 0xff}, color.RGBA{R: 0x8c, G: 0x56, B: 0x4b, A: 0xff},
}

const (
	maxPoints  = 2000 // of a curve; more make the file larger and nothing clearer
	maxLegends = 8    // beyond it the legend would be the picture
)

// pictures draws into a directory, which is made if it is not there and found writable.
func pictures(dir string) (func(*matrix.Case, []matrix.Trace) error, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, usageErrorf("no pictures can be put into %s: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".ebb-sim-*")
	if err != nil {
		return nil, usageErrorf("no pictures can be put into %s: %w", dir, err)
	}
	probe.Close()
	os.Remove(probe.Name())
	return func(c *matrix.Case, traces []matrix.Trace) error {
		for i := range traces {
			path := filepath.Join(dir, pictureName(c, &traces[i]))
			if err := drawTrace(path, c, &traces[i]); err != nil {
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
func drawTrace(path string, c *matrix.Case, t *matrix.Trace) error {
	rate, queue, window := plot.New(), plot.New(), plot.New()
	rate.Title.Text = "row " + c.String() + ": " + t.Name
	rate.Y.Label.Text, queue.Y.Label.Text, window.Y.Label.Text = "goodput, Mbit/s", "queue, ms", "window, KB"
	window.X.Label.Text = "s"
	rate.Legend.Top = true
	if err := addCurve(queue, t.Queue, t.Step.Seconds(), flowColors[0], ""); err != nil {
		return err
	}
	for i, f := range t.Flows {
		name := f.Name
		if i >= maxLegends {
			name = ""
		}
		if err := addCurve(rate, f.Rate, t.RateStep.Seconds(), flowColors[i%len(flowColors)], name); err != nil {
			return err
		}
		if err := addCurve(window, f.Window, t.Step.Seconds(), flowColors[i%len(flowColors)], ""); err != nil {
			return err
		}
	}
	end := float64(len(t.Queue)-1) * t.Step.Seconds()
	rows := [][]*plot.Plot{{rate}, {queue}, {window}}
	canvas := vgsvg.New(8*vg.Inch, 8*vg.Inch)
	tiles := draw.Tiles{Rows: 3, Cols: 1, PadY: 2 * vg.Millimeter}
	for i, drawing := range plot.Align(rows, tiles, draw.New(canvas)) {
		rows[i][0].X.Min, rows[i][0].X.Max = 0, end
		rows[i][0].Y.Min = 0
		rows[i][0].Draw(drawing[0])
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// addCurve adds values that are a step of time apart. Of too many each group leaves its largest: a
// peak of the queue must not fall between two points.
func addCurve(p *plot.Plot, values []float64, step float64, c color.Color, name string) error {
	group := (len(values) + maxPoints - 1) / maxPoints
	var points plotter.XYs
	for i := 0; i < len(values); i += max(group, 1) {
		most := i
		for j := i; j < min(i+group, len(values)); j++ {
			if values[j] > values[most] {
				most = j
			}
		}
		points = append(points, plotter.XY{X: float64(most) * step, Y: values[most]})
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color = c
	p.Add(line)
	if name != "" {
		p.Legend.Add(name, line)
	}
	return nil
}

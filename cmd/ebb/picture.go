package main

import (
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
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

// picture is curves over time, in panels one above the other.
type picture struct {
	title  string
	end    float64 // seconds
	panels []panel
}

// panel is curves of one kind.
type panel struct {
	label  string
	curves []curve
}

// curve is values that are a step of time apart.
type curve struct {
	name   string // in the legend; empty: it has none
	values []float64
	step   float64 // seconds
	color  int     // of flowColors
}

// write draws the picture into a file, as SVG.
func (p *picture) write(path string) error {
	rows := make([][]*plot.Plot, len(p.panels))
	for i, panel := range p.panels {
		q := plot.New()
		q.Y.Label.Text = panel.label
		q.Legend.Top = true
		named := false
		for j, c := range panel.curves {
			if j >= maxLegends {
				c.name = ""
			}
			if err := c.addTo(q); err != nil {
				return err
			}
			named = named || c.name != ""
		}
		if named {
			q.Y.Max *= 1.25 // the legend stands above the curves
		}
		rows[i] = []*plot.Plot{q}
	}
	rows[0][0].Title.Text = p.title
	rows[len(rows)-1][0].X.Label.Text = "s"
	canvas := vgsvg.New(8*vg.Inch, vg.Length(len(rows))*8/3*vg.Inch)
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadY: 2 * vg.Millimeter}
	for i, drawing := range plot.Align(rows, tiles, draw.New(canvas)) {
		rows[i][0].X.Min, rows[i][0].X.Max = 0, p.end
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

// addTo adds the curve to a panel. Of too many values each group leaves its largest: a
// peak of the queue must not fall between two points.
func (c *curve) addTo(p *plot.Plot) error {
	group := (len(c.values) + maxPoints - 1) / maxPoints
	var points plotter.XYs
	for i := 0; i < len(c.values); i += max(group, 1) {
		most := i
		for j := i; j < min(i+group, len(c.values)); j++ {
			if c.values[j] > c.values[most] {
				most = j
			}
		}
		points = append(points, plotter.XY{X: float64(most) * c.step, Y: c.values[most]})
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return err
	}
	line.Color = flowColors[c.color%len(flowColors)]
	p.Add(line)
	if c.name != "" {
		p.Legend.Add(c.name, line)
	}
	return nil
}

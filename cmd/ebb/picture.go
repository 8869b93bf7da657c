package main

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"example.com/ebb/internal/lab/svgtext"
)

// flowColors tell flows apart, for most colour-blind people too (Okabe and Ito); with more of them they come round again.
var flowColors = []color.Color{
	color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff},
	color.RGBA{R: 0x00, G: 0x9e, B: 0x73, A: 0xff}, color.RGBA{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff},
	color.RGBA{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff}, color.RGBA{R: 0x66, G: 0x66, B: 0x66, A: 0xff},
}

// ink is the colour of text and axes, grid that of the lines behind curves.
var (
	ink  = color.RGBA{R: 0x22, G: 0x22, B: 0x22, A: 0xff}
	grid = color.RGBA{R: 0xdd, G: 0xdd, B: 0xdd, A: 0xff}
)

const (
	maxPoints  = 2000 // of a curve; more make the file larger and nothing clearer
	maxLegends = 6    // beyond it the legend would be the picture

	pictureWidth = 760 // of a picture, points
	pictureEdge  = 12
	panelHeight  = 150
	titleSize    = 15
	labelSize    = 11
	titleLetters = 84 // of a line of the title
)

// picture is curves over time, in panels one above the other, on one axis of time.
type picture struct {
	title  string  // what it shows, in a sentence, or in one per line
	below  string  // under the title: of what it is
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
	name   string // above the panel; empty: it has none
	values []float64
	step   float64 // seconds
	color  int     // of flowColors
}

// write draws the picture into a file, as SVG that needs no font and has a ground of its own.
func (p *picture) write(path string) error {
	svg, err := p.svg()
	if err != nil {
		return err
	}
	return os.WriteFile(path, svg, 0o666)
}

func (p *picture) svg() ([]byte, error) {
	rows := make([][]*plot.Plot, len(p.panels))
	for i := range p.panels {
		q, err := p.panels[i].plot(p.end, i == len(p.panels)-1)
		if err != nil {
			return nil, err
		}
		rows[i] = []*plot.Plot{q}
	}
	var title []string
	for _, sentence := range strings.Split(p.title, "\n") {
		title = append(title, balanced(sentence, titleLetters)...)
	}
	height := vg.Length(len(rows))*panelHeight + 2*pictureEdge + vg.Length(len(title))*titleSize*1.3 + labelSize*1.5
	canvas := vgsvg.New(pictureWidth, height)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	y := all.Max.Y - pictureEdge - titleSize
	for _, line := range title {
		all.FillText(lettering(titleSize, true), vg.Point{X: pictureEdge, Y: y}, line)
		y -= titleSize * 1.3
	}
	all.FillText(lettering(labelSize, false), vg.Point{X: pictureEdge, Y: y + titleSize - labelSize}, p.below)
	y -= labelSize / 2
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadY: 2 * vg.Millimeter}
	area := draw.Crop(all, pictureEdge, -pictureEdge, pictureEdge, y-all.Max.Y)
	for i, drawing := range plot.Align(rows, tiles, area) {
		rows[i][0].Draw(drawing[0])
		p.panels[i].head(draw.Canvas{Canvas: all.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: pictureEdge, Y: drawing[0].Min.Y}, Max: drawing[0].Max,
		}})
	}
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	return svgtext.Portable(out.Bytes(), func(text string, size float64, bold bool) float64 {
		return lettering(vg.Length(size), bold).Width(text).Points()
	}), nil
}

// lettering is the style of text in a picture.
func lettering(size font.Length, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	if bold {
		f.Weight = 3 // bold
	}
	return text.Style{Color: ink, Font: f, Handler: plot.DefaultTextHandler}
}

// balanced is a text in as few lines of so many letters as it takes, which are about as long as each other.
func balanced(text string, letters int) []string {
	lines := wrapped(text, letters)
	for fewer := letters - 1; fewer > 0; fewer-- {
		even := wrapped(text, fewer)
		if len(even) > len(lines) {
			break
		}
		lines = even
	}
	return lines
}

// wrapped is a text in lines of so many letters.
func wrapped(text string, letters int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > letters {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}

// plot makes the axes and curves of a panel; timed says that it is the one with the times.
func (p *panel) plot(end float64, timed bool) (*plot.Plot, error) {
	q := plot.New()
	q.BackgroundColor = nil
	q.Title.Text, q.Title.TextStyle, q.Title.Padding = " ", lettering(labelSize, false), 4 // where head goes
	for _, axis := range []*plot.Axis{&q.X, &q.Y} {
		axis.Tick.Label.Font, axis.Tick.Label.Color = lettering(labelSize, false).Font, ink
		axis.Label.TextStyle.Font, axis.Label.TextStyle.Color = lettering(labelSize, false).Font, ink
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = ink, ink
	}
	lines := plotter.NewGrid()
	lines.Vertical.Color, lines.Horizontal.Color = grid, grid
	q.Add(lines)
	for i := range p.curves {
		if err := p.curves[i].addTo(q); err != nil {
			return nil, err
		}
	}
	q.X.Min, q.X.Max, q.Y.Min = 0, end, 0
	q.Y.Max = max(q.Y.Max*1.05, 1e-3)
	q.X.Tick.Marker, q.Y.Tick.Marker = roundTicks(10), roundTicks(5)
	if timed {
		q.X.Label.Text = "seconds"
		return q, nil
	}
	q.X.Tick.Label.Color = color.Transparent
	q.X.Tick.Label.Font.Size = 1
	return q, nil
}

// roundTicks marks an axis at round numbers, as many as that at most, and one more.
func roundTicks(most float64) plot.TickerFunc {
	return func(low, high float64) []plot.Tick {
		step := math.Pow(10, math.Floor(math.Log10((high-low)/most)))
		for _, more := range []float64{2, 2.5, 2} {
			if (high-low)/step > most {
				step *= more
			}
		}
		var ticks []plot.Tick
		for i := math.Ceil(low / step); i*step <= high+step/1e6; i++ {
			ticks = append(ticks, plot.Tick{Value: i * step, Label: strconv.FormatFloat(i*step, 'g', 6, 64)})
		}
		return ticks
	}
}

// head writes above a panel what it shows, and which curve is whose.
func (p *panel) head(c draw.Canvas) {
	style := lettering(labelSize, true)
	at := vg.Point{X: c.Min.X, Y: c.Max.Y - labelSize}
	c.FillText(style, at, p.label)
	at.X += style.Width(p.label) + 12
	style = lettering(labelSize, false)
	for i, curve := range p.curves {
		if curve.name == "" || i >= maxLegends {
			continue
		}
		line := draw.LineStyle{Color: flowColors[curve.color%len(flowColors)], Width: 3}
		middle := at.Y + labelSize/3
		c.StrokeLines(line, []vg.Point{{X: at.X, Y: middle}, {X: at.X + 16, Y: middle}})
		at.X += 20
		c.FillText(style, at, curve.name)
		at.X += style.Width(curve.name) + 12
	}
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
	line.Color, line.Width = flowColors[c.color%len(flowColors)], 1.5
	p.Add(line)
	return nil
}

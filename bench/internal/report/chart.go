package report

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/raw"
	"example.com/ebb/internal/lab/svgtext"
)

// WriteChart draws how fast one connection and eight move bytes, and what the
// kernel's datagrams would admit. The path's extension says in which format:
// svg, png or pdf.
func (r *Report) WriteChart(path string) error {
	var names []string
	var one, eight plotter.Values
	for _, p := range r.Peers {
		rate, ok := r.median(p.Name, measure.BulkRate)
		if !ok {
			rate, ok = r.median(p.Name, raw.Rate)
		}
		if !ok || rate < 1e6 {
			continue
		}
		both, _ := r.median(p.Name, measure.EightRate)
		names = append(names, p.Name)
		one = append(one, exponent(rate))
		eight = append(eight, exponent(both))
	}
	if len(names) == 0 {
		return errors.New("there is no bulk rate to draw")
	}
	slices.Reverse(names) // the axis goes upwards
	slices.Reverse(one)
	slices.Reverse(eight)
	return draw(path, r.finding(), names, one, eight)
}

// finding is what the chart shows, in a sentence, where Ebb and one of those it is compared with took part.
func (r *Report) finding() string {
	said := "Bulk over loopback"
	ours, ok := r.median("ebb", measure.BulkRate)
	if !ok {
		return said
	}
	said = "On one connection over loopback Ebb moves " + strconv.FormatFloat(ours/1e6, 'f', 0, 64) + " MB/s"
	joint := ":\n"
	for _, other := range []struct{ peer, name string }{{"tcp-cubic", "TCP with CUBIC"}, {"tcp-bbr", "TCP with BBR"}, {"quic-go", "quic-go"}} {
		if rate, ok := r.median(other.peer, measure.BulkRate); ok && rate > 0 {
			said += fmt.Sprintf("%s%.2g times %s", joint, ours/rate, other.name)
			joint = ", "
		}
	}
	return said
}

func draw(path, finding string, names []string, one, eight plotter.Values) error {
	p := plot.New()
	p.Title.Text = finding + "\none connection in blue, eight together in orange; MB/s"
	p.Title.Padding = 6
	p.X.Label.Text = "MB/s, logarithmic"
	p.Y.Label.Text = " " // room for long names
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font} {
		*f = sans
	}
	p.Title.TextStyle.Font.Size = 13
	for _, b := range []struct {
		values plotter.Values
		color  color.Color
		offset vg.Length
	}{
		{one, color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, 5},
		{eight, color.RGBA{R: 0xe6, G: 0x9f, B: 0x00, A: 0xff}, -5},
	} {
		chart, err := plotter.NewBarChart(b.values, 9)
		if err != nil {
			return err
		}
		chart.Color, chart.Offset, chart.Horizontal = b.color, b.offset, true
		chart.LineStyle.Width = 0
		chart.XMin = 0
		figures, err := figuresOf(b.values, b.offset, sans)
		if err != nil {
			return err
		}
		p.Add(chart, figures)
	}
	p.NominalY(names...)
	p.Y.Padding += 5
	top := math.Ceil(highest(one, eight))
	p.X.Min, p.X.Max = 0, top+0.4 // room for figures; NominalY and Add move them
	p.X.Tick.Marker = powers(int(top))
	return write(p, path, 8*vg.Inch, vg.Length(len(names))*0.38*vg.Inch+1.2*vg.Inch)
}

// figuresOf writes the rates behind their bars.
func figuresOf(exponents plotter.Values, offset vg.Length, f font.Font) (*plotter.Labels, error) {
	var at plotter.XYLabels
	for i, e := range exponents {
		said := ""
		if e > 0 {
			rate := math.Pow(10, e)
			said = strconv.FormatFloat(rate, 'f', max(0, 1-int(e)), 64)
		}
		at.XYs = append(at.XYs, plotter.XY{X: e, Y: float64(i)})
		at.Labels = append(at.Labels, said)
	}
	labels, err := plotter.NewLabels(at)
	if err != nil {
		return nil, err
	}
	labels.Offset = vg.Point{X: 3, Y: offset - 3.5}
	f.Size = 9
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font = f
	}
	return labels, nil
}

// write writes a plot into a file. An SVG's letters are of whatever font without serifs there is where it is looked at.
func write(p *plot.Plot, path string, width, height vg.Length) error {
	if filepath.Ext(path) != ".svg" {
		return p.Save(width, height, path)
	}
	svg, err := p.WriterTo(width, height, "svg")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if _, err := svg.WriteTo(&out); err != nil {
		return err
	}
	style := text.Style{Font: p.Title.TextStyle.Font, Handler: plot.DefaultTextHandler}
	drawn := svgtext.Portable(out.Bytes(), func(said string, size float64, _ bool) float64 {
		style.Font.Size = vg.Length(size)
		return style.Width(said).Points()
	})
	return os.WriteFile(path, drawn, 0o666)
}

// exponent is the power of ten of a rate in MB/s, and 0 for what is less than
// 1: bars begin at 0, where a logarithmic axis has nothing.
func exponent(rate float64) float64 { return math.Log10(max(rate/1e6, 1)) }

// powers labels the exponents with what they stand for.
func powers(top int) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for n := range top + 1 {
		ticks = append(ticks, plot.Tick{Value: float64(n), Label: strconv.Itoa(int(math.Pow10(n)))})
	}
	return ticks
}

func highest(sets ...plotter.Values) float64 {
	top := 1.0
	for _, s := range sets {
		for _, v := range s {
			top = max(top, v)
		}
	}
	return top
}

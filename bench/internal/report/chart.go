package report

import (
	"errors"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/raw"
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
	return draw(path, names, one, eight)
}

func draw(path string, names []string, one, eight plotter.Values) error {
	p := plot.New()
	p.Title.Text = "Bulk over loopback: one connection (blue), eight together (orange)"
	p.Y.Label.Text = " " // room for long names
	p.X.Label.Text = "MB/s, logarithmic"
	p.X.Min, p.X.Max = 0, math.Ceil(highest(one, eight))
	p.X.Tick.Marker = powers(int(p.X.Max))
	bars := []struct {
		values plotter.Values
		color  color.Color
		offset vg.Length
	}{
		{one, color.RGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}, 4},
		{eight, color.RGBA{R: 0xf0, G: 0xa0, B: 0x30, A: 0xff}, -4},
	}
	for _, b := range bars {
		chart, err := plotter.NewBarChart(b.values, 8)
		if err != nil {
			return err
		}
		chart.Color, chart.Offset, chart.Horizontal = b.color, b.offset, true
		chart.LineStyle.Width = 0
		chart.XMin = 0
		p.Add(chart)
	}
	p.NominalY(names...)
	p.X.Min, p.X.Max = 0, math.Ceil(highest(one, eight)) // NominalY and Add move them
	return p.Save(7*vg.Inch, vg.Length(len(names))*0.35*vg.Inch+vg.Inch, path)
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

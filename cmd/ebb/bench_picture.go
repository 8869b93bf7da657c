package main

import (
	"fmt"
	"time"

	"example.com/ebb/internal/lab/matrix"
)

// drawShared draws the runs of bench's shared line, those beside Ebb and those beside CUBIC, on one axis of time.
func drawShared(path string, all []matrix.Beside) error {
	p := picture{
		title: fmt.Sprintf("Beside Ebb a CUBIC download keeps %.0f %% of its rate, beside another CUBIC %.0f %%.\n"+
			"A call's packets take %.0f ms beside Ebb, beside CUBIC %.0f ms.", all[1].Kept, all[2].Kept, all[1].P95, all[2].P95),
		below: "One line of " + matrix.ForegroundLine() + ", simulated. Rates are means of a second.",
	}
	delay := panel{label: "A call's packets, one way, ms"}
	for i, b := range all[1:] {
		t := &b.Download
		p.end = float64(len(t.Queue)-1) * t.Step.Seconds()
		rate := panel{label: "Beside " + b.Bulk + ", Mbit/s"}
		for _, f := range t.Flows {
			c := curve{f.Name, smoothed(f.Rate, int(time.Second/t.RateStep)), t.RateStep.Seconds(), 1}
			switch f.Name {
			case "Ebb":
				c.color = 0
			case "CUBIC":
				c.name, c.color = "another CUBIC", 3
			}
			rate.curves = append(rate.curves, c)
		}
		p.panels = append(p.panels, rate)
		delay.curves = append(delay.curves, curve{"beside " + b.Bulk, oneWay(&b.Call), b.Call.Step.Seconds(), 3 * i})
	}
	p.panels = append(p.panels, delay)
	return p.write(path)
}

// smoothed is the mean of each value and of those before it, n in all.
func smoothed(values []float64, n int) []float64 {
	all, sum := make([]float64, len(values)), 0.0
	for i, v := range values {
		sum += v
		if i >= n {
			sum -= values[i-n]
		}
		all[i] = max(sum, 0) / float64(min(i+1, n))
	}
	return all
}

// oneWay is the queue with the time that the line itself takes, in ms.
func oneWay(t *matrix.Trace) []float64 {
	all := make([]float64, len(t.Queue))
	for i, wait := range t.Queue {
		all[i] = wait + matrix.ForegroundOneWay.Seconds()*1000
	}
	return all
}

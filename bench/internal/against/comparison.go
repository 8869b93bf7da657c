package against

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/report"
)

// tolerance is how much worse the median of the ratios may be.
const tolerance = 0.03

// Comparison is what came out.
type Comparison struct {
	Machine     report.Machine `json:"machine"`
	Start       time.Time      `json:"start"`
	Old         Tree           `json:"old"`
	New         Tree           `json:"new"`
	SlotSeconds float64        `json:"slot_seconds"`
	Figures     []Figure       `json:"figures"`
	// Skipped is the turns that one tree cannot take, Failures those that failed.
	Skipped  []string `json:"skipped,omitempty"`
	Failures []string `json:"failures,omitempty"`
}

// Figure is one metric of one peer in all pairs in which both trees have it.
type Figure struct {
	Peer      string         `json:"peer"`
	Metric    measure.Metric `json:"metric"`
	Old       []float64      `json:"old"`
	New       []float64      `json:"new"`
	OldMedian float64        `json:"old_median"`
	NewMedian float64        `json:"new_median"`
	// Ratios are new to old, each within a pair, and Ratio is the three that tell of them.
	Ratios []float64     `json:"ratios"`
	Ratio  report.Spread `json:"ratio"`
	// WorsePairs is how many ratios are on the bad side of 1. Of equal trees it is about a half.
	WorsePairs int  `json:"worse_pairs"`
	Worse      bool `json:"worse"` // by more than the tolerance, in the median of the ratios
}

func newComparison(c Config) *Comparison {
	m := report.ThisMachine()
	m.Revision = c.New.Revision
	return &Comparison{
		Machine: m, Start: time.Now().UTC().Truncate(time.Second),
		Old: c.Old, New: c.New, SlotSeconds: c.Slot.Seconds(),
	}
}

// Err is an error if a figure is worse or a turn failed.
func (c *Comparison) Err() error {
	worse := 0
	for _, f := range c.Figures {
		if f.Worse {
			worse++
		}
	}
	var found []string
	if worse > 0 {
		found = append(found, fmt.Sprintf("figures more than %.0f %% worse: %d of %d", 100*tolerance, worse, len(c.Figures)))
	}
	if n := len(c.Failures); n > 0 {
		found = append(found, fmt.Sprintf("turns that failed: %d", n))
	}
	if len(found) == 0 {
		return nil
	}
	return errors.New(strings.Join(found, "; "))
}

// add notes what the two trees have of a peer in a pair. What only one has is left out.
func (c *Comparison) add(peer string, before, after measure.Sample) {
	for metric := range after {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.metric == metric }) {
			panic(fmt.Sprintf("BUG: nobody knows which direction of %s is better", metric))
		}
	}
	for _, k := range kinds {
		o, had := before[k.metric]
		n, has := after[k.metric]
		if had && has {
			c.figure(peer, k.metric).add(k, o, n)
		}
	}
}

func (c *Comparison) figure(peer string, metric measure.Metric) *Figure {
	for i := range c.Figures {
		if f := &c.Figures[i]; f.Peer == peer && f.Metric == metric {
			return f
		}
	}
	c.Figures = append(c.Figures, Figure{Peer: peer, Metric: metric})
	return &c.Figures[len(c.Figures)-1]
}

// add notes a pair and judges all so far.
func (f *Figure) add(k kind, before, after float64) {
	f.Old, f.New = append(f.Old, before), append(f.New, after)
	f.Ratios = append(f.Ratios, k.ratio(before, after))
	f.OldMedian, f.NewMedian = report.NewSpread(f.Old).Median, report.NewSpread(f.New).Median
	f.Ratio = report.NewSpread(f.Ratios)
	if k.worse(f.Ratios[len(f.Ratios)-1], 0) {
		f.WorsePairs++
	}
	f.Worse = k.worse(f.Ratio.Median, tolerance)
}

package matrix

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"example.com/ebb/congestion"
)

// Plan says how the cases are run.
type Plan struct {
	Subject congestion.Factory // the controller that is judged
	Seeds   int                // at least 1
	First   uint64             // seed
	Quick   bool               // shortened runs, for every day
	Workers int                // runs at a time; 0: as many as processors
	// Picture, if not nil, is given the figures of the first seed of every case, and what it has shown. Calls come one at
	// a time, in no order.
	Picture func(*Case, []Figure, []Trace) error
	// Progress, if not nil, is told of every case that is complete, one at a time.
	Progress func(*Result)
}

// Result is a case with the figures of all seeds.
type Result struct {
	Row     string    `json:"row"`
	Case    string    `json:"case"`
	Seeds   int       `json:"seeds"`
	Figures []Outcome `json:"figures"`
}

// Outcome is one figure over all seeds, and its bar.
type Outcome struct {
	Figure string    `json:"figure"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Values []float64 `json:"values"` // by seed

	Worst float64 `json:"worst"` // of the seeds, as the bar sees it; without a bar the least
	Bar   string  `json:"bar,omitempty"`
	Met   bool    `json:"met"` // true without a bar
}

// Missed reports whether a bar of the case was missed.
func (r *Result) Missed() bool {
	return slices.ContainsFunc(r.Figures, func(o Outcome) bool { return !o.Met })
}

// Run runs every case with every seed and returns the results in the order of the cases. Equal plans
// and cases give equal results. It fails when ctx ends, when a picture cannot be drawn, and for a
// plan that makes no sense.
func Run(ctx context.Context, plan Plan, cases []Case) ([]Result, error) {
	if plan.Seeds < 1 || plan.Subject == nil {
		return nil, fmt.Errorf("matrix: a plan with %d seeds, subject given: %v", plan.Seeds, plan.Subject != nil)
	}
	r := &runner{plan: plan, cases: cases, runs: make([][][]Figure, len(cases)), left: make([]int, len(cases)), results: make([]Result, len(cases))}
	for i := range cases {
		r.runs[i] = make([][]Figure, plan.Seeds)
		r.left[i] = plan.Seeds
	}
	workers := plan.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	jobs := make(chan [2]int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for j := range jobs {
				r.run(j[0], j[1])
			}
		})
	}
	r.deal(ctx, jobs)
	close(jobs)
	all.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.err != nil {
		return nil, r.err
	}
	judgeTogether(cases, r.results)
	return r.results, nil
}

// runner is a Run under way.
type runner struct {
	plan  Plan
	cases []Case

	mu      sync.Mutex
	runs    [][][]Figure // by case and seed
	left    []int        // seeds that are to come, by case
	results []Result
	err     error // the first that a picture met with
}

// deal hands out the runs, case by case.
func (r *runner) deal(ctx context.Context, jobs chan<- [2]int) {
	for i := range r.cases {
		for s := range r.plan.Seeds {
			select {
			case jobs <- [2]int{i, s}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// run runs one case with one seed.
func (r *runner) run(i, s int) {
	env := &Env{Subject: r.plan.Subject, Seed: r.plan.First + uint64(s), Quick: r.plan.Quick, keep: s == 0 && r.plan.Picture != nil}
	figures := r.cases[i].Measure(env)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs[i][s] = figures
	r.left[i]--
	if env.keep && r.err == nil {
		r.err = r.plan.Picture(&r.cases[i], figures, traces(env.labs))
	}
	if r.left[i] == 0 {
		r.results[i] = judge(&r.cases[i], r.runs[i])
		if r.plan.Progress != nil {
			r.plan.Progress(&r.results[i])
		}
	}
}

// judge puts the figures of all seeds together and compares them with the bars.
func judge(c *Case, runs [][]Figure) Result {
	r := Result{Row: c.Row, Case: c.Name, Seeds: len(runs)}
	for k, f := range runs[0] {
		o := Outcome{Figure: f.Name, Met: true}
		for _, figures := range runs {
			o.Values = append(o.Values, figures[k].Value)
		}
		sorted := slices.Sorted(slices.Values(o.Values))
		n := len(sorted)
		o.Median, o.Min, o.Worst, o.Max = (sorted[(n-1)/2]+sorted[n/2])/2, sorted[0], sorted[0], sorted[n-1]
		if b := slices.IndexFunc(c.Bars, func(b Bar) bool { return b.Figure == f.Name }); b >= 0 {
			bar := c.Bars[b]
			if bar.Most {
				o.Worst = o.Max
			}
			o.Bar, o.Met = bar.String(), bar.met(o.Median, o.Worst)
		}
		r.Figures = append(r.Figures, o)
	}
	for _, b := range c.Bars {
		if !slices.ContainsFunc(r.Figures, func(o Outcome) bool { return o.Figure == b.Figure }) {
			panic("BUG: a bar for " + b.Figure + ", which " + c.String() + " does not yield")
		}
	}
	return r
}

// withYielding is the rows whose bars have to hold with the same controller for row 12 to count:
// tolerance of loss must not be bought by not yielding.
func withYielding() []string { return []string{"4", "5", "6", "7", "11"} }

// judgeTogether adds to row 12 whether those rows, if they were run, have met their bars.
func judgeTogether(cases []Case, results []Result) {
	var ran, missed []string
	for i := range results {
		row := cases[i].Row
		if !slices.Contains(withYielding(), row) {
			continue
		}
		if !slices.Contains(ran, row) {
			ran = append(ran, row)
		}
		if results[i].Missed() && !slices.Contains(missed, row) {
			missed = append(missed, row)
		}
	}
	if len(ran) < len(withYielding()) {
		return
	}
	for i := range results {
		if cases[i].Row == "12" {
			n := float64(len(missed))
			bar := atMost("yielding rows missed", 0)
			results[i].Figures = append(results[i].Figures, Outcome{
				Figure: bar.Figure, Median: n, Worst: n, Min: n, Max: n, Values: []float64{n}, Bar: bar.String(), Met: n == 0,
			})
		}
	}
}

package matrix

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/cubic"
)

// Beside is what traffic that somebody waits for has while a bulk flow shares its line.
type Beside struct {
	Bulk     string  `json:"beside"`                // "nothing", "Ebb" or "CUBIC"
	Had      float64 `json:"bulk_percent_of_link"`  // what the bulk flow had of the link beside the download
	Kept     float64 `json:"download_percent_kept"` // goodput of a CUBIC download, of what it has alone
	P50      float64 `json:"call_p50_ms"`           // one way, of a call's packets, while the bulk flow was there
	P95      float64 `json:"call_p95_ms"`           // the same
	Lost     float64 `json:"call_percent_lost"`     // of all the call's packets
	Download Trace   `json:"-"`                     // the download until 50 s, the bulk flow from 10 s on
	Call     Trace   `json:"-"`                     // the bulk flow from 10 s to 50 s
}

// The line of Foreground, and when its flows come and go.
const (
	foregroundRate   = 20 * mbit
	foregroundRTT    = 40 * ms
	foregroundBuffer = 250 * kb
	foregroundJoins  = 10 * second // the bulk flow
	foregroundLeaves = 50 * second // the download
	foregroundEnds   = 60 * second
)

// ForegroundOneWay is what a packet takes over the line of Foreground when nothing waits there.
const ForegroundOneWay = foregroundRTT / 2

// ForegroundLine says what the flows of Foreground share.
func ForegroundLine() string {
	return fmt.Sprintf("%d Mbit/s, with a round trip of %d ms and a buffer of %d KB", foregroundRate/mbit, foregroundRTT/ms, foregroundBuffer/kb)
}

// Foreground measures a download with CUBIC and, in runs of its own, a call of 3 Mbit/s, each with the line for itself,
// beside a bulk flow of the subject, called Ebb, and beside one of CUBIC. Equal arguments give equal figures. It fails when
// ctx ends.
func Foreground(ctx context.Context, subject congestion.Factory, seed uint64) ([]Beside, error) {
	if err := congestion.Check(subject); err != nil {
		return nil, err
	}
	all := []Beside{{Bulk: "nothing"}, {Bulk: "Ebb"}, {Bulk: "CUBIC"}}
	factories := []congestion.Factory{nil, subject, cubic.Unpaced()}
	downloads := make([]float64, len(all))
	env := func() *Env { return &Env{Subject: subject, Seed: seed} }
	var runs []func()
	for i := range all {
		runs = append(runs,
			func() { downloads[i] = all[i].download(env(), factories[i]) },
			func() { all[i].call(env(), factories[i]) })
	}
	jobs := make(chan func())
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for run := range jobs {
				run()
			}
		})
	}
	for _, run := range runs {
		if ctx.Err() == nil {
			jobs <- run
		}
	}
	close(jobs)
	group.Wait()
	for i := range all {
		all[i].Kept = 100 * downloads[i] / downloads[0]
	}
	return all, ctx.Err()
}

func foregroundPath() path {
	return path{rate: foregroundRate, rtt: foregroundRTT, buffer: foregroundBuffer}
}

// download returns the goodput of a CUBIC download while the bulk flow is there too.
func (b *Beside) download(e *Env, bulk congestion.Factory) float64 {
	l := e.lab("download beside "+b.Bulk, foregroundPath())
	theirs := l.bulk("CUBIC download", cubic.Unpaced(), 0)
	from, to := (foregroundJoins + settling).Truncate(flowStep), foregroundLeaves
	var f *flow
	if bulk != nil {
		f = l.bulk(b.Bulk, bulk, foregroundJoins)
		theirs.stop(foregroundLeaves)
	}
	l.until(foregroundEnds)
	if f != nil {
		b.Had = f.share(from, to)
	}
	b.Download = traces([]*lab{l})[0]
	return theirs.goodput(from, to)
}

// call measures what a call sees.
func (b *Beside) call(e *Env, bulk congestion.Factory) {
	l := e.lab("call beside "+b.Bulk, foregroundPath())
	c := steadyCall().start(l, second, foregroundEnds-second)
	if bulk != nil {
		l.bulk(b.Bulk, bulk, foregroundJoins).stop(foregroundLeaves)
	}
	l.At(foregroundJoins+settling, func() { c.took = nil })
	l.until(foregroundLeaves)
	b.P50, b.P95, b.Lost = c.percentile(50), c.percentile(95), c.flow.lost()
	l.until(foregroundEnds)
	b.Call = traces([]*lab{l})[0]
}

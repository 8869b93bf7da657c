package simnet

import "time"

// Busy is a processor that others need now and then: the station's process stands still for a while, at times drawn
// from a seed.
type Busy struct {
	PerMinute   int           // how often, in the mean; above 0
	Length      time.Duration // each time
	From, Until time.Duration // it begins in this time
	First       Order         // what the process looks at first when it goes on
}

// SetBusy makes the station's process stand still as Busy says: see Pause. A minute has PerMinute equal parts, each
// with one such time in it. One that finds the process paused or dead is left out. ends is when each is over.
func (st *Station) SetBusy(b Busy, seed uint64) (ends []time.Duration) {
	if b.PerMinute <= 0 {
		panic("BUG: a processor that is busy at no time")
	}
	part, d := time.Minute/time.Duration(b.PerMinute), dice{seed}
	for n := 0; ; n++ {
		at := b.From + time.Duration(n)*part + d.upTo(rollBusy, n, max(part-b.Length, 1))
		if at >= b.Until {
			return ends
		}
		ends = append(ends, at+b.Length)
		st.sim.At(at, func() {
			if st.process.state != running {
				return
			}
			life := st.process.life
			st.Pause()
			st.sim.After(b.Length, func() {
				if st.process.life == life {
					st.Resume(b.First)
				}
			})
		})
	}
}

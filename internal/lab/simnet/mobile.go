package simnet

import "time"

// Mobile is what a generated trace is like: a cellular link's rate that wanders, and pauses.
type Mobile struct {
	Mean int64 // bytes a second, from 15,000 to 10,000,000
	// Spread is how far the rate wanders from its middle, as a standard deviation in hundredths of a factor of two.
	Spread int
	// Over is the time in which it forgets where it was.
	Over time.Duration
	// Clump is how many opportunities come together; 0 is one.
	Clump int
	// Pauses is how many times a minute nothing leaves, for up to Longest, mostly for less.
	Pauses  int
	Longest time.Duration
}

const (
	mobileStep = 100 * time.Millisecond // between two changes of the rate
	octave     = 256                    // in units of the rate's logarithm
	mobileMost = 16                     // clumps in a millisecond
)

// octaves is 2^(i/16), times 2^16.
func octaves() [16]int64 {
	return [16]int64{65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752, 92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515}
}

// Trace makes a trace of a length, from a second to ten minutes, from a seed. Equal arguments give equal traces on
// every machine: it computes in integers.
func (m Mobile) Trace(length time.Duration, seed uint64) *Trace {
	if m.Mean < 15_000 || m.Mean > 10_000_000 || m.Over < mobileStep || length < time.Second || length > 10*time.Minute {
		panic("BUG: a mobile link that is none")
	}
	d := dice{seed}
	steps := int(length / mobileStep)
	weights, sum := m.weights(d, steps), int64(0)
	for _, w := range weights {
		sum += w
	}
	t := new(Trace)
	for ms := range int(length / time.Millisecond) {
		step := min(ms*int(time.Millisecond)/int(mobileStep), steps-1)
		if weights[step] == 0 {
			continue
		}
		// Each of the parts of a millisecond has an opportunity or not: chance is in 2^32ths.
		clump := max(m.Clump, 1)
		perStep := m.Mean * int64(length/time.Millisecond) / 1000 * weights[step] / sum // bytes
		chance := perStep << 32 / int64(opportunity*clump) / int64(mobileStep/time.Millisecond) / mobileMost
		for i := range mobileMost {
			if int64(d.draw(rollSlot, ms*mobileMost+i)>>32) >= chance {
				continue
			}
			for range clump {
				t.add(time.Duration(ms) * time.Millisecond)
			}
		}
	}
	t.add(max(length, t.period))
	return t
}

// weights are the rate in each step, to one another; 0 in a pause.
func (m Mobile) weights(d dice, steps int) []int64 {
	weights := make([]int64, steps)
	level, pausedUntil := 0, 0
	// The standard deviation of a step is Spread·√(2·step/Over), that of a uniform number its range/√3.
	over := int(m.Over / mobileStep)
	reach := isqrt(m.Spread * octave / 100 * m.Spread * octave / 100 * 6 / over)
	for i := range weights {
		level += d.below(rollLevel, i, 2*reach+1) - reach - level/over
		level = max(-5*octave, min(level, 5*octave))
		if d.below(rollPause, i, int(time.Minute/mobileStep)) < m.Pauses {
			u := int64(d.below(rollPauseLength, i, 1024)) // the cube of it: mostly short
			pausedUntil = max(pausedUntil, i+1+int(int64(m.Longest/mobileStep-1)*u*u*u>>30))
		}
		if i < pausedUntil {
			continue
		}
		up := level + 6*octave // at least one octave
		weights[i] = octaves()[up%octave/16] << (up / octave)
	}
	return weights
}

// isqrt is the square root, rounded down.
func isqrt(n int) int {
	r := 0
	for (r+1)*(r+1) <= n {
		r++
	}
	return r
}

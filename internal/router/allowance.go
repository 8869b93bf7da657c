package router

import "time"

// allowance limits how often something is done: so many times a second, and a
// tenth of a second's worth at once. Its credit is counted in time.
type allowance struct {
	each   time.Duration // what one costs; 0: nothing is allowed
	most   time.Duration
	credit time.Duration
	last   time.Duration
}

func newAllowance(perSecond int) allowance {
	if perSecond <= 0 {
		return allowance{}
	}
	each := max(time.Second/time.Duration(perSecond), 1)
	most := max(time.Second/10, each)
	return allowance{each: each, most: most, credit: most}
}

// take reports whether it may be done once more now.
func (a *allowance) take(now time.Duration) bool {
	if a.each == 0 {
		return false
	}
	if now > a.last {
		a.credit = min(a.credit+now-a.last, a.most)
		a.last = now
	}
	if a.credit < a.each {
		return false
	}
	a.credit -= a.each
	return true
}

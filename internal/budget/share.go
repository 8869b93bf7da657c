package budget

// Unlimited is the total, and the rate, of a pool that limits nobody. Any negative value means the same.
const Unlimited int64 = -1

// Share is the documented formula: max(total/n, min), in bytes per second, of an integer division. n below
// 1 counts as 1, a negative min as 0. An Unlimited total has Unlimited shares.
func Share(total int64, n, min int64) int64 {
	if total < 0 {
		return Unlimited
	}
	return max(total/max(n, 1), min, 0)
}

// division is what a budget is divided into.
type division struct {
	rest    int64 // bytes per second: the total less what is used by those that it is not divided among
	min     int64 // each one's minimum
	n       int64 // among how many
	weights int64 // the sum of their weights
}

// share is what one of them gets, in bytes per second. The shares add up to rest at most, or to
// n·min if that is more. None gets more than all of it, even where the sum was read before others counted the weight in it: the sum
// is at least the weight. rest is at most MaxTotal and a weight at most MaxWeight, so nothing overflows.
func (d division) share(weight int64) int64 {
	if d.n == 1 && d.weights == weight {
		return max(d.rest, d.min) // the same, without a division
	}
	spare := d.rest - d.n*d.min
	if spare <= 0 || d.weights <= 0 {
		return d.min
	}
	return d.min + spare*weight/max(d.weights, weight)
}

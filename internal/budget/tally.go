package budget

import "sync/atomic"

// tally counts members and sums their weights, both in one word, so that who reads it sees the two agree.
type tally struct{ word atomic.Uint64 }

// weightBits is the width of the sum: MaxMembers times MaxWeight fits.
const weightBits = 36

func (t *tally) add(weight int64) { t.word.Add(1<<weightBits + uint64(weight)) }

func (t *tally) remove(weight int64) { t.word.Add(-(1<<weightBits + uint64(weight))) }

func (t *tally) read() (n, weights int64) {
	w := t.word.Load()
	return int64(w >> weightBits), int64(w & (1<<weightBits - 1))
}

package engine_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// troubles is what may befall a connection besides loss: each changes the rules of a link or stops a process, some
// from the beginning and some later, some for a while and some for good.
var troubles = map[string]func(w *world, r *rand.Rand){
	"a process is stopped": func(w *world, r *rand.Rand) {
		st := either(r, w.client, w.server)
		w.pause(st, moment(r), time.Duration(r.Int64N(int64(20*time.Second))), simnet.Order(r.IntN(2)))
	},
	"a process is killed": func(w *world, r *rand.Rand) {
		st := either(r, w.client, w.server)
		if r.IntN(2) == 0 {
			st.ReportEvery = time.Second
		}
		at := moment(r)
		if w.killed == nil { // two of them have nobody to tell of it
			w.killed = st
			w.At(at, st.Kill)
		}
	},
	"large packets vanish": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Match: simnet.Larger(1228 + r.IntN(300)), Loss: 1})
	},
	"only small packets pass": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Match: simnet.Larger(100 + r.IntN(1128)), Loss: 1})
	},
	"trains vanish": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Match: simnet.InTrain(r.IntN(5000)), Loss: 1})
	},
	"marked packets vanish": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Match: simnet.Marked(engine.ECT0), Loss: 1})
	},
	"all is marked": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Match: simnet.Marked(engine.ECT0), Mark: true, ECN: engine.CE})
	},
	"marks are erased": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Mark: true, ECN: engine.NotECT})
	},
	"small packets are lost": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Match: simnet.Smaller(100), Loss: 0.5})
	},
	"some are late": func(w *world, r *rand.Rand) {
		befall(w, r, simnet.Rule{Every: 2 + r.IntN(30), Late: time.Duration(r.Int64N(int64(300 * time.Millisecond)))})
	},
	"an outage": func(w *world, r *rand.Rand) {
		report := []simnet.ICMPCode{0, simnet.NetUnreachable, simnet.HostUnreachable}[r.IntN(3)]
		befall(w, r, simnet.Rule{Loss: 1, Report: report})
	},
}

// moment is when trouble begins: a third of it from the start.
func moment(r *rand.Rand) time.Duration {
	if r.IntN(3) == 0 {
		return 0
	}
	return time.Duration(r.Int64N(int64(8 * time.Second)))
}

func either[T any](r *rand.Rand, a, b T) T {
	if r.IntN(2) == 0 {
		return a
	}
	return b
}

// befall puts a rule in force on one link or both, mostly for a while.
func befall(w *world, r *rand.Rand, rule simnet.Rule) {
	rule.From = moment(r)
	if r.IntN(4) > 0 {
		rule.Until = rule.From + time.Duration(1+r.Int64N(int64(25*time.Second)))
	}
	which := r.IntN(3)
	for i, l := range []*simnet.Link{w.up, w.down} {
		if which == i {
			continue
		}
		c := l.Config()
		c.Rules = append(c.Rules, rule)
		l.SetConfig(0, c)
	}
}

// TestTroubledSeeds is TestSeeds with one to three troubles in each network. Connections may end for them, but never in
// silence: all bytes are delivered, or both sides have an error, as far as their processes live.
func TestTroubledSeeds(t *testing.T) { troubledSeeds(t, plain) }

func troubledSeeds(t *testing.T, secure protection) {
	t.Helper()
	names := slices.Sorted(maps.Keys(troubles))
	met := make(map[string]int)
	eachSeed(t, func(t *testing.T, seed uint64) bool {
		return runSeed(t, seed, secure, func(w *world, r *rand.Rand) {
			for range 1 + r.IntN(3) {
				name := names[r.IntN(len(names))]
				met[name]++
				troubles[name](w, r)
				if testing.Verbose() {
					t.Log(name)
				}
			}
		})
	})
	for _, name := range names {
		if met[name] == 0 && *seedCount >= 100 {
			t.Errorf("%s: in no seed", name)
		}
	}
}

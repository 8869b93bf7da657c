package pool

import (
	"iter"
	"maps"
	"slices"
	"sync/atomic"
)

// named is the pools of the process that are found by name. The map is replaced, never changed.
var named atomic.Pointer[map[string]*Pool]

// Default is the process-wide pool, which independent parts of a program share without knowing of each
// other. It limits nothing until someone calls its SetLimits. A connection is in it only if
// its Config says so.
func Default() *Pool { return Named("") }

// All yields the pools that are found by name and that somebody has asked for, in the order of their names: the empty one is Default's.
func All() iter.Seq2[string, *Pool] {
	return func(yield func(string, *Pool) bool) {
		pools := named.Load()
		if pools == nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(*pools)) { // order-free: they are sorted
			if !yield(name, (*pools)[name]) {
				return
			}
		}
	}
}

// Named is the process-wide pool of that name, made by the first call: it limits nothing until
// someone calls its SetLimits. Pools live as long as the process, so names are for a fixed few. The empty
// name is Default's.
func Named(name string) *Pool {
	for {
		old := named.Load()
		var pools map[string]*Pool
		if old != nil {
			pools = *old
		}
		if p := pools[name]; p != nil {
			return p
		}
		grown := maps.Clone(pools)
		if grown == nil {
			grown = make(map[string]*Pool)
		}
		grown[name] = unlimited()
		if named.CompareAndSwap(old, &grown) {
			return grown[name]
		}
	}
}

// Package impure breaks the rule wherever a comment says "want".
package impure

import (
	"crypto/rand" // want imports crypto/rand
	"maps"
	mrand "math/rand" // renamed, and imported only for its types: fine
	. "math/rand/v2"  // dot imports hide nothing
	"net"             // want imports net
	"net/http"        // want imports net/http
	"net/netip"
	"os" // want imports os
	"slices"
	"sync"        // want imports sync
	"sync/atomic" // want imports sync/atomic
	"syscall"     // want imports syscall
	clock "time"
)

var (
	_ = rand.Reader
	_ net.Conn
	_ http.Header
	_ netip.Addr
	_ = os.Args
	_ sync.Mutex
	_ atomic.Int64
	_ = syscall.EINVAL
)

func times() {
	_ = clock.Now()               // want uses time.Now
	_ = clock.Since(clock.Time{}) // want uses time.Since
	_ = clock.Until(clock.Time{}) // want uses time.Until
	clock.Sleep(1)                // want uses time.Sleep
	<-clock.After(1)              // want uses time.After
	clock.AfterFunc(1, nil)       // want uses time.AfterFunc
	clock.NewTimer(1)             // want uses time.NewTimer
	clock.NewTicker(1)            // want uses time.NewTicker
	clock.Tick(1)                 // want uses time.Tick
	now := clock.Now              // want uses time.Now
	_ = now
	_ = clock.Second
	_ = clock.Time{}.After(clock.Time{}) // a method: fine
}

func chance() {
	r := New(NewPCG(1, 2))
	_ = r.Uint64()
	_ = Uint64() // want uses the global generator: rand/v2.Uint64
	_ = mrand.New(mrand.NewSource(1)).Int()
	_ = mrand.Int() // want uses the global generator: math/rand.Int
	Shuffle(1, nil) // want uses the global generator: rand/v2.Shuffle
}

type table map[int]int

func order[M ~map[K]V, K comparable, V any](m map[int]int, t table, g M) (sum int) {
	for range m { // want ranges over a map without "// order-free: why"
	}
	for k := range t { // want ranges over a map without "// order-free: why"
		sum += k
	}
	for range g { // want ranges over a map without "// order-free: why"
	}
	for k := range m { // order-free: a sum
		sum += k
	}
	for k := range m { /* order-free: no */ // want ranges over a map without "// order-free: why"
		sum += k
	}
	for k := range m { // order-free:
		sum += k
	}
	for k := range maps.Keys(m) { // want calls maps.Keys without "// order-free: why"
		sum += k
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		sum += k
	}
	_ = slices.Collect(maps.Values(m)) // want calls maps.Values without "// order-free: why"
	for k := range maps.All(t) {       // order-free: a sum
		sum += k
	}
	for i := range []int{1} {
		sum += i
	}
	return sum
}

func threads() {
	go chance() // want starts a goroutine
}

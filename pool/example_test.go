package pool_test

import (
	"fmt"
	"net/netip"

	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

func ExampleShare() {
	for _, n := range []int64{1, 5, 10, 25, 50, 100} {
		fmt.Println(n, pool.Share(100_000_000, n, 2_000_000))
	}
	// Output:
	// 1 100000000
	// 5 20000000
	// 10 10000000
	// 25 4000000
	// 50 2000000
	// 100 2000000
}

// Something beside Ebb's connections counts as one of its peer's, here what copies to a backup. The peer is to have twice of what
// others have.
func ExamplePool_Join() {
	p, err := pool.New(3_000_000, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	backup := limits.PeerOf(netip.MustParseAddr("192.0.2.7"))
	if err := p.SetPeerWeight(backup, 2); err != nil {
		fmt.Println(err)
		return
	}
	m, err := p.Join(backup, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	fmt.Println(p.Members(), m.Rate(0)) // nobody else wants anything
	// Output: 1 3000000
}

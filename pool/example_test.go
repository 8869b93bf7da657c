package pool_test

import (
	"fmt"

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

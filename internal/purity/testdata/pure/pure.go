// Package pure shares a counter, which is all it may share.
package pure

import "sync/atomic"

var n atomic.Int64

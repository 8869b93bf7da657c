package main

import (
	"context"
	"sync"

	"example.com/ebb/cmd/ebb/internal/tree"
)

// expected is how much there is to send, once it was counted.
type expected struct {
	mu           sync.Mutex
	files, bytes int64
	known        bool
}

func (e *expected) totals() (files, bytes int64, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.files, e.bytes, e.known
}

// count goes through the sources beside the sending, so that the line of progress can say how much is left.
func (d *folderDisplay) count(ctx context.Context, sources []*tree.Source) {
	d.beats.Go(func() {
		var files, bytes int64
		tree.Walk(ctx, sources, func(item tree.Item) bool {
			if item.Err == nil && item.Kind == tree.File {
				files++
				bytes += item.Size
			}
			return true
		})
		d.expected.mu.Lock()
		defer d.expected.mu.Unlock()
		d.expected.files, d.expected.bytes, d.expected.known = files, bytes, ctx.Err() == nil
	})
}

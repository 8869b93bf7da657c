package prefetch

// write asks for the n bytes from p on; n is at least 1. A processor without the instruction treats
// it as a no-op.
//
//go:noescape
func write(p *byte, n int)

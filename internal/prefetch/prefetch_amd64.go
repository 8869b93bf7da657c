package prefetch

// write asks for the n bytes from p on, of which there is at least one. A processor without the
// instruction takes it for none.
//
//go:noescape
func write(p *byte, n int)

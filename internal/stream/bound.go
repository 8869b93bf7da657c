package stream

// Bound changes the largest window from now on. What is offered already stays: it is not taken back (RFC 9293 section 3.8.6).
func (p *Recv) Bound(window uint64) { p.maxWindow = max(window, p.window) }

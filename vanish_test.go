package ebb

// Vanish closes the endpoint's sockets and says nothing to anybody, as a process does that is killed.
func (e *Endpoint) Vanish() { e.endpoint.fail() }

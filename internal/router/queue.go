package router

// acceptQueue is the one book of the connections that wait for Accept, the oldest first. An entry is in it
// until it is taken out or turns out to be worth nothing, whether or not its connection still lives.
type acceptQueue[C comparable] struct {
	entryList[C]
	places int   // negative: no bound
	kept   int   // places of connections whose handshake is about to complete
	bytes  int64 // what both may hold of what they receive
}

// keep keeps a place for an entry that may hold so many bytes, if there is one.
func (q *acceptQueue[C]) keep(e *entry[C], bytes int) bool {
	if q.full() {
		return false
	}
	q.kept++
	q.charge(e, bytes)
	return true
}

// full reports whether there is no place left.
func (q *acceptQueue[C]) full() bool { return q.places >= 0 && q.length+q.kept >= q.places }

// release gives up the place that was kept for an entry.
func (q *acceptQueue[C]) release(e *entry[C]) {
	q.kept--
	q.charge(e, 0)
}

// push puts an entry into the place that was kept for it.
func (q *acceptQueue[C]) push(e *entry[C]) {
	q.kept--
	q.entryList.push(e)
}

// remove takes an entry out, from wherever it is.
func (q *acceptQueue[C]) remove(e *entry[C]) {
	q.charge(e, 0)
	q.entryList.remove(e)
}

// charge notes how many bytes an entry may hold from now on.
func (q *acceptQueue[C]) charge(e *entry[C], bytes int) {
	q.bytes += int64(bytes) - int64(e.bytes)
	e.bytes = bytes
}

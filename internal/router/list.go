package router

// entryList is a list of entries in the order in which they came. An entry is on one at a time.
type entryList[C comparable] struct {
	first, last *entry[C]
	length      int
}

// push appends an entry.
func (l *entryList[C]) push(e *entry[C]) {
	l.length++
	e.prev, e.next = l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
}

// remove takes an entry out, from wherever it is.
func (l *entryList[C]) remove(e *entry[C]) {
	l.length--
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}

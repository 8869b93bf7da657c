package budget

import "example.com/ebb/limits"

// tree finds peers. A node is never changed: who adds or removes a peer makes new nodes on the way to it, and puts the new
// tree in the place of the old one. So readers need no lock. It is a treap: priorities that no peer can choose keep it shallow, whatever
// the addresses are. nil is the empty tree.
type tree struct {
	peer        *peer
	priority    uint64
	left, right *tree
}

// find is the peer of that name, nil if there is none.
func (t *tree) find(key limits.Peer) *peer {
	for t != nil {
		switch c := key.Compare(t.peer.key); {
		case c < 0:
			t = t.left
		case c > 0:
			t = t.right
		default:
			return t.peer
		}
	}
	return nil
}

// insert is the tree with a peer that is not in it.
func (t *tree) insert(p *peer, priority uint64) *tree {
	if t == nil || priority > t.priority {
		left, right := t.split(p.key)
		return &tree{p, priority, left, right}
	}
	if p.key.Compare(t.peer.key) < 0 {
		return &tree{t.peer, t.priority, t.left.insert(p, priority), t.right}
	}
	return &tree{t.peer, t.priority, t.left, t.right.insert(p, priority)}
}

// split is the peers before a name that is not in the tree, and those behind it.
func (t *tree) split(key limits.Peer) (before, behind *tree) {
	if t == nil {
		return nil, nil
	}
	if key.Compare(t.peer.key) < 0 {
		before, middle := t.left.split(key)
		return before, &tree{t.peer, t.priority, middle, t.right}
	}
	middle, behind := t.right.split(key)
	return &tree{t.peer, t.priority, t.left, middle}, behind
}

// remove is the tree without the peer of a name.
func (t *tree) remove(key limits.Peer) *tree {
	if t == nil {
		return nil
	}
	switch c := key.Compare(t.peer.key); {
	case c < 0:
		return &tree{t.peer, t.priority, t.left.remove(key), t.right}
	case c > 0:
		return &tree{t.peer, t.priority, t.left, t.right.remove(key)}
	}
	return merge(t.left, t.right)
}

// merge is one tree of two, all of the first before all of the second.
func merge(a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		return &tree{a.peer, a.priority, a.left, merge(a.right, b)}
	}
	return &tree{b.peer, b.priority, merge(a, b.left), b.right}
}

// scramble makes a priority of a number, of which each is used once.
func scramble(n uint64) uint64 {
	n *= 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

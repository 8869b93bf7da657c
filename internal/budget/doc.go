// Package budget is what package pool is made of: the arithmetic of a budget that connections share, and what only a shaper
// needs of it. pool.Pool and pool.Member are this package's Pool and Member under other names, with the few methods that are for everybody:
// who may import this package converts one to the other.
//
// It is pure, and holds no lock: a pool is a few atomic words, and a tree of peers that is replaced and never changed.
package budget

// Package pool shares one budget of bandwidth between any number of connections, of one endpoint
// or many. It holds no goroutine, no timer and no lock: a Pool is a handful of atomic words for all and for each peer, and
// its members read what they may use, in some ten nanoseconds, whenever they are about to send.
//
// # The rule
//
// The documented formula divides the total by the members and never goes below the minimum:
//
//	per connection = max(total / members, minimum)
//
// Rate and Share are that formula, and SetStrict makes a pool follow it to the letter. Otherwise a
// pool is work-conserving and fair, among peers first and then among the connections of each. A peer is a limits.Peer: an IPv4 address, an IPv6
// /56, or an identity. So who opens forty connections has no more than who opens one.
//
// The total is divided max-min fairly by weight. A peer counts as soon
// as the pool throttles one of its members, and no longer than that. The others use less than their share, because of
// their application, their peer, their path or a limit of their own. What they use is metered, and
// the rest is divided among the peers that want more, and what each gets among its members in the same way:
//
//	rest          = total - what the peers use of whom nobody is throttled
//	share of peer = minimum + weight · (rest - peers · minimum) / weights of the throttled peers
//
//	rest          = share of peer - what those of its members use that are not throttled
//	share         = minimum + weight · (rest - throttled · minimum) / weights of its throttled members
//
// or the minimum, if the rest is less than that for each. Where peers compete, the minimum of a
// connection is at most an even part of what its peer has: otherwise it could have any multiple of it. If
// every connection has a peer of its own, or all have the same, and all are throttled, this is the formula above. A member that is not
// throttled may use what it would get if it were. A peer weighs as much as the heaviest member that it has had, unless SetPeerWeight says otherwise.
//
// # The total
//
// Rates alone do not keep a total: buckets that were full when their owners woke, and rates
// that are about to be lowered, add up. So all members also draw on one common bucket. In any
// time T they send at most total·T + 4·max(10 KB, 2 ms of the total, a packet) together. That includes control
// packets, which nothing delays, as long as they are few. Where minimum × members, or, if peers compete, minimum × peers,
// is more than the total, the minimum is honoured and the total exceeded.
//
// # Turns
//
// Who is throttled and finds the common bucket empty is promised the next bytes that are earned behind all earlier
// promises, and gets them when they are. So a thousand members of 100 KB/s send a packet each every 12 s, and none waits
// for twice that.
//
// # Time
//
// The package is pure: time comes in as an argument, counted from any origin that all members of a pool share.
package pool

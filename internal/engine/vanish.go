package engine

// vanishRounds is how many times in a row trains must have been lost as wholes, with
// single packets sent behind them arriving, before trains themselves are taken to be the cause.
const vanishRounds = 3

// vanishRoundsLate is the same where a train has arrived before: that bad luck is to be told
// from a way that has changed.
const vanishRoundsLate = 8

// vanishState watches for a way that loses every train of several packets and carries single
// ones: segmentation offload that a driver or a middlebox gets wrong without refusing it.
//
// A round is the loss of a train that left after the round before was over. Only trains of packets
// of the base size count: that larger ones vanish has a better explanation (mtuState).
// Any packet of a train that arrives proves the contrary.
type vanishState struct {
	rounds   int32
	needed   int32  // 0: vanishRounds
	from     uint64 // trains that begin at or above this number count for the next round
	vanishes bool
}

// deliver notes the ACK of a packet.
func (v *vanishState) deliver(p *sentPacket) {
	if p.has(inTrain) {
		v.rounds, v.needed = 0, vanishRoundsLate
	}
}

// lose notes the loss of a packet. newest is the newest packet acknowledged so far, nil if it has
// no record, as one that was sent alone, and next
// the first number not used.
func (v *vanishState) lose(p, newest *sentPacket, next uint64) {
	if !p.has(inTrain) || p.size > basePacket || p.number < v.from || newest != nil && newest.has(inTrain) {
		return
	}
	v.from = next
	if v.rounds++; v.rounds >= max(v.needed, vanishRounds) {
		v.vanishes = true
	}
}

// TrainsVanish reports that trains of several packets get lost as wholes on the path while
// single packets arrive: whoever sends them should cut them up first, and says so to nobody
// here. It stays true.
func (c *Conn) TrainsVanish() bool { return c.path.vanish.vanishes }

// Package congestion says what a congestion controller is told and what it
// answers. It holds no algorithm. Those that yield are in package ledbat; those that compete as
// TCP does are congestion/reno, congestion/cubic and congestion/bbr.
//
// The package is pure: time comes in as an argument, nothing is read from the
// machine, and a Controller is used by one goroutine at a time.
package congestion

import "time"

// Factory makes the controller of one connection: a new one with every call, never nil.
// It may be called by any number of goroutines.
type Factory func(Params) Controller

// Params is what is known of a connection when its controller is made.
type Params struct {
	// MaxDatagramSize is the size of a full packet, in bytes of UDP
	// payload: the MSS of the RFCs. At least 1200.
	MaxDatagramSize int
	// Seed feeds whatever randomness the controller wants, so that a
	// connection can be replayed.
	Seed uint64
}

// Controller decides how many bytes may be in flight and how fast they leave.
// Sizes are bytes of UDP payload, headers of Ebb included. The connection calls
// it under its own lock; implementations need none. They embed Base.
type Controller interface {
	// OnSend reports one ack-eliciting packet that was just sent.
	OnSend(now time.Duration, e SendEvent)
	// OnAck reports one ACK that acknowledged something new. Losses that the
	// same ACK revealed were reported by OnLoss before it.
	OnAck(now time.Duration, e AckEvent)
	// OnLoss reports packets declared lost together.
	OnLoss(now time.Duration, e LossEvent)
	// OnSpuriousLoss reports that packets declared lost have been acknowledged
	// after all.
	OnSpuriousLoss(now time.Duration, e LossEvent)
	// OnTimeout reports persistent congestion (RFC 9002 section 7.6), once an
	// episode.
	OnTimeout(now time.Duration)
	// OnMaxDatagramSize reports that a full packet has another size from now
	// on.
	OnMaxDatagramSize(size int)
	// OnPathChange reports that the connection goes on over another path: nothing
	// that was learnt holds there (RFC 9000 section 9.4). So it is if what was learnt
	// came of packets such as the path does not carry. Losses of packets that were
	// sent before are not reported any more.
	OnPathChange(now time.Duration)

	// Window is the number of bytes that may be in flight, at least two full
	// packets.
	Window() int
	// PacingRate is the rate, in bytes per second, at which the window should
	// leave, given the smoothed round trip (0 if there is no sample yet).
	// 0 means that the controller does not ask for pacing yet.
	PacingRate(srtt time.Duration) int64
	// Stats describes the controller's state to people. It is not called for packets, and may
	// allocate.
	Stats() Stats
}

// Yielder is implemented by a Controller that can say whether it gives way to others: its connection's packets may ask
// routers for a service below best effort (RFC 8622).
type Yielder interface {
	// Yields reports whether the controller leaves to other flows what they can use, and takes the rest. The answer never
	// changes.
	Yields() bool
}

// Yields reports whether a Controller says that it gives way to others. One that does not implement Yielder does not.
func Yields(c Controller) bool {
	y, ok := c.(Yielder)
	return ok && y.Yields()
}

// Base is what a Controller embeds that does not mind every event: its methods do nothing. A
// Controller that embeds it also keeps compiling when the interface grows. Window, PacingRate
// and Stats are the Controller's own to answer.
type Base struct{}

// OnSend does nothing.
func (Base) OnSend(time.Duration, SendEvent) {}

// OnAck does nothing.
func (Base) OnAck(time.Duration, AckEvent) {}

// OnLoss does nothing.
func (Base) OnLoss(time.Duration, LossEvent) {}

// OnSpuriousLoss does nothing.
func (Base) OnSpuriousLoss(time.Duration, LossEvent) {}

// OnTimeout does nothing.
func (Base) OnTimeout(time.Duration) {}

// OnMaxDatagramSize does nothing.
func (Base) OnMaxDatagramSize(int) {}

// OnPathChange does nothing.
func (Base) OnPathChange(time.Duration) {}

// SendEvent is one packet on its way.
type SendEvent struct {
	Number   uint64 // packet number
	Bytes    int    // size of the packet
	InFlight int    // bytes in flight, this packet included
	// AppLimited says that with this packet the sender has nothing more to
	// send. Waiting for the pacer or for a limit is not app-limited.
	AppLimited bool
}

// AckEvent is one ACK that acknowledged something new.
type AckEvent struct {
	Bytes         int    // newly acknowledged, packets declared lost before excluded
	LargestAcked  uint64 // the newest packet number acknowledged so far
	LargestSent   uint64 // the newest packet number sent so far
	PriorInFlight int    // bytes in flight before the ACK
	InFlight      int    // bytes in flight after it

	// RTT is the sample of this ACK less the delay that the peer reports,
	// or 0 if the newest packet it covers was acknowledged before.
	RTT time.Duration
	// SmoothedRTT and MinRTT are the connection's estimates after the
	// sample.
	SmoothedRTT, MinRTT time.Duration
	// OneWay is the forward one-way delay plus an unknown constant (the
	// difference of the two clocks), if HasOneWay. Only differences mean
	// anything.
	OneWay    time.Duration
	HasOneWay bool
	// Overtook says that the sample may be shorter than the path for most packets: its packet, or the
	// packet that brought the ACK, has arrived before some of those sent shortly before it.
	Overtook bool

	// AppLimited says that the sender has had nothing to send, so that the
	// window was not what limited it: it must not grow.
	AppLimited bool
	// Throttled says that a bandwidth limit, not the window, holds the sender
	// back. That is neither congestion nor a lack of data: the window may grow,
	// but to no more than twice what has been in flight lately.
	Throttled bool
	// CE is the number of packets newly reported as marked with Congestion
	// Experienced.
	CE int

	// Delivery is the delivery-rate sample of the newest packet acknowledged.
	Delivery Delivery
}

// Delivery is a delivery-rate sample as in the BBR draft, section 4.1.
type Delivery struct {
	Delivered      int64         // bytes delivered over the connection's life
	PriorDelivered int64         // the same when the newest acknowledged packet was sent
	Interval       time.Duration // what the difference took: max of send and ACK elapsed; 0: no sample
	TxInFlight     int           // bytes in flight when that packet was sent
	Lost           int64         // bytes lost between the sending and the ACK of that packet
	AppLimited     bool          // the sample was taken while the sender had nothing to send
}

// LossEvent is a set of packets declared lost together, or found not to be.
type LossEvent struct {
	Bytes       int           // sizes of the packets
	Packets     int           // how many
	Smallest    uint64        // the oldest of them
	Largest     uint64        // the newest of them
	LargestSent uint64        // the newest packet sent so far
	SentAt      time.Duration // when the newest of them was sent
	InFlight    int           // bytes in flight after the event
}

// Stats is a controller's state in words and numbers. Fields that a controller
// does not have are zero.
type Stats struct {
	Name       string        // of the algorithm: "ledbat++"
	State      string        // "slow start"
	Window     int           // bytes
	SSThresh   int           // the slow start threshold, in bytes; 0: none is set
	BaseDelay  time.Duration // smallest delay known
	QueueDelay time.Duration // what is above it now
	Timeouts   int           // OnTimeout calls

	// Own is what only this controller has, in a type of its package, and comparable:
	// ledbat.Stats, for example. nil: nothing.
	Own any
}

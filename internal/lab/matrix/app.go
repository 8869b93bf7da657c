package matrix

import (
	"time"

	"example.com/ebb/congestion"
)

// chunks is an application that writes pieces at given times and notes how long each took until the
// receiver had read the whole of it.
type chunks struct {
	flow  *flow
	queue []chunk // not read yet, in order
	left  int     // bytes of what was written that the connection has not taken
	total int64   // bytes of all pieces so far
	took  []float64
}

type chunk struct {
	at  time.Duration // when it was written
	end int64         // the stream's offset behind it
}

// chunked makes a flow that writes pieces.
func (l *lab) chunked(name string, factory congestion.Factory) *chunks {
	c := &chunks{flow: l.dial(name, factory, 0, flowOptions{})}
	c.flow.app = c.write
	c.flow.arrived = func() {
		for len(c.queue) > 0 && c.flow.read >= c.queue[0].end {
			c.took = append(c.took, (l.Now()-c.queue[0].at).Seconds()*1000)
			c.queue = c.queue[1:]
		}
	}
	return c
}

// add writes a piece of n bytes.
func (c *chunks) add(n int) {
	c.total += int64(n)
	c.left += n
	c.queue = append(c.queue, chunk{c.flow.lab.Now(), c.total})
	if c.flow.open > 0 {
		c.flow.sender.Flush()
	}
}

// every writes a piece of n bytes again and again, from one time to another.
func (c *chunks) every(step, from, to time.Duration, n int) {
	for at := from; at < to; at += step {
		c.flow.lab.At(at, func() { c.add(n) })
	}
}

func (c *chunks) write() {
	for c.left > 0 {
		n, err := c.flow.sender.Conn.Write(c.flow.lab.buffer[:min(c.left, len(c.flow.lab.buffer))])
		c.left -= n
		if err != nil || n == 0 {
			return
		}
	}
}

// percentile of how long the pieces took, in ms; those that never arrived have taken until now.
func (c *chunks) percentile(percent float64) float64 {
	all := append([]float64(nil), c.took...)
	for _, piece := range c.queue {
		all = append(all, (c.flow.lab.Now()-piece.at).Seconds()*1000)
	}
	return percentile(percent, all)
}

func (c *chunks) percentiles() []Figure {
	return []Figure{{"p50, ms", c.percentile(50)}, {"p95, ms", c.percentile(95)}}
}

// open is a controller of a sender that asks nobody: a call of a steady rate.
type open struct{ congestion.Base }

// steadyRate makes controllers of senders whose applications keep a rate by themselves.
func steadyRate(congestion.Params) congestion.Controller { return open{} }

func (open) Window() int                    { return mb }
func (open) PacingRate(time.Duration) int64 { return 0 }
func (open) Stats() congestion.Stats        { return congestion.Stats{Name: "steady", Window: mb} }

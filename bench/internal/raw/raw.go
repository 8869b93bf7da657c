// Package raw finds out how fast the kernel moves UDP datagrams over loopback
// when nothing is made of them: what a transport in user space has at most.
package raw

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"example.com/ebb/bench/internal/measure"
)

// The metrics. The rate is of what arrived; the cost is that of both ends for
// each gigabyte that did; the loss is the fraction that found the receiver's
// buffer full.
const (
	Rate measure.Metric = "raw_bytes_per_second"
	CPU  measure.Metric = "raw_cpu_seconds_per_gb"
	Loss measure.Metric = "raw_loss"
)

// Way is a way to send and receive datagrams.
type Way struct {
	Name string
	// Batch moves many datagrams in one system call.
	Batch bool
	// GSO sends trains that the kernel cuts, GRO receives them whole.
	GSO, GRO bool
}

// Ways is those that are measured.
func Ways() []Way {
	return []Way{
		{Name: "raw-single"},
		{Name: "raw-mmsg", Batch: true},
		{Name: "raw-gso", Batch: true, GSO: true},
		{Name: "raw-gso-gro", Batch: true, GSO: true, GRO: true},
	}
}

// Describe says what the way is.
func (w Way) Describe() string {
	switch {
	case w.GRO:
		return "sendmmsg with UDP_SEGMENT, recvmmsg with UDP_GRO"
	case w.GSO:
		return "sendmmsg with UDP_SEGMENT, recvmmsg of single datagrams"
	case w.Batch:
		return "sendmmsg and recvmmsg, 64 datagrams a call"
	}
	return "send and recv, one datagram a call"
}

const (
	datagram     = 1472 // bytes of payload: Ethernet's packet of 1500
	batch        = 64   // datagrams a call
	trainSize    = 44   // datagrams a train: as many as fit into 65507 bytes
	trains       = 4    // trains a call
	socketBuffer = 4 << 20
	drainTime    = 100 * time.Millisecond
)

// Run sends for the slot, as fast as the kernel takes it, and returns what
// arrived. It is an error if the kernel has not counted it.
func (w Way) Run(ctx context.Context, slot time.Duration) (measure.Sample, error) {
	from, to, err := w.sockets()
	if err != nil {
		return nil, err
	}
	defer from.Close()
	defer to.Close()
	before, err := measure.CountDatagrams()
	if err != nil {
		return nil, err
	}
	cpu, err := measure.ProcessorTime()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, slot)
	defer cancel()
	var got arrived
	failed := make(chan error, 1)
	go func() { failed <- w.receive(to, &got) }()
	start := time.Now()
	sent, err := w.send(ctx, from)
	err = errors.Join(err, to.SetReadDeadline(time.Now()))
	if err := errors.Join(err, <-failed); err != nil {
		return nil, err
	}
	used, err := measure.ProcessorTime()
	if err != nil {
		return nil, err
	}
	after, err := measure.CountDatagrams()
	if err != nil {
		return nil, err
	}
	if err := before.CheckCrossed(after, got.bytes, w.unit()); err != nil {
		return nil, err
	}
	if got.bytes == 0 {
		return nil, errors.New("nothing arrived")
	}
	return measure.Sample{
		Rate: float64(got.bytes) / got.last.Sub(start).Seconds(),
		CPU:  (used - cpu).Seconds() / (float64(got.bytes) / 1e9),
		Loss: max(0, 1-float64(got.bytes)/float64(sent)),
	}, nil
}

// arrived is what the receiver has, and when the last of it came.
type arrived struct {
	bytes int64
	last  time.Time
}

func (a *arrived) add(n int64) {
	a.bytes += n
	a.last = time.Now()
}

// unit is the most bytes that the receiver gets as one datagram.
func (w Way) unit() int {
	if w.GRO {
		return trainSize * datagram
	}
	return datagram
}

// sockets are two connected to each other.
func (w Way) sockets() (from, to *net.UDPConn, err error) {
	to, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	from, err = net.DialUDP("udp4", nil, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		to.Close()
		return nil, nil, err
	}
	err = errors.Join(to.SetReadBuffer(socketBuffer), from.SetWriteBuffer(socketBuffer))
	if w.GSO {
		err = errors.Join(err, setOption(from, unix.UDP_SEGMENT, datagram))
	}
	if w.GRO {
		err = errors.Join(err, setOption(to, unix.UDP_GRO, 1))
	}
	if err != nil {
		from.Close()
		to.Close()
		return nil, nil, err
	}
	return from, to, nil
}

func setOption(c *net.UDPConn, option, value int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, option, value))
	})
	return errors.Join(err, failed)
}

// send sends until the context is done and returns how many bytes that was.
func (w Way) send(ctx context.Context, c *net.UDPConn) (int64, error) {
	var sent int64
	if !w.Batch {
		b := make([]byte, datagram)
		for ctx.Err() == nil {
			n, err := c.Write(b)
			if err != nil {
				return sent, err
			}
			sent += int64(n)
		}
		return sent, nil
	}
	count, size := batch, datagram
	if w.GSO {
		count, size = trains, trainSize*datagram
	}
	messages, packets := buffers(count, size), ipv4.NewPacketConn(c)
	for ctx.Err() == nil {
		n, err := packets.WriteBatch(messages, 0)
		if err != nil {
			return sent, err
		}
		sent += int64(n) * int64(size)
	}
	return sent, nil
}

// receive counts what arrives. Once the socket's deadline has passed it goes
// on until nothing has come for drainTime: on a busy machine it may not have
// run before.
func (w Way) receive(c *net.UDPConn, got *arrived) error {
	read := w.reader(c)
	for last := int64(-1); ; {
		n, err := read()
		switch {
		case err == nil:
			got.add(n)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case got.bytes == last:
			return nil
		default:
			last = got.bytes
			if err := c.SetReadDeadline(time.Now().Add(drainTime)); err != nil {
				return err
			}
		}
	}
}

// reader returns what waits for the next datagrams and says how many bytes
// they have.
func (w Way) reader(c *net.UDPConn) func() (int64, error) {
	if !w.Batch {
		b := make([]byte, datagram)
		return func() (int64, error) {
			n, err := c.Read(b)
			return int64(n), err
		}
	}
	count, size := batch, datagram
	if w.GRO {
		count, size = trains, 1<<16
	}
	messages, packets := buffers(count, size), ipv4.NewPacketConn(c)
	return func() (total int64, err error) {
		n, err := packets.ReadBatch(messages, 0)
		for _, m := range messages[:max(n, 0)] {
			total += int64(m.N)
		}
		return total, err
	}
}

func buffers(count, size int) []ipv4.Message {
	messages := make([]ipv4.Message, count)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, size)}
	}
	return messages
}

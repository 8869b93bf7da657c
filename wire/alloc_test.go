package wire

import (
	"fmt"
	"testing"
	"time"
)

// sink keeps results alive.
var sink struct {
	n    int
	id   ID
	sum  uint64
	ok   bool
	err  error
	seed uint32
	p    Parameters
}

// fullData returns a full short packet with one DATA frame, and its seed.
func fullData() (packet []byte, seed uint32) {
	seed = Seed(Version, serverID, clientID)
	return appendFullData(nil, make([]byte, 1452), seed), seed
}

// appendFullData appends a packet as a sender in full flight does.
func appendFullData(dst, data []byte, seed uint32) []byte {
	const offset, number = 1 << 32, 1 << 20
	start := len(dst)
	dst = Must(AppendHeader(dst, Header{Type: Short, Dst: serverID, Number: number, NumberLen: 2}))
	data = data[:1452-len(dst)+start-DataHeaderLen(offset, 1200, true)-TrailerSize]
	dst = Must(AppendDataHeader(dst, offset, len(data), false, true))
	dst = append(dst, data...)
	return AppendTrailer(dst, start, seed)
}

// receive does what a receiver does with a packet, and returns how many bytes of
// data and packet numbers it told of.
func receive(packet []byte, seed uint32) (n int, sum uint64, err error) {
	if !IsEbb(packet) || IsLong(packet) || !Verify(packet, seed) {
		return 0, 0, errForeign
	}
	h, payload, err := ParseHeader(packet)
	if err != nil {
		return 0, 0, err
	}
	sum = DecodeNumber(1000, true, h.Number, h.NumberLen)
	var f Frame
	for len(payload) > 0 {
		size, err := f.ParseIn(h.Type, payload)
		if err != nil {
			return 0, 0, err
		}
		payload = payload[size:]
		n += len(f.Data)
		if f.Type == FrameAck || f.Type == FrameAckECN {
			for r := range f.Ack.Ranges() {
				sum += r.Last - r.First
			}
		}
	}
	return n, sum, nil
}

func TestNoAllocations(t *testing.T) {
	data, seed := fullData()
	buf := make([]byte, 0, 4096)
	payload := make([]byte, 1452)
	ranges := everySecond(256)
	a := Ack{Delay: time.Millisecond, HasECN: true}
	ack := Must(AppendAck(nil, &a, ranges, 2000))
	ackPacket := Must(AppendHeader(nil, Header{Type: Short, Dst: serverID, NumberLen: 4}))
	ackPacket = AppendTrailer(append(ackPacket, ack...), 0, seed)
	initial := Must(AppendHeader(nil, Header{Type: Initial, Version: Version, Dst: firstDst, Src: clientID, NumberLen: 1}))
	initial = AppendTrailer(AppendPadding(initial, 1200), 0, Seed(Version, firstDst, clientID))
	p := DefaultParameters()
	params := Must(AppendParameters(nil, &p))
	bad := [][]byte{{}, {0x04, 0x40, 1}, {0x30}, {0x02, 5, 0, 0, 0, 0, 0, 0, 6}, {0x07, 0, 1, 0xff}, {0xff}}
	versions := Must(AppendVersions(nil, make([]byte, 8), make([]byte, 8)))

	for name, f := range map[string]func(){
		"receive data": func() { sink.n, sink.sum, sink.err = receive(data, seed) },
		"receive ack":  func() { sink.n, sink.sum, sink.err = receive(ackPacket, seed) },
		"send data":    func() { sink.n = len(appendFullData(buf, payload, seed)) },
		"send ack":     func() { sink.n = len(Must(AppendAck(buf, &a, ranges, 600))) },
		"seed":         func() { sink.seed = Seed(Version, serverID, clientID) },
		"long header":  func() { h, _, err := ParseHeader(initial); sink.id, sink.err = h.Dst, err },
		"bad header":   func() { _, _, sink.err = ParseHeader(initial[:1199]) },
		"invariants":   func() { _, _, _, sink.ok = Invariants(initial) },
		"append header": func() {
			sink.n = len(Must(AppendHeader(buf, Header{Type: Accept, Version: Version, Dst: 1, Src: 2, NumberLen: 1})))
		},
		"parameters":    func() { sink.p, sink.err = ParseParameters(params[1:]) },
		"bad list":      func() { sink.p, sink.err = ParseParameters(params[2:]) },
		"append params": func() { sink.n = len(Must(AppendParameters(buf, &p))) },
		"padding":       func() { sink.n = len(AppendPadding(buf, 1200)) },
		"close":         func() { sink.n = len(AppendClose(buf, CodeNone, "an orderly end")) },
		"versions": func() {
			for v := range ParseVersions(versions) {
				sink.sum += uint64(v)
			}
		},
		"append versions": func() { sink.n = len(Must(AppendVersions(buf, params[:8], params[:8]))) },
		"bad frames": func() {
			var f Frame
			for _, b := range bad {
				sink.n, sink.err = f.Parse(b)
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	if n, _, err := receive(data, seed); n < 1400 || err != nil {
		t.Errorf("the data packet has %d bytes of data, error %v", n, err)
	}
	if _, _, err := receive(ackPacket, seed); err != nil {
		t.Errorf("the ACK packet: %v", err)
	}
}

func BenchmarkReceiveData(b *testing.B) {
	packet, seed := fullData()
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		sink.n, sink.sum, sink.err = receive(packet, seed)
	}
}

// BenchmarkParseData is BenchmarkReceiveData without the checksum.
func BenchmarkParseData(b *testing.B) {
	packet, _ := fullData()
	b.ReportAllocs()
	var f Frame
	for b.Loop() {
		_, payload, _ := ParseHeader(packet)
		sink.n, sink.err = f.ParseIn(Short, payload)
	}
}

func BenchmarkSendData(b *testing.B) {
	seed := Seed(Version, serverID, clientID)
	buf, data := make([]byte, 0, 2048), make([]byte, 1452)
	b.SetBytes(1452)
	b.ReportAllocs()
	for b.Loop() {
		sink.n = len(appendFullData(buf, data, seed))
	}
}

func BenchmarkParseAck(b *testing.B) {
	for _, n := range []int{1, 4, 256} {
		b.Run(rangesName(n), func(b *testing.B) {
			frame := Must(AppendAck(nil, &Ack{}, everySecond(n), 2000))
			b.ReportAllocs()
			var f Frame
			for b.Loop() {
				sink.n, sink.err = f.Parse(frame)
				for r := range f.Ack.Ranges() {
					sink.sum += r.Last
				}
			}
		})
	}
}

func BenchmarkAppendAck(b *testing.B) {
	for _, n := range []int{1, 4, 256} {
		b.Run(rangesName(n), func(b *testing.B) {
			ranges, buf, a := everySecond(n), make([]byte, 0, 2048), Ack{Delay: time.Millisecond}
			b.ReportAllocs()
			for b.Loop() {
				sink.n = len(Must(AppendAck(buf, &a, ranges, 2000)))
			}
		})
	}
}

func rangesName(n int) string {
	if n == 1 {
		return "range"
	}
	return fmt.Sprintf("%d-ranges", n)
}

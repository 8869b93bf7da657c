package qlog

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"example.com/ebb/trace"
)

// Expand copies a file that a Directory has written, with an event of QUIC's for each packet of a run, for tools that know no others. It is
// several times as large then. A last record that is not whole is left out.
func Expand(w io.Writer, r io.Reader) error {
	q, err := NewReader(r)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	b := append([]byte{recordStart}, q.first...)
	for {
		if _, err := out.Write(b); err != nil {
			return err
		}
		text, err := q.next()
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		e, err := parseRecord(text)
		if err != nil {
			return err
		}
		if b, err = expanded(append(b[:0], recordStart), text, &e); err != nil {
			return err
		}
	}
}

// expanded appends a record to b, which begins it, or those of the run that it is.
func expanded(b, text []byte, e *Record) ([]byte, error) {
	kind := trace.Sent
	switch e.Name {
	case runName(trace.Sent):
	case runName(trace.Received):
		kind = trace.Received
	default:
		return append(b, text...), nil
	}
	p, err := e.Packets()
	if err != nil {
		return nil, err
	}
	run := run{kind: kind, time: e.Time, first: p.First, count: p.Count, size: p.Size, offset: p.Offset, length: p.Length}
	var c encoder
	b = b[:0]
	for i := range run.count {
		b = end(append(run.data(c.begin(b, run.time, packetName(kind)), i), '}'))
	}
	return b, nil
}

// Packets is the packets of an event: of packet_sent, packet_received, or of a run.
type Packets struct {
	First  uint64 // number of the first; those of the others follow
	Count  uint64
	Size   int    // of each
	Offset uint64 // of the first byte of the stream in the first; those of the others follow
	Length int    // bytes of the stream in each
}

// maxRun bounds the packets of a run that is read: far more than are ever sent at once.
const maxRun = 1 << 16

// Packets reads the data of an event of packets.
func (r *Record) Packets() (Packets, error) {
	var data struct {
		Header struct {
			Number uint64 `json:"packet_number"`
		} `json:"header"`
		Raw struct {
			Length int `json:"length"`
		} `json:"raw"`
		Frames []struct {
			Type   string `json:"frame_type"`
			Offset uint64 `json:"offset"`
			Raw    struct {
				Length int `json:"payload_length"`
			} `json:"raw"`
		} `json:"frames"`
		Count uint64 `json:"count"`
	}
	data.Count = 1
	if err := json.Unmarshal(r.Data, &data); err != nil {
		return Packets{}, fmt.Errorf("qlog: %s: %w", r.Name, err)
	}
	if data.Count > maxRun {
		return Packets{}, fmt.Errorf("qlog: %s of %d packets: want %d at most", r.Name, data.Count, maxRun)
	}
	p := Packets{First: data.Header.Number, Count: data.Count, Size: data.Raw.Length}
	for _, f := range data.Frames {
		if f.Type == "stream" {
			if p.Length == 0 {
				p.Offset = f.Offset
			}
			p.Length += f.Raw.Length
		}
	}
	return p, nil
}

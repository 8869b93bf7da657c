package qlog

import (
	"encoding/hex"
	"strconv"

	"example.com/ebb/wire"
)

// maxFrames is how many frames of a packet are written, at most. Ours have a few; a peer's may have a thousand PINGs, which would
// make a file twenty times as large as what it sends.
const maxFrames = 64

// appendFrames appends frames, in clear as on the wire, without what they carry of the application's. Those behind maxFrames are left out.
func appendFrames(b, frames []byte) []byte {
	for n := 0; len(frames) > 0 && n < maxFrames; n++ {
		if n > 0 {
			b = append(b, ',')
		}
		if wire.IsData(frames) {
			offset, data, fin, n, err := wire.ParseData(frames)
			if err != nil {
				return appendUnknown(b, frames)
			}
			b = appendStream(b, offset, len(data), fin)
			frames = frames[n:]
			continue
		}
		var f wire.Frame
		n, err := f.Parse(frames)
		if err != nil {
			return appendUnknown(b, frames)
		}
		b = appendFrame(b, &f, n)
		frames = frames[n:]
	}
	return b
}

// appendUnknown appends what is no frame.
func appendUnknown(b, frames []byte) []byte {
	b = append(b, `{"frame_type":"unknown","frame_type_bytes":`...)
	b = strconv.AppendUint(b, uint64(frames[0]), 10)
	b = append(b, `,"raw":{"length":`...)
	b = strconv.AppendInt(b, int64(len(frames)), 10)
	return append(b, '}', '}')
}

// appendStream appends a DATA frame.
func appendStream(b []byte, offset uint64, length int, fin bool) []byte {
	b = append(b, `{"frame_type":"stream","stream_id":0,"offset":`...)
	b = strconv.AppendUint(b, offset, 10)
	if fin {
		b = append(b, `,"fin":true`...)
	}
	b = append(b, `,"raw":{"payload_length":`...)
	b = strconv.AppendInt(b, int64(length), 10)
	return append(b, '}', '}')
}

// appendFrame appends a frame of n bytes that is not DATA.
func appendFrame(b []byte, f *wire.Frame, n int) []byte {
	field := func(name string, v uint64) { b = strconv.AppendUint(appendName(b, name), v, 10) }
	kind := func(name string) { b = append(append(append(b, `{"frame_type":"`...), name...), '"') }
	switch f.Type {
	case wire.FrameAck, wire.FrameAckECN:
		return appendAck(b, &f.Ack)
	case wire.FramePadding:
		kind("padding")
		b = appendLength(b, "length", n)
	case wire.FramePing:
		kind("ping")
	case wire.FrameWindow:
		kind("max_data")
		field("maximum", f.Limit)
	case wire.FrameBlocked:
		kind("data_blocked")
		field("limit", f.Limit)
	case wire.FrameReset:
		kind("reset_stream")
		b = append(b, `,"stream_id":0,"error":"unknown"`...)
		field("error_code", uint64(f.Code))
		field("final_size", f.Final)
	case wire.FrameStop:
		kind("stop_sending")
		b = append(b, `,"stream_id":0,"error":"unknown"`...)
		field("error_code", uint64(f.Code))
	case wire.FrameClose:
		kind("connection_close")
		b = append(b, `,"error_space":"transport","error":"`...)
		b = append(b, errorName(f.Code)...)
		b = append(b, '"')
		field("error_code", uint64(f.Code))
		b = appendJSON(appendName(b, "reason"), string(f.Data))
	case wire.FramePathChallenge:
		kind("path_challenge")
		b = append(hex.AppendEncode(append(appendName(b, "data"), '"'), f.Token[:]), '"')
	case wire.FramePathResponse:
		kind("path_response")
		b = append(hex.AppendEncode(append(appendName(b, "data"), '"'), f.Token[:]), '"')
	case wire.FrameCrypto:
		kind("crypto")
		field("offset", f.Offset)
		b = appendLength(b, "payload_length", len(f.Data))
	default: // QUIC has none such
		kind("unknown")
		field("frame_type_bytes", uint64(f.Type))
		b = appendLength(b, "length", n)
	}
	return append(b, '}')
}

// appendLength appends a RawInfo with a length.
func appendLength(b []byte, name string, n int) []byte {
	b = append(b, `,"raw":{"`...)
	b = append(b, name...)
	b = append(b, '"', ':')
	return append(strconv.AppendInt(b, int64(n), 10), '}')
}

func appendAck(b []byte, a *wire.Ack) []byte {
	b = append(b, `{"frame_type":"ack","ack_delay":`...)
	b = appendMillis(b, a.Delay)
	b = append(b, `,"acked_ranges":[`...)
	first := true
	for r := range a.Ranges() {
		if !first {
			b = append(b, ',')
		}
		first = false
		b = strconv.AppendUint(append(b, '['), r.First, 10)
		if r.Last != r.First {
			b = strconv.AppendUint(append(b, ','), r.Last, 10)
		}
		b = append(b, ']')
	}
	b = append(b, ']')
	if a.HasECN {
		b = strconv.AppendUint(appendName(b, "ect1"), a.ECT1, 10)
		b = strconv.AppendUint(appendName(b, "ect0"), a.ECT0, 10)
		b = strconv.AppendUint(appendName(b, "ce"), a.CE, 10)
	}
	return append(b, '}')
}

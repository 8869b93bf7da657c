package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Describe returns a whole packet in words: a line for the header, a line for each
// frame and, if the packet breaks a rule, a line with the error. The last line of a
// packet says if its trailer is right, as far as that can be told: a short packet does
// not carry all that goes into it. It is for people, and for tests; programs call
// Verify and the parsing functions.
//
// Of a packet of the protected version it says what can be read without keys, and how much is sealed. A short packet is described as one
// of a plain connection: DescribeSealed is for those of protected ones.
func Describe(b []byte) string {
	var s strings.Builder
	if version, _, _, long := Invariants(b); long && version == VersionProtected {
		describeProtected(&s, b)
		return s.String()
	}
	h, payload, err := ParseHeader(b)
	if err != nil {
		describeBroken(&s, b, err)
		return s.String()
	}
	describeHeader(&s, h, len(b))
	if h.Type == Versions {
		for v := range ParseVersions(payload) {
			fmt.Fprintf(&s, "  version=0x%08x\n", v)
		}
	} else if err := describeFrames(&s, h.Type, payload); err != nil {
		describeError(&s, err)
	}
	describeTrailer(&s, h, b)
	return s.String()
}

// describeBroken describes a packet whose header breaks a rule.
func describeBroken(s *strings.Builder, b []byte, err error) {
	version, dst, src, ok := Invariants(b)
	switch {
	case ok:
		fmt.Fprintf(s, "LONG version=0x%08x dst=%x src=%x size=%d\n", version, dst, src, len(b))
	case IsEbb(b):
		fmt.Fprintf(s, "EBB size=%d\n", len(b))
	default:
		fmt.Fprintf(s, "FOREIGN size=%d\n", len(b))
	}
	describeError(s, err)
}

func describeHeader(s *strings.Builder, h Header, size int) {
	s.WriteString(h.Type.String())
	if h.Type != Short {
		fmt.Fprintf(s, " version=0x%08x", h.Version)
	}
	if h.Dst != 0 {
		fmt.Fprintf(s, " dst=%v", h.Dst)
	}
	if h.Src != 0 {
		fmt.Fprintf(s, " src=%v", h.Src)
	}
	if len(h.Cookie) > 0 {
		fmt.Fprintf(s, " cookie=%x", h.Cookie)
	}
	if h.NumberLen > 0 { // 0: sealed
		fmt.Fprintf(s, " number=%d/%d", h.Number, h.NumberLen)
	}
	fmt.Fprintf(s, " size=%d\n", size)
}

// describeFrames goes through the payload as a receiver would.
func describeFrames(s *strings.Builder, t PacketType, payload []byte) error {
	for len(payload) > 0 {
		var f Frame
		n, err := f.ParseIn(t, payload)
		if err != nil {
			return err
		}
		fmt.Fprintf(s, "  %v\n", f)
		if err := describeMessage(s, &f); err != nil {
			return err
		}
		payload = payload[n:]
	}
	return nil
}

// describeMessage describes the message that a plain connection begins with, if the frame has all of it.
func describeMessage(s *strings.Builder, f *Frame) error {
	if f.Type != FrameCrypto || f.Offset != 0 {
		return nil
	}
	list, ok, err := CutMessage(f.Data)
	if err != nil || !ok {
		return err
	}
	p, err := ParseParameters(list)
	if err == nil {
		fmt.Fprintf(s, "    %v\n", p)
	}
	return err
}

func describeTrailer(s *strings.Builder, h Header, b []byte) {
	fmt.Fprintf(s, "  trailer=%08x", binary.BigEndian.Uint32(b[len(b)-TrailerSize:]))
	switch {
	case h.Type == Short:
	case Verify(b, Seed(h.Version, h.Dst, h.Src)):
		s.WriteString(" right")
	default:
		s.WriteString(" wrong")
	}
	s.WriteByte('\n')
}

func describeError(s *strings.Builder, err error) {
	fmt.Fprintf(s, "  error: %s\n", strings.TrimPrefix(err.Error(), "wire: "))
}

// String returns the frame in words, without the bytes of DATA and PADDING.
func (f Frame) String() string {
	switch f.Type {
	case FramePadding:
		return fmt.Sprintf("PADDING length=%d", max(1, len(f.Data)))
	case FrameAck, FrameAckECN:
		return f.Type.String() + " " + f.Ack.String()
	case FrameWindow, FrameBlocked:
		return fmt.Sprintf("%v limit=%d", f.Type, f.Limit)
	case FrameReset:
		return fmt.Sprintf("RESET code=%v final=%d", f.Code, f.Final)
	case FrameStop:
		return fmt.Sprintf("STOP code=%v", f.Code)
	case FrameClose:
		return fmt.Sprintf("CLOSE code=%v reason=%q", f.Code, f.Data)
	case FramePathChallenge, FramePathResponse:
		return fmt.Sprintf("%v token=%x", f.Type, f.Token)
	case FrameCrypto:
		return fmt.Sprintf("CRYPTO offset=%d length=%d", f.Offset, len(f.Data))
	case FrameResetToken, FrameCookie:
		return fmt.Sprintf("%v %x", f.Type, f.Data)
	case FrameData:
		return fmt.Sprintf("DATA offset=%d length=%d%s%s", f.Offset, len(f.Data), wordIf(f.Fin, " fin"), wordIf(f.ToEnd, " to-end"))
	}
	return f.Type.String()
}

// String returns the fields in words, with the ranges newest first.
func (a *Ack) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "largest=%d delay=%v received=%d ranges=[", a.Largest, a.Delay, a.Received)
	sep := ""
	for r := range a.Ranges() {
		s.WriteString(sep)
		s.WriteString(r.String())
		sep = " "
	}
	s.WriteByte(']')
	if a.HasECN {
		fmt.Fprintf(&s, " ect0=%d ect1=%d ce=%d", a.ECT0, a.ECT1, a.CE)
	}
	return s.String()
}

// String returns first-last, or the one number that there is.
func (r Range) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// String returns the parameters in words, without what is absent of the last five.
func (p Parameters) String() string {
	s := fmt.Sprintf("initial-window=%d max-ack-delay=%v max-datagram-size=%d idle-timeout=%v",
		p.InitialWindow, p.MaxAckDelay, p.MaxDatagramSize, p.IdleTimeout)
	if p.Version != 0 {
		s += fmt.Sprintf(" version=0x%08x", p.Version)
	}
	for _, id := range [...]struct {
		name string
		id   ID
	}{{"first-dst", p.FirstDst}, {"src", p.Src}, {"dst", p.Dst}} {
		if id.id != 0 {
			s += fmt.Sprintf(" %s=%v", id.name, id.id)
		}
	}
	if len(p.Cookie) > 0 {
		s += fmt.Sprintf(" cookie=%x", p.Cookie)
	}
	return s
}

func wordIf(set bool, name string) string {
	if set {
		return name
	}
	return ""
}

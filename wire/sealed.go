package wire

// IsSealed reports whether a packet that is long, given that IsEbb, is of the protected version and of a type that is sealed: INITIAL,
// ACCEPT or HANDSHAKE.
func IsSealed(b []byte) bool {
	version, _, _, ok := Invariants(b)
	return ok && version == VersionProtected && (Initial + PacketType(b[0]>>typeShift&typeMask)).numbered()
}

// ParseSealed reads what is not protected of a long packet for which IsSealed holds. It returns its header, without the number and
// with a NumberLen of 0, and where the number begins. Nothing that it returns is authenticated until the packet is opened.
//
// An INITIAL of less than MinInitialSize bytes is ErrInitialSize, and what is too short to have a header is ErrTruncated.
func ParseSealed(b []byte) (h Header, numberAt int, err error) {
	if !IsEbb(b) || !IsLong(b) {
		return Header{}, 0, errForeign
	}
	version, dst, src, rest, err := parseInvariants(b)
	h.Version, h.Type = version, Initial+PacketType(b[0]>>typeShift&typeMask)
	switch {
	case err != nil:
	case version != VersionProtected:
		err = errVersion
	case !h.Type.numbered():
		err = ErrMalformed
	default:
		if h.Dst, err = parseID(dst); err == nil {
			h.Src, err = parseID(src)
		}
	}
	if err == nil && h.Type == Initial {
		h.Cookie, rest, err = parseCookie(rest)
	}
	switch {
	case err != nil:
		return Header{}, 0, err
	case h.Type == Initial && len(b) < MinInitialSize:
		return Header{}, 0, ErrInitialSize
	}
	return h, len(b) - len(rest), nil
}

// AppendUnknownToken appends a whole UNKNOWN packet for an ID (or there is an error), with the token that proves that its sender
// had a connection of that ID, of ResetTokenSize bytes (or it is an error).
func AppendUnknownToken(b []byte, id ID, token []byte) ([]byte, error) {
	if len(token) != ResetTokenSize {
		return b, errRange
	}
	packet, err := AppendHeader(b, Header{Type: Unknown, Version: VersionProtected, Src: id})
	if err != nil {
		return b, err
	}
	return AppendTrailer(append(packet, token...), len(b), Seed(VersionProtected, 0, id)), nil
}

// ParseAnswer is ParseHeader for the long packets that end in a trailer in every version, and answer without a connection: RETRY,
// REFUSE, UNKNOWN and VERSIONS. UNKNOWN of the protected version has a token as its payload. Packets of another version than the
// given one, but for VERSIONS, and of other types are errors.
func ParseAnswer(b []byte, version uint32) (h Header, payload []byte, err error) {
	if !IsEbb(b) || !IsLong(b) {
		return Header{}, nil, errForeign
	}
	h, payload, err = parseLong(b, version)
	switch {
	case err != nil:
	case h.Type.numbered(), h.Type == Unknown && version == VersionProtected && len(payload) != ResetTokenSize:
		err = ErrMalformed
	case h.Type != Unknown || version != VersionProtected:
		err = checkPayload(h.Type, payload, len(b))
	}
	if err != nil {
		return Header{}, nil, err
	}
	return h, payload, nil
}

// Opens reports whether the frames of an INITIAL can open a connection: whole, none that an INITIAL may not carry, no CLOSE,
// and something of the client's handshake, which may be a part of it.
func Opens(frames []byte) bool {
	var f Frame
	crypto := false
	for len(frames) > 0 {
		n, err := f.ParseIn(Initial, frames)
		if err != nil || f.Type == FrameClose {
			return false
		}
		frames = frames[n:]
		crypto = crypto || f.Type == FrameCrypto
	}
	return crypto
}

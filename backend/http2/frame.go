package http2

import "encoding/binary"

// kind is the type of a frame (RFC 9113 §6).
type kind uint8

const (
	kindData         kind = 0x0
	kindHeaders      kind = 0x1
	kindPriority     kind = 0x2
	kindReset        kind = 0x3
	kindSettings     kind = 0x4
	kindPush         kind = 0x5
	kindPing         kind = 0x6
	kindGoAway       kind = 0x7
	kindWindow       kind = 0x8
	kindContinuation kind = 0x9
)

// Flags of frames.
const (
	flagEndStream  = 0x1 // DATA, HEADERS
	flagAck        = 0x1 // SETTINGS, PING
	flagEndHeaders = 0x4 // HEADERS, CONTINUATION
	flagPadded     = 0x8 // DATA, HEADERS
	flagPriority   = 0x20
)

const (
	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113 §3.4
	frameHeader = 9
	// maxFrame is the payload of the largest frame either side sends: the initial value of
	// SETTINGS_MAX_FRAME_SIZE, which no peer may lower, and we do not raise.
	maxFrame  = 16 << 10
	maxWindow = 1<<31 - 1
	maxID     = 1<<31 - 1
	// initialWindow is what windows begin with before SETTINGS say otherwise.
	initialWindow = 65535
)

// frame is one that was read; payload is valid until the next.
type frame struct {
	kind    kind
	flags   uint8
	stream  uint32
	payload []byte
}

func (f frame) has(flag uint8) bool { return f.flags&flag != 0 }

// readHeader reads the 9 bytes before a payload (RFC 9113 §4.1). The reserved bit is ignored.
func readHeader(b []byte) (f frame, length int) {
	return frame{kind: kind(b[3]), flags: b[4], stream: binary.BigEndian.Uint32(b[5:]) & maxID}, int(b[0])<<16 | int(b[1])<<8 | int(b[2])
}

func appendHeader(b []byte, k kind, flags uint8, stream uint32, length int) []byte {
	b = append(b, byte(length>>16), byte(length>>8), byte(length), byte(k), flags)
	return binary.BigEndian.AppendUint32(b, stream)
}

// padded takes the padding of DATA and HEADERS off (RFC 9113 §6.1).
func (f *frame) padded() *Error {
	if !f.has(flagPadded) {
		return nil
	}
	if len(f.payload) == 0 {
		return connection(FrameSizeError, "a padded frame has no length of its padding (RFC 9113 §6.1)")
	}
	n := int(f.payload[0])
	if n >= len(f.payload) {
		return connection(ProtocolError, "the padding is as long as its frame (RFC 9113 §6.1)")
	}
	f.payload = f.payload[1 : len(f.payload)-n]
	return nil
}

// setting identifies a parameter (RFC 9113 §6.5.2).
type setting uint16

const (
	settingTableSize     setting = 0x1
	settingPush          setting = 0x2
	settingStreams       setting = 0x3
	settingWindow        setting = 0x4
	settingFrameSize     setting = 0x5
	settingHeaderSize    setting = 0x6
	settingConnectMethod setting = 0x8 // SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441 §3
)

func appendSetting(b []byte, s setting, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(s)), value)
}

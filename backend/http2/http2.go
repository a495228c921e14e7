// Package http2 is the server side of HTTP/2 (RFC 9113) over any connection with deadlines. It
// answers by itself what concerns the connection (settings, windows, pings, faults of the peer) and
// hands each well-formed request to a Handler as a Stream. It knows no sockets and no TLS: who calls
// it has found out that the peer speaks HTTP/2.
//
// Nothing in it grows with what a peer sends: bodies are held by windows that are given back as they
// are read, answers by the buffer of their Handler, frames of ours by counts. A peer that costs
// without bringing anything forward is shown the door (see calm.go).
package http2

import (
	"fmt"
	"time"
)

// Options are what a connection allows. The zero value of a field means its default.
type Options struct {
	Streams      int // requests that may run at once; further ones get REFUSED_STREAM. 128
	HeaderSize   int // bytes of a field section as RFC 9113 §6.5.2 counts them; 431 beyond. 64 KiB
	HeaderFields int // fields of a section; 431 beyond. 100
	TargetSize   int // bytes of :path; 414 beyond. 8 KiB

	HeaderTimeout time.Duration // for the preface, and from a header block's first byte to its last. 10 s
	BodyTimeout   time.Duration // in which nothing of a body comes that is waited for, and nothing of the answer is taken. 30 s
	WriteTimeout  time.Duration // in which the peer opens no window for what there is for it. 30 s
	KeepAlive     time.Duration // without a request. 60 s
}

// Defaults are used where Options are zero.
var Defaults = Options{
	Streams: 128, HeaderSize: 64 << 10, HeaderFields: 100, TargetSize: 8 << 10,
	HeaderTimeout: 10 * time.Second, BodyTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, KeepAlive: 60 * time.Second,
}

func (o Options) orDefaults() Options {
	return Options{
		Streams: positive(o.Streams, Defaults.Streams), HeaderSize: positive(o.HeaderSize, Defaults.HeaderSize),
		HeaderFields: positive(o.HeaderFields, Defaults.HeaderFields), TargetSize: positive(o.TargetSize, Defaults.TargetSize),
		HeaderTimeout: positive(o.HeaderTimeout, Defaults.HeaderTimeout), BodyTimeout: positive(o.BodyTimeout, Defaults.BodyTimeout),
		WriteTimeout: positive(o.WriteTimeout, Defaults.WriteTimeout), KeepAlive: positive(o.KeepAlive, Defaults.KeepAlive),
	}
}

func positive[T int | time.Duration](given, otherwise T) T {
	if given > 0 {
		return given
	}
	return otherwise
}

// Handler answers requests.
type Handler interface {
	// ServeStream answers one request, in a goroutine of its own. A stream whose answer is not complete
	// when it returns is reset.
	ServeStream(s *Stream)
}

// Code says why a stream or a connection ended (RFC 9113 §7).
type Code uint32

const (
	NoError            Code = 0x0
	ProtocolError      Code = 0x1
	InternalError      Code = 0x2
	FlowControlError   Code = 0x3
	SettingsTimeout    Code = 0x4
	StreamClosed       Code = 0x5
	FrameSizeError     Code = 0x6
	RefusedStream      Code = 0x7
	Cancel             Code = 0x8
	CompressionError   Code = 0x9
	ConnectError       Code = 0xa
	EnhanceYourCalm    Code = 0xb
	InadequateSecurity Code = 0xc
	HTTP11Required     Code = 0xd
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("error %#x", uint32(c))
}

// Error is why a connection or a stream ended before its time.
type Error struct {
	Code   Code
	Reason string // a sentence for people without the full stop
	// Peer says that it was the peer who ended it.
	Peer bool

	stream uint32 // 0: the whole connection
	abuse  nuisance
	cause  error // of the connection's end; nil where a frame is to blame
}

// Unwrap is why the connection could not be read or written any more: os.ErrDeadlineExceeded where the peer
// took nothing.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) Error() string { return e.Reason + " (" + e.Code.String() + ")" }

// connection is a fault that ends the connection (RFC 9113 §5.4.1).
func connection(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// onStream is a fault that ends one stream (RFC 9113 §5.4.2).
func onStream(id uint32, code Code, format string, args ...any) *Error {
	return &Error{stream: id, Code: code, Reason: fmt.Sprintf(format, args...), abuse: broken}
}

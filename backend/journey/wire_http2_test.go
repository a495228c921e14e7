package journey

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// h2case is one requirement of RFC 9113 or RFC 7541. Streams are numbered by do.
type h2case struct {
	section string
	name    string
	do      func(c *h2client)
	// want are outcomes of which one must come: "GOAWAY PROTOCOL_ERROR" ends the connection, "RST 1 …" the
	// stream alone, "HEADERS 1 200" is an answer. An error of a stream may be made one of the connection
	// (§5.4.2); the other way round is a fault.
	want []string
	// fresh has do send the settings, too.
	fresh bool
}

func fails(code http2.ErrCode) []string { return []string{"GOAWAY " + code.String()} }

// breaks is an error of stream 1.
func breaks(code http2.ErrCode) []string {
	return []string{"RST 1 " + code.String(), "GOAWAY " + code.String()}
}

// either of two errors: where the RFC gives more than one reason.
func either(a, b []string) []string { return append(append([]string{}, a...), b...) }

func answers(status int) []string { return []string{fmt.Sprintf("HEADERS 1 %d", status)} }

var (
	protocol = http2.ErrCodeProtocol
	size     = http2.ErrCodeFrameSize
	window   = http2.ErrCodeFlowControl
	closed   = http2.ErrCodeStreamClosed
	packing  = http2.ErrCodeCompression
	calm     = http2.ErrCodeEnhanceYourCalm
	pong     = []string{"PONG 12345678"}
)

// refusesHead sends a request whose header is wrong in one place.
func refusesHead(section, name string, fields ...string) h2case {
	return h2case{section: section, name: name, want: append(breaks(protocol), "HEADERS 1 400"), do: func(c *h2client) {
		c.headers(1, endStream, fields...)
		c.next = 3
	}}
}

func acceptsHead(section, name string, fields ...string) h2case {
	return h2case{section: section, name: name, want: answers(200), do: func(c *h2client) {
		c.headers(1, endStream, fields...)
		c.next = 3
	}}
}

// sends is a case of raw frames behind the settings.
func sends(section, name string, want []string, frames ...string) h2case {
	return h2case{section: section, name: name, want: want, do: func(c *h2client) { c.send(strings.Join(frames, "")) }}
}

// onOpen has a request under way on stream 1 whose body is not over.
func onOpen(section, name string, want []string, frames ...string) h2case {
	return h2case{section: section, name: name, want: want, do: func(c *h2client) {
		c.opened("/x")
		c.send(strings.Join(frames, ""))
	}}
}

// onHalfClosed has a request that is complete and not answered.
func onHalfClosed(section, name string, want []string, frames ...string) h2case {
	return h2case{section: section, name: name, want: want, do: func(c *h2client) {
		c.get("/hold")
		c.send(strings.Join(frames, ""))
	}}
}

// onClosed has a request that was answered.
func onClosed(section, name string, want []string, frames ...string) h2case {
	return h2case{section: section, name: name, want: want, do: func(c *h2client) {
		c.get("/x")
		c.until("DATA 1 GET /x  END")
		c.send(strings.Join(frames, ""))
	}}
}

// onReset has a request that the client took back.
func onReset(section, name string, want []string, frames ...string) h2case {
	return h2case{section: section, name: name, want: want, do: func(c *h2client) {
		c.opened("/x")
		c.send(raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08") + strings.Join(frames, ""))
	}}
}

// block1 is a GET for /x packed without the dynamic table.
const block1 = "\x82\x87\x04\x02/x\x01\x09localhost"

var (
	data  = func(stream uint32, flags http2.Flags, p string) string { return raw(http2.FrameData, flags, stream, p) }
	opens = func(stream uint32, flags http2.Flags, p string) string {
		return raw(http2.FrameHeaders, flags, stream, p)
	}
	goesOnWith = func(stream uint32, flags http2.Flags, p string) string {
		return raw(http2.FrameContinuation, flags, stream, p)
	}
	pinged  = raw(http2.FramePing, 0, 0, "12345678")
	updates = func(stream uint32, by uint32) string {
		return raw(http2.FrameWindowUpdate, 0, stream, string([]byte{byte(by >> 24), byte(by >> 16), byte(by >> 8), byte(by)}))
	}
	sets = func(s ...http2.Setting) string { return raw(http2.FrameSettings, 0, 0, settingsOf(s...)) }
)

var framingCases = []h2case{
	{section: "3.4", name: "the server's settings come first", fresh: true, want: []string{"SETTINGS"}, do: func(c *h2client) { c.send(http2.ClientPreface + sets()) }},
	{section: "3.4", name: "no preface", fresh: true, want: []string{"GOAWAY PROTOCOL_ERROR", "CLOSED"}, do: func(c *h2client) { c.send("INVALID CONNECTION PREFACE\r\n\r\n") }},
	{section: "3.4", name: "HTTP/1 where h2 was agreed on", fresh: true, want: []string{"GOAWAY PROTOCOL_ERROR", "CLOSED"}, do: func(c *h2client) { c.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n") }},
	{section: "3.4", name: "a request before the settings", fresh: true, want: fails(protocol), do: func(c *h2client) { c.send(http2.ClientPreface + opens(1, endStream|endHeaders, block1)) }},
	{section: "3.4", name: "a ping before the settings", fresh: true, want: fails(protocol), do: func(c *h2client) { c.send(http2.ClientPreface + pinged) }},
	{section: "3.4", name: "an acknowledgement before the settings", fresh: true, want: fails(protocol), do: func(c *h2client) { c.send(http2.ClientPreface + raw(http2.FrameSettings, ack, 0, "")) }},
	{section: "3.4", name: "a request right behind the settings", fresh: true, want: answers(200), do: func(c *h2client) {
		c.send(http2.ClientPreface + sets() + opens(1, endStream|endHeaders, block1))
		c.next = 3
	}},

	sends("4.1", "an unknown frame", pong, raw(0xfa, 0xff, 0, "whatever"), raw(0xfa, 0, 7, ""), pinged),
	sends("4.1", "undefined flags", pong, raw(http2.FramePing, 0xfe, 0, "12345678")),
	sends("4.1", "the reserved bit of a stream's id", pong, raw(http2.FramePing, 0, 1<<31, "12345678")),
	onOpen("4.2", "a frame of 16384 bytes", answers(200), data(1, endStream, strings.Repeat("x", 16384))),
	onOpen("4.2", "DATA of 16385 bytes", breaks(size), data(1, endStream, strings.Repeat("x", 16385))),
	sends("4.2", "HEADERS of 16385 bytes", fails(size), opens(1, endStream|endHeaders, strings.Repeat("\x82", 16385))),
	sends("4.2", "SETTINGS of 16386 bytes", fails(size), raw(http2.FrameSettings, 0, 0, strings.Repeat("\x00\x09\x00\x00\x00\x00", 2731))),
	sends("4.2", "an unknown frame of 16385 bytes", fails(size), raw(0xfa, 0, 0, strings.Repeat("x", 16385))),
	sends("4.3", "a block that cannot be unpacked", fails(packing), opens(1, endStream|endHeaders, "\x80")),
	sends("4.3", "a block in pieces", answers(200), opens(1, endStream, block1[:3]), goesOnWith(1, 0, block1[3:8]), goesOnWith(1, 0, ""), goesOnWith(1, endHeaders, block1[8:])),
	sends("4.3", "PRIORITY between the pieces", fails(protocol), opens(1, endStream, block1[:3]), raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00\x10"), goesOnWith(1, endHeaders, block1[3:])),
	sends("4.3", "a ping between the pieces", fails(protocol), opens(1, endStream, block1[:3]), pinged, goesOnWith(1, endHeaders, block1[3:])),
	sends("4.3", "another request between the pieces", fails(protocol), opens(1, endStream, block1[:3]), opens(3, endStream|endHeaders, block1)),
	sends("4.3", "DATA between the pieces", fails(protocol), opens(1, 0, block1[:3]), data(1, endStream, "x")),
	sends("5.5", "an unknown frame between the pieces", fails(protocol), opens(1, endStream, block1[:3]), raw(0xfa, 0, 1, ""), goesOnWith(1, endHeaders, block1[3:])),
	sends("5.5", "an unknown setting", pong, sets(http2.Setting{ID: 0xfa, Val: 1}), pinged),

	sends("6.1", "DATA on stream 0", fails(protocol), data(0, endStream, "x")),
	onOpen("6.1", "padding", answers(200), data(1, endStream|padded, "\x03hello\x00\x00\x00")),
	onOpen("6.1", "nothing but padding", answers(200), data(1, endStream|padded, "\x03\x00\x00\x00")),
	onOpen("6.1", "padding of the frame's length", fails(protocol), data(1, endStream|padded, "\x06hello")),
	onOpen("6.1", "padding beyond the frame", fails(protocol), data(1, endStream|padded, "\xffhello")),
	onOpen("6.1", "padding without its length", either(fails(size), fails(protocol)), data(1, endStream|padded, "")),
	sends("6.2", "HEADERS on stream 0", fails(protocol), opens(0, endStream|endHeaders, block1)),
	sends("6.2", "padding", answers(200), opens(1, endStream|endHeaders|padded, "\x02"+block1+"\x00\x00")),
	sends("6.2", "padding beyond the frame", fails(protocol), opens(1, endStream|endHeaders|padded, "\xff"+block1)),
	sends("6.2", "padding of all the frame", fails(protocol), opens(1, endStream|endHeaders|padded, "\x05\x00\x00\x00\x00")),
	sends("6.2", "a priority", answers(200), opens(1, endStream|endHeaders|prioritary, "\x00\x00\x00\x00\x10"+block1)),
	sends("6.2", "a priority that is cut short", either(fails(size), fails(protocol)), opens(1, endStream|endHeaders|prioritary, "\x00\x00")),
	sends("6.3", "PRIORITY on stream 0", fails(protocol), raw(http2.FramePriority, 0, 0, "\x00\x00\x00\x00\x10")),
	sends("6.3", "PRIORITY on an idle stream", pong, raw(http2.FramePriority, 0, 9, "\x00\x00\x00\x00\x10"), pinged),
	onOpen("6.3", "PRIORITY of 4 bytes", breaks(size), raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00")),
	sends("6.4", "RST_STREAM on stream 0", fails(protocol), raw(http2.FrameRSTStream, 0, 0, "\x00\x00\x00\x08")),
	sends("6.4", "RST_STREAM on an idle stream", fails(protocol), raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08")),
	onOpen("6.4", "RST_STREAM of 3 bytes", fails(size), raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00")),
	onOpen("6.4", "RST_STREAM of 5 bytes", fails(size), raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08\x00")),
	sends("6.5", "an acknowledgement with a payload", fails(size), raw(http2.FrameSettings, ack, 0, "\x00\x03\x00\x00\x00\x01")),
	sends("6.5", "SETTINGS on a stream", fails(protocol), raw(http2.FrameSettings, 0, 1, "")),
	sends("6.5", "SETTINGS of 5 bytes", fails(size), raw(http2.FrameSettings, 0, 0, "\x00\x03\x00\x00\x00")),
	sends("6.5.2", "ENABLE_PUSH of 2", fails(protocol), sets(http2.Setting{ID: http2.SettingEnablePush, Val: 2})),
	sends("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", fails(window), sets(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})),
	sends("6.5.2", "MAX_FRAME_SIZE of 16383", fails(protocol), sets(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16383})),
	sends("6.5.2", "MAX_FRAME_SIZE of 2^24", fails(protocol), sets(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 24})),
	sends("6.5.2", "every setting within its bounds", pong, sets(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}, http2.Setting{ID: http2.SettingEnablePush, Val: 0}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1<<24 - 1}, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 1 << 20}), pinged),
	sends("6.5.3", "SETTINGS are acknowledged", []string{"SETTINGS ACK"}, sets(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})),
	sends("6.6", "PUSH_PROMISE of a client", fails(protocol), raw(http2.FramePushPromise, endHeaders, 1, "\x00\x00\x00\x02"+block1)),
	onOpen("6.6", "PUSH_PROMISE on an open stream", fails(protocol), raw(http2.FramePushPromise, endHeaders, 1, "\x00\x00\x00\x02"+block1)),
	sends("6.7", "PING is answered with its bytes", pong, pinged),
	sends("6.7", "an answer to no PING", pong, raw(http2.FramePing, ack, 0, "invalid!"), pinged),
	sends("6.7", "PING on a stream", fails(protocol), raw(http2.FramePing, 0, 1, "12345678")),
	sends("6.7", "PING of 6 bytes", fails(size), raw(http2.FramePing, 0, 0, "123456")),
	sends("6.7", "PING of 9 bytes", fails(size), raw(http2.FramePing, 0, 0, "123456789")),
	sends("6.8", "GOAWAY on a stream", fails(protocol), raw(http2.FrameGoAway, 0, 1, "\x00\x00\x00\x00\x00\x00\x00\x00")),
	sends("6.8", "GOAWAY of 7 bytes", fails(size), raw(http2.FrameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00")),
	{section: "6.8", name: "what runs is answered behind GOAWAY", want: answers(200), do: func(c *h2client) {
		c.opened("/x")
		c.send(raw(http2.FrameGoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00") + data(1, endStream, "hello"))
	}},
	sends("6.9", "WINDOW_UPDATE of 0 on the connection", fails(protocol), updates(0, 0)),
	onOpen("6.9", "WINDOW_UPDATE of 0 on a stream", breaks(protocol), updates(1, 0)),
	sends("6.9", "WINDOW_UPDATE of 3 bytes", fails(size), raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x01")),
	onOpen("6.9", "WINDOW_UPDATE of 5 bytes on a stream", fails(size), raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x01\x00")),
	sends("6.9.1", "the connection's window beyond 2^31-1", fails(window), updates(0, 1<<31-1)),
	onOpen("6.9.1", "a stream's window beyond 2^31-1", breaks(window), updates(1, 1<<31-1)),
	onOpen("6.9.2", "a stream's window beyond 2^31-1 by SETTINGS", fails(window), updates(1, 1<<31-1-65535), sets(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65536})),
	sends("6.10", "CONTINUATION on stream 0", fails(protocol), opens(1, endStream, block1[:3]), goesOnWith(0, endHeaders, block1[3:])),
	sends("6.10", "CONTINUATION of another stream", fails(protocol), opens(1, endStream, block1[:3]), goesOnWith(3, endHeaders, block1[3:])),
	sends("6.10", "CONTINUATION behind nothing", fails(protocol), goesOnWith(1, endHeaders, block1)),
	onOpen("6.10", "CONTINUATION behind a block that is over", fails(protocol), goesOnWith(1, endHeaders, "\x82")),
	onOpen("6.10", "CONTINUATION behind DATA", fails(protocol), data(1, 0, "x"), goesOnWith(1, endHeaders, "\x82")),
	onOpen("7", "an unknown code in RST_STREAM", pong, raw(http2.FrameRSTStream, 0, 1, "\xff\xff\xff\xff"), pinged),
	sends("7", "an unknown code in GOAWAY", pong, raw(http2.FrameGoAway, 0, 0, "\x00\x00\x00\x00\xff\xff\xff\xffbye"), pinged),
}

var stateCases = []h2case{
	sends("5.1", "idle: DATA", fails(protocol), data(1, endStream, "x")),
	sends("5.1", "idle: WINDOW_UPDATE", fails(protocol), updates(1, 100)),
	sends("5.1", "idle: RST_STREAM", fails(protocol), raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08")),
	sends("5.1", "idle: CONTINUATION", fails(protocol), goesOnWith(1, endHeaders, block1)),
	sends("5.1", "idle: a server's stream", fails(protocol), data(2, endStream, "x")),
	sends("5.1", "idle: WINDOW_UPDATE on a server's stream", fails(protocol), updates(2, 100)),
	onHalfClosed("5.1", "half-closed: DATA", breaks(closed), data(1, endStream, "x")),
	onHalfClosed("5.1", "half-closed: HEADERS", either(breaks(closed), breaks(protocol)), opens(1, endStream|endHeaders, block1)),
	onHalfClosed("5.1", "half-closed: CONTINUATION", either(fails(protocol), fails(closed)), goesOnWith(1, endHeaders, block1)),
	onHalfClosed("5.1", "half-closed: WINDOW_UPDATE and PRIORITY", pong, updates(1, 100), raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00\x10"), pinged),
	onHalfClosed("5.1", "half-closed: RST_STREAM", pong, raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08"), pinged),
	onClosed("5.1", "closed: DATA", breaks(closed), data(1, endStream, "x")),
	onClosed("5.1", "closed: HEADERS", either(fails(closed), either(fails(protocol), breaks(closed))), opens(1, endStream|endHeaders, block1)),
	onClosed("5.1", "closed: CONTINUATION", either(fails(closed), fails(protocol)), goesOnWith(1, endHeaders, block1)),
	onClosed("5.1", "closed: WINDOW_UPDATE, RST_STREAM and PRIORITY", pong, updates(1, 100), raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08"), raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00\x10"), pinged),
	onReset("5.1", "reset: DATA", append(breaks(closed), "PONG"), data(1, endStream, "x"), pinged),
	onReset("5.1", "reset: HEADERS", append(either(fails(closed), fails(protocol)), breaks(closed)...), opens(1, endStream|endHeaders, block1)),
	onReset("5.1", "reset: CONTINUATION", either(fails(closed), fails(protocol)), goesOnWith(1, endHeaders, block1)),
	sends("5.1.1", "an even id", fails(protocol), opens(2, endStream|endHeaders, block1)),
	sends("5.1.1", "an id below one that was used", either(fails(protocol), fails(closed)), opens(5, endStream|endHeaders, block1), opens(3, endStream|endHeaders, block1)),
	sends("5.1.1", "ids that are left out", []string{"HEADERS 1001 200"}, opens(1001, endStream|endHeaders, block1)),
	sends("5.1.1", "the largest id", []string{"HEADERS 2147483647 200"}, opens(1<<31-1, endStream|endHeaders, block1)),
	{section: "5.1.2", name: "more streams than may run", want: []string{"RST 257 REFUSED_STREAM", "RST 257 PROTOCOL_ERROR"}, do: func(c *h2client) {
		for c.next <= 257 {
			c.opened("/x")
		}
	}},
	{section: "5.1.2", name: "the limit is announced", fresh: true, want: []string{"PONG"}, do: func(c *h2client) {
		c.send(http2.ClientPreface + sets() + pinged)
	}},
	sends("5.3.1", "a stream that depends on itself", either(pong, either(breaks(protocol), fails(protocol))), opens(1, endStream|endHeaders|prioritary, "\x00\x00\x00\x01\x10"+block1), pinged),
	sends("5.3.1", "PRIORITY that depends on itself", either(pong, either([]string{"RST 3 PROTOCOL_ERROR"}, fails(protocol))), raw(http2.FramePriority, 0, 3, "\x00\x00\x00\x03\x10"), pinged),
	onOpen("8.1", "a trailer", answers(200), data(1, 0, "hello"), opens(1, endStream|endHeaders, "\x00\x05x-sum\x011")),
	onOpen("8.1", "a second header that does not end the stream", breaks(protocol), opens(1, endHeaders, "\x00\x05x-sum\x011")),
	onOpen("8.1", "a pseudo-field in a trailer", breaks(protocol), data(1, 0, "x"), opens(1, endStream|endHeaders, "\x82")),
	onOpen("8.1", "DATA behind a trailer", append(breaks(closed), answers(200)...), data(1, 0, "x"), opens(1, endStream|endHeaders, "\x00\x05x-sum\x011"), data(1, endStream, "x")),
}

var fieldCases = []h2case{
	acceptsHead("8.2", "fields", request("x-a: b", "x-empty:", "accept: */*")...),
	refusesHead("8.2.1", "capitals in a name", request("X-A: b")...),
	refusesHead("8.2.1", "a capital in a pseudo-field", ":Method: GET", ":scheme: https", ":authority: localhost", ":path: /x"),
	refusesHead("8.2.1", "a space in a name", request("x a: b")...),
	refusesHead("8.2.1", "NUL in a name", request("x\x00a: b")...),
	refusesHead("8.2.1", "CR LF in a name", request("x\r\ny: b")...),
	refusesHead("8.2.1", "a colon in a name", request("x\x3ay")[0], ":scheme: https", ":authority: localhost", ":path: /x", ":x: y"),
	refusesHead("8.2.1", "a high byte in a name", request("x\xfc: b")...),
	refusesHead("8.2.1", "NUL in a value", request("x: a\x00b")...),
	refusesHead("8.2.1", "CR in a value", request("x: a\rb")...),
	refusesHead("8.2.1", "LF in a value", request("x: a\nb")...),
	refusesHead("8.2.1", "a request in a value", request("x: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")...),
	refusesHead("8.2.1", "a space before a value", request("x:  a")...),
	refusesHead("8.2.1", "a space behind a value", request("x: a ")...),
	refusesHead("8.2.1", "a tab behind a value", request("x: a\t")...),
	refusesHead("8.2.2", "connection", request("connection: keep-alive")...),
	refusesHead("8.2.2", "keep-alive", request("keep-alive: 5")...),
	refusesHead("8.2.2", "proxy-connection", request("proxy-connection: keep-alive")...),
	refusesHead("8.2.2", "transfer-encoding", request("transfer-encoding: chunked")...),
	refusesHead("8.2.2", "upgrade", request("upgrade: websocket")...),
	refusesHead("8.2.2", "te: gzip", request("te: gzip")...),
	refusesHead("8.2.2", "te: trailers, gzip", request("te: trailers, gzip")...),
	acceptsHead("8.2.2", "te: trailers", request("te: trailers")...),
	acceptsHead("8.2.3", "cookies in pieces", request("cookie: a=b", "cookie: c=d")...),
	refusesHead("8.3", "an unknown pseudo-field", request(":unknown: x")...),
	refusesHead("8.3", "a pseudo-field of answers", request(":status: 200")...),
	refusesHead("8.3", "a pseudo-field behind a field", ":method: GET", ":scheme: https", "x: y", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", "no :method", request()[1:]...),
	refusesHead("8.3.1", "no :scheme", ":method: GET", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", "no :path", ":method: GET", ":scheme: https", ":authority: localhost"),
	refusesHead("8.3.1", "an empty :path", ":method: GET", ":scheme: https", ":authority: localhost", ":path:"),
	refusesHead("8.3.1", ":method twice", request()[0], ":method: GET", ":scheme: https", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", ":scheme twice", ":method: GET", ":scheme: https", ":scheme: https", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", ":path twice", ":method: GET", ":scheme: https", ":authority: localhost", ":path: /x", ":path: /smuggled"),
	refusesHead("8.3.1", ":authority twice", ":method: GET", ":scheme: https", ":authority: localhost", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", "a :path that is none", ":method: GET", ":scheme: https", ":authority: localhost", ":path: x"),
	refusesHead("8.3.1", "a :path that is a URI", ":method: GET", ":scheme: https", ":authority: localhost", ":path: https://localhost/x"),
	refusesHead("8.3.1", "an asterisk for GET", ":method: GET", ":scheme: https", ":authority: localhost", ":path: *"),
	acceptsHead("8.3.1", "an asterisk for OPTIONS", ":method: OPTIONS", ":scheme: https", ":authority: localhost", ":path: *"),
	refusesHead("8.3.1", "a space in :path", ":method: GET", ":scheme: https", ":authority: localhost", ":path: /x HTTP/1.1"),
	refusesHead("8.3.1", "a request in :path", ":method: GET", ":scheme: https", ":authority: localhost", ":path: /x HTTP/1.1\r\nHost: localhost\r\n\r\nGET /smuggled"),
	refusesHead("8.3.1", "a fragment in :path", ":method: GET", ":scheme: https", ":authority: localhost", ":path: /x#y"),
	refusesHead("8.3.1", "a space in :method", ":method: GET /smuggled HTTP/1.1", ":scheme: https", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", "CR LF in :method", ":method: GET\r\nX: y", ":scheme: https", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", "an empty :method", ":method:", ":scheme: https", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", "CR LF in :authority", ":method: GET", ":scheme: https", ":authority: localhost\r\nX: y", ":path: /x"),
	refusesHead("8.3.1", "a user in :authority", ":method: GET", ":scheme: https", ":authority: user@localhost", ":path: /x"),
	refusesHead("8.3.1", "a path in :authority", ":method: GET", ":scheme: https", ":authority: localhost/x", ":path: /x"),
	refusesHead("8.3.1", "CR LF in :scheme", ":method: GET", ":scheme: https\r\nX: y", ":authority: localhost", ":path: /x"),
	refusesHead("8.3.1", "another host", request("host: evil.test")...),
	refusesHead("8.3.1", "two hosts", ":method: GET", ":scheme: https", ":path: /x", "host: localhost", "host: evil.test"),
	acceptsHead("8.3.1", "the same host", request("host: localhost")...),
	acceptsHead("8.3.1", "host alone", ":method: GET", ":scheme: https", ":path: /x", "host: localhost"),
	refusesHead("8.5", "CONNECT with :path", ":method: CONNECT", ":authority: localhost:80", ":path: /x"),
	refusesHead("8.5", "CONNECT with :scheme", ":method: CONNECT", ":scheme: https", ":authority: localhost:80"),
	refusesHead("8.5", "CONNECT without :authority", ":method: CONNECT"),
	refusesHead("8.5", "CONNECT without a port", ":method: CONNECT", ":authority: localhost"),
	refusesHead("RFC 8441 4", ":protocol without CONNECT", request(":protocol: websocket")...),
	refusesHead("RFC 8441 4", "an extended CONNECT without :path", ":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: localhost"),
	refusesHead("8.1.1", "a length without a body", posting("content-length: 5")...),
	refusesHead("8.1.1", "two lengths", posting("content-length: 0", "content-length: 5")...),
	refusesHead("8.1.1", "a length with a sign", posting("content-length: +0")...),
	refusesHead("8.1.1", "a list of lengths", posting("content-length: 0, 0")...),
	refusesHead("8.1.1", "a length beyond 2^63", posting("content-length: 18446744073709551616")...),
	acceptsHead("8.1.1", "a length of 0", posting("content-length: 0")...),
	{section: "8.1.1", name: "a body that is too short", want: breaks(protocol), do: func(c *h2client) {
		c.headers(1, 0, posting("content-length: 10")...)
		c.send(data(1, endStream, "hello"))
		c.next = 3
	}},
	{section: "8.1.1", name: "a body that is too long", want: breaks(protocol), do: func(c *h2client) {
		c.headers(1, 0, posting("content-length: 3")...)
		c.send(data(1, endStream, "hello"))
		c.next = 3
	}},
	{section: "8.1.1", name: "a body behind a length of 0 (H2.CL)", want: append(breaks(protocol), "DATA 1 POST /x  END"), do: func(c *h2client) {
		c.headers(1, 0, posting("content-length: 0")...)
		c.send(data(1, endStream, "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		c.next = 3
	}},
	{section: "8.1.1", name: "a body of the right length", want: answers(200), do: func(c *h2client) {
		c.headers(1, 0, posting("content-length: 5")...)
		c.send(data(1, 0, "he") + data(1, endStream, "llo"))
		c.next = 3
	}},
	{section: "6.9.2", name: "no DATA where the window is 0", fresh: true, want: []string{"DATA 1 G"}, do: func(c *h2client) {
		c.send(http2.ClientPreface + sets(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}) + opens(1, endStream|endHeaders, block1))
		c.next = 3
		c.until("HEADERS 1 200")
		c.send(updates(1, 1)) // and one byte more
	}},
	{section: "6.9.2", name: "a window that SETTINGS make negative", fresh: true, want: []string{"DATA 1  "}, do: func(c *h2client) {
		c.send(http2.ClientPreface + sets(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 6}) + opens(1, endStream|endHeaders, block1))
		c.next = 3
		c.until("DATA 1 GET /x")
		c.send(sets(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2}) + updates(1, 4) + updates(1, 1)) // -4, 0, 1
	}},
	{section: "6.9", name: "more than the windows allow", want: append(breaks(window), "RST 1 FLOW"), do: func(c *h2client) {
		c.opened("/hold")
		allowed := max(c.settings[http2.SettingInitialWindowSize], 65535)
		for sent := uint32(0); sent <= allowed+(4<<20); sent += 16384 { // the connection's window may be larger
			c.send(data(1, 0, strings.Repeat("x", 16384)))
		}
	}},
}

// block packs by hand: RFC 7541.
var packingCases = []h2case{
	sends("RFC 7541 2.3.3", "index 0", fails(packing), opens(1, endStream|endHeaders, "\x80")),
	sends("RFC 7541 2.3.3", "an index beyond the tables", fails(packing), opens(1, endStream|endHeaders, block1+"\xbe")),
	sends("RFC 7541 2.3.3", "an index far beyond the tables", fails(packing), opens(1, endStream|endHeaders, block1+"\xff\x80\x01")),
	sends("RFC 7541 2.3.3", "the index of a name beyond the tables", fails(packing), opens(1, endStream|endHeaders, block1+"\x7e\x01a")),
	sends("RFC 7541 4.2", "a table larger than was allowed", fails(packing), opens(1, endStream|endHeaders, "\x3f\xe2\x1f"+block1)),
	sends("RFC 7541 4.2", "a table of the size that was allowed", answers(200), opens(1, endStream|endHeaders, "\x20\x3f\xe1\x1f"+block1)),
	sends("RFC 7541 4.2", "a table's size behind a field", fails(packing), opens(1, endStream|endHeaders, block1+"\x40\x01x\x01y\x20")),
	sends("RFC 7541 5.1", "an integer that does not fit", fails(packing), opens(1, endStream|endHeaders, block1+"\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01a")),
	sends("RFC 7541 5.1", "an integer that is cut short", fails(packing), opens(1, endStream|endHeaders, block1+"\x7f\xff")),
	sends("RFC 7541 5.2", "a string beyond the block", fails(packing), opens(1, endStream|endHeaders, block1+"\x00\x01x\x10y")),
	sends("RFC 7541 5.2", "a string without its length", fails(packing), opens(1, endStream|endHeaders, block1+"\x00\x01x")),
	sends("RFC 7541 5.2", "Huffman's padding of more than 7 bits", fails(packing), opens(1, endStream|endHeaders, block1+"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff")),
	sends("RFC 7541 5.2", "Huffman's padding of zeros", fails(packing), opens(1, endStream|endHeaders, block1+"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90")),
	sends("RFC 7541 5.2", "Huffman's end of a string", fails(packing), opens(1, endStream|endHeaders, block1+"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f")),
	sends("RFC 7541 6.1", "an indexed field", answers(200), opens(1, endStream|endHeaders, "\x82\x87\x84\x01\x09localhost")),
	sends("RFC 7541 6.2.1", "a field that is kept and used again", []string{"HEADERS 3 200"}, opens(1, endStream|endHeaders, block1+"\x40\x01x\x01y"), opens(3, endStream|endHeaders, block1+"\xbe")),
	sends("RFC 7541 6.2.1", "fields of a refused request are kept", []string{"HEADERS 3 200"}, opens(1, endStream|endHeaders, "\x82\x40\x01x\x01y"), opens(3, endStream|endHeaders, block1+"\xbe")),
	sends("RFC 7541 6.2.3", "a field that is never kept", answers(200), opens(1, endStream|endHeaders, block1+"\x10\x01x\x01y")),
}

// h2house is a house whose origin is ordinary and counts what it is asked.
func h2house(t *testing.T, config string) (h *house, asked *atomic.Int64, running *atomic.Int64) {
	t.Helper()
	asked, running = &atomic.Int64{}, &atomic.Int64{}
	over := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		running.Add(1)
		defer running.Add(-1)
		if strings.Contains(r.URL.Path+r.URL.RawQuery, "smuggled") {
			t.Errorf("the origin was asked for %s", r.URL)
		}
		if r.URL.Path == "/hold" {
			select {
			case <-r.Context().Done():
			case <-over: // net/http does not see a client leave whose body nobody reads
			}
			return
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, body)
		}
	}))
	t.Cleanup(origin.Close)
	t.Cleanup(func() { close(over) })
	return openHouse(t, config+reverseTo(strings.TrimPrefix(origin.URL, "http://"))), asked, running
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	h, _, _ := h2house(t, "")
	for _, f := range []struct {
		name  string
		cases []h2case
	}{{"frames", framingCases}, {"streams", stateCases}, {"fields", fieldCases}, {"packing", packingCases}} {
		t.Run(f.name, func(t *testing.T) {
			for _, k := range f.cases {
				t.Run(k.section+" "+k.name, func(t *testing.T) {
					c := dialH2(t, h)
					defer c.Close()
					if k.fresh {
						c.listen()
					} else {
						c.begin()
					}
					k.do(c)
					k.judge(t, c)
				})
			}
		})
	}
}

func (k h2case) judge(t *testing.T, c *h2client) {
	got := c.until(append([]string{"GOAWAY"}, k.want...)...)
	fits := false
	for _, w := range k.want {
		fits = fits || strings.HasPrefix(got, w)
	}
	switch {
	case !fits:
		t.Errorf("the server said %q, want one of %q; in all %q", got, k.want, c.seen)
	case strings.HasPrefix(got, "GOAWAY"):
		if end := c.until(); end != "CLOSED" {
			t.Errorf("behind GOAWAY the connection stays open (RFC 9113 §5.4.1); in all %q", c.seen)
		}
	case strings.HasPrefix(got, "RST"):
		if strings.Contains(got, http2.ErrCodeRefusedStream.String()) { // make room for one more
			c.send(data(1, endStream, ""))
			c.until("HEADERS 1 200")
		}
		c.next = max(c.next, 2001)
		if err := c.alive(); err != nil {
			t.Error("an error of one stream: ", err)
		}
	}
	if k.name == "the limit is announced" && c.settings[http2.SettingMaxConcurrentStreams] != 128 {
		t.Errorf("the settings are %v", c.settings)
	}
}

// TestHTTP2Abuse ends each nuisance within a thousand frames, before the origin has much to do.
func TestHTTP2Abuse(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name  string
		frame func(c *h2client, i int) string
		begin func(c *h2client)
		want  []string
		most  int64 // that the origin is asked
	}{
		{name: "rapid reset (CVE-2023-44487)", most: 300, frame: func(c *h2client, i int) string {
			id := uint32(2*i + 1)
			return opens(id, endStream|endHeaders, block1) + raw(http2.FrameRSTStream, 0, id, "\x00\x00\x00\x08")
		}},
		{name: "rapid reset of requests that go on", most: 300, frame: func(c *h2client, i int) string {
			id := uint32(2*i + 1)
			return opens(id, endHeaders, block1) + raw(http2.FrameRSTStream, 0, id, "\x00\x00\x00\x08")
		}},
		{name: "resets that the server makes, by windows", most: 300, frame: func(c *h2client, i int) string {
			id := uint32(2*i + 1)
			return opens(id, endHeaders, block1) + updates(id, 0)
		}},
		{name: "resets that the server makes, by fields", frame: func(c *h2client, i int) string {
			return opens(uint32(2*i+1), endStream|endHeaders, "\x82\x87\x84\x00\x01X\x01y")
		}},
		{name: "resets that the server makes, by priorities", most: 300, frame: func(c *h2client, i int) string {
			id := uint32(2*i + 1)
			return opens(id, endHeaders, block1) + raw(http2.FramePriority, 0, id, "\x00\x00\x00\x00")
		}},
		{name: "resets that the server makes, beyond the limit of streams", most: 200, frame: func(c *h2client, i int) string { return opens(uint32(2*i+1), endHeaders, block1) }},
		{name: "pings", frame: func(*h2client, int) string { return pinged }},
		{name: "settings", frame: func(*h2client, int) string {
			return sets(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535})
		}},
		{name: "empty settings", frame: func(*h2client, int) string { return sets() }},
		{name: "priorities", frame: func(c *h2client, i int) string {
			return raw(http2.FramePriority, 0, uint32(2*i+1), "\x00\x00\x00\x00\x10")
		}},
		{name: "empty DATA", most: 1, begin: func(c *h2client) { c.opened("/x") }, frame: func(*h2client, int) string { return data(1, 0, "") }},
		{name: "DATA of padding", most: 1, begin: func(c *h2client) { c.opened("/x") }, frame: func(*h2client, int) string { return data(1, padded, "\x00") }},
		{name: "tiny updates of the connection's window", frame: func(*h2client, int) string { return updates(0, 1) }},
		{name: "tiny updates of a stream's window", most: 1, begin: func(c *h2client) { c.opened("/x") }, frame: func(*h2client, int) string { return updates(1, 1) }},
		{name: "CONTINUATION without end (CVE-2024-27316)", begin: func(c *h2client) { c.send(opens(1, endStream, block1)) }, frame: func(*h2client, int) string { return goesOnWith(1, 0, "\x00\x01x\x01y") }},
		{name: "empty CONTINUATION", begin: func(c *h2client) { c.send(opens(1, endStream, block1)) }, frame: func(*h2client, int) string { return goesOnWith(1, 0, "") }},
		{name: "large CONTINUATION", begin: func(c *h2client) { c.send(opens(1, endStream, block1)) }, frame: func(*h2client, int) string {
			return goesOnWith(1, 0, "\x00\x01x\x7f\x81\x7e"+strings.Repeat("y", 16254+126-126))
		}},
		{name: "acknowledgements of nothing", frame: func(*h2client, int) string { return raw(http2.FrameSettings, ack, 0, "") }, want: []string{"GOAWAY", "CLOSED"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			h, asked, running := h2house(t, "")
			c := openH2(t, h)
			defer c.Close()
			if k.begin != nil {
				k.begin(c)
			}
			var all strings.Builder
			for i := range 1000 {
				all.WriteString(k.frame(c, i))
			}
			c.send(all.String())
			want := k.want
			if want == nil {
				want = fails(calm)
			}
			if got := c.until("GOAWAY"); !strings.HasPrefix(got, want[0]) {
				t.Errorf("a thousand times, and the server said %q", got)
			}
			if end := c.until(); end != "CLOSED" {
				t.Errorf("the connection stays open behind GOAWAY")
			}
			h.eventually("the origin works for nobody", func() bool { return running.Load() == 0 })
			if n := asked.Load(); n > k.most {
				t.Errorf("the origin was asked %d times", n)
			}
		})
	}
}

// TestHTTP2Bombs are blocks that unpack into much more than they are.
func TestHTTP2Bombs(t *testing.T) {
	t.Parallel()
	h, asked, _ := h2house(t, "")
	kept := "\x40\x01x\x7f\xd1\x1e" + strings.Repeat("y", 127+81+30*128) // an entry of 4 KB
	for _, k := range []struct{ name, block string }{
		{"an entry a thousand times", block1 + kept + strings.Repeat("\xbe", 1000)},
		{"an entry ten thousand times", block1 + kept + strings.Repeat("\xbe", 10_000)},
		{"ten thousand small fields", block1 + strings.Repeat("\x90", 10_000)},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := openH2(t, h)
			defer c.Close()
			c.send(opens(1, endStream|endHeaders, k.block))
			got := c.until("HEADERS 1", "RST 1", "GOAWAY")
			if got == "" || strings.HasPrefix(got, "HEADERS 1 2") {
				t.Errorf("the server said %q", got)
			}
			if n := asked.Load(); n > 0 {
				t.Errorf("the origin was asked %d times", n)
			}
		})
	}
}

// TestHTTP2ServesManyAtOnce mixes streams on one connection.
func TestHTTP2ServesManyAtOnce(t *testing.T) {
	t.Parallel()
	h, asked, _ := h2house(t, "")
	var all sync.WaitGroup
	for range 4 {
		c := openH2(t, h)
		all.Go(func() {
			for range 5 {
				waiting := map[string]bool{}
				for range 100 {
					id := c.opened("/x")
					body := strings.Repeat("b", int(id))
					c.send(data(id, 0, body[:id/2]) + data(id, endStream, body[id/2:]))
					waiting[fmt.Sprintf("HEADERS %d 200", id)] = true
				}
				for len(waiting) > 0 {
					e := c.until("HEADERS", "RST", "GOAWAY")
					if !waiting[e] {
						t.Errorf("a server of a hundred streams said %q", e)
						return
					}
					delete(waiting, e)
				}
				c.send(updates(0, 1<<20))
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 2000 {
		t.Errorf("the origin was asked %d times", n)
	}
}

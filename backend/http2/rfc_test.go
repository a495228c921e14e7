package http2

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"
)

// conversations are the rules of RFC 9113, one by one. Each begins after the greeting. What is wanted
// is all that the server says; "GOAWAY <code>" alone wants the connection to end so.
var conversations = []struct {
	rule string
	say  func(c *talk)
	want []string
}{
	// §4 frames
	{"§4.1 an unknown frame is ignored", func(c *talk) { c.frame(0xbe, 0xff, 7, []byte("x")); c.get(1, "/") }, []string{"HEADERS 1" + okHead + " end"}},
	{"§4.1 unknown flags and the reserved bit are ignored", func(c *talk) { c.frame(kindPing, 0xfe&^flagAck, 1<<31, []byte("12345678")) }, []string{"PING ack 12345678"}},
	{"§4.2 the largest frame", func(c *talk) { c.post(1, "/"); c.last(1, strings.Repeat("x", maxFrame)) }, []string{"HEADERS 1" + okHead, "DATA 1 16384 bytes end"}},
	{"§4.2 a frame beyond the largest", func(c *talk) { c.post(1, "/"); c.data(1, strings.Repeat("x", maxFrame+1)) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§4.2 HEADERS beyond the largest", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, make([]byte, maxFrame+1))
	}, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§4.3 a block that cannot be decoded", func(c *talk) { c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, []byte{0x40, 0xff}) }, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"§4.3 a block interrupted by PRIORITY", func(c *talk) {
		c.frame(kindHeaders, flagEndStream, 1, c.encode(request("GET", "/")...))
		c.frame(kindPriority, 0, 1, []byte{0, 0, 0, 0, 1})
	}, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§4.3 a block interrupted by another block", func(c *talk) {
		c.frame(kindHeaders, flagEndStream, 1, c.encode(request("GET", "/")...))
		c.get(3, "/")
	}, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.5 a block interrupted by an unknown frame", func(c *talk) {
		c.frame(kindHeaders, flagEndStream, 1, c.encode(request("GET", "/")...))
		c.frame(0xbe, 0, 1, nil)
	}, []string{"GOAWAY PROTOCOL_ERROR"}},

	// §5.1 states
	{"§5.1 idle: DATA", func(c *talk) { c.data(1, "x") }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.1 idle: RST_STREAM", func(c *talk) { c.rst(1, Cancel) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.1 idle: WINDOW_UPDATE", func(c *talk) { c.update(1, 1) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.1 idle: CONTINUATION", func(c *talk) { c.frame(kindContinuation, flagEndHeaders, 1, c.encode(request("GET", "/")...)) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.1 idle: PRIORITY", func(c *talk) { c.frame(kindPriority, 0, 1, []byte{0, 0, 0, 0, 255}); c.get(1, "/") }, []string{"HEADERS 1" + okHead + " end"}},
	{"§5.1 half closed: WINDOW_UPDATE, PRIORITY, RST_STREAM", func(c *talk) {
		c.get(1, "/hold")
		c.update(1, 100)
		c.frame(kindPriority, 0, 1, []byte{0, 0, 0, 0, 1})
		c.rst(1, Cancel)
		c.frame(kindPing, 0, 0, []byte("12345678"))
	}, []string{"PING ack 12345678"}},
	{"§5.1 half closed: DATA", func(c *talk) { c.get(1, "/hold"); c.data(1, "x") }, []string{"RST_STREAM 1 STREAM_CLOSED"}},
	{"§5.1 half closed: HEADERS", func(c *talk) { c.get(1, "/hold"); c.get(1, "/") }, []string{"RST_STREAM 1 STREAM_CLOSED"}},
	{"§5.1 half closed: CONTINUATION", func(c *talk) { c.get(1, "/hold"); c.frame(kindContinuation, flagEndHeaders, 1, nil) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.1 closed by reset: DATA", func(c *talk) { c.post(1, "/hold"); c.rst(1, Cancel); c.data(1, "x") }, []string{"RST_STREAM 1 STREAM_CLOSED"}},
	{"§5.1 closed by reset: HEADERS", func(c *talk) { c.post(1, "/hold"); c.rst(1, Cancel); c.get(1, "/") }, []string{"RST_STREAM 1 STREAM_CLOSED"}},
	{"§5.1 closed: DATA", func(c *talk) { c.get(1, "/"); c.all(); c.data(1, "x") }, []string{"GOAWAY STREAM_CLOSED"}},
	{"§5.1 closed: HEADERS", func(c *talk) { c.get(1, "/"); c.all(); c.get(1, "/") }, []string{"GOAWAY STREAM_CLOSED"}},
	{"§5.1 closed: WINDOW_UPDATE, PRIORITY, RST_STREAM", func(c *talk) {
		c.get(1, "/")
		c.all()
		c.update(1, 100)
		c.frame(kindPriority, 0, 1, []byte{0, 0, 0, 0, 1})
		c.rst(1, Cancel)
		c.get(3, "/")
	}, []string{"HEADERS 3" + okHead + " end"}},
	{"§5.1 closed by us: late DATA and trailers are ignored", func(c *talk) {
		c.post(1, "/unread")
		c.all()
		c.data(1, "x")
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode("a", "b"))
		c.get(3, "/", "a", "b")
	}, []string{"HEADERS 3" + okHead + " end"}},
	{"§5.1.1 an even stream", func(c *talk) { c.get(2, "/") }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.1.1 stream 0", func(c *talk) { c.get(0, "/") }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.1.1 a smaller stream", func(c *talk) { c.get(5, "/hold"); c.get(3, "/") }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§5.3.1 (RFC 7540) a stream that depends on itself", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream|flagPriority, 1, append([]byte{0, 0, 0, 1, 9}, c.encode(request("GET", "/")...)...))
	}, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"§5.3.1 (RFC 7540) PRIORITY on itself", func(c *talk) { c.frame(kindPriority, 0, 1, []byte{0, 0, 0, 1, 9}) }, []string{"GOAWAY PROTOCOL_ERROR"}},

	// §6 each frame
	{"§6.1 DATA on stream 0", func(c *talk) { c.data(0, "x") }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.1 padded DATA", func(c *talk) {
		c.post(1, "/")
		c.frame(kindData, flagEndStream|flagPadded, 1, []byte("\x03abc\x00\x00\x00"))
	}, []string{"HEADERS 1" + okHead, "DATA 1 \"abc\" end"}},
	{"§6.1 padding as long as DATA", func(c *talk) { c.post(1, "/"); c.frame(kindData, flagPadded, 1, []byte("\x04abc")) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.1 padded DATA without its length", func(c *talk) { c.post(1, "/"); c.frame(kindData, flagPadded, 1, nil) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.2 padding and priority", func(c *talk) {
		p := append([]byte{2, 0, 0, 0, 0, 1}, c.encode(request("GET", "/")...)...)
		c.frame(kindHeaders, flagEndHeaders|flagEndStream|flagPadded|flagPriority, 1, append(p, 0, 0))
	}, []string{"HEADERS 1" + okHead + " end"}},
	{"§6.2 padding as long as HEADERS", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream|flagPadded, 1, []byte{9, 0x82, 0x84})
	}, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.2 HEADERS too short for their priority", func(c *talk) { c.frame(kindHeaders, flagEndHeaders|flagPriority, 1, []byte{0, 0}) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.2 padded HEADERS too short for their priority", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagPadded|flagPriority, 1, []byte{0, 0, 0, 0, 0})
	}, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.2 padding that reaches into the priority", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagPadded|flagPriority, 1, []byte{4, 0, 0, 0, 0, 0, 0})
	}, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.3 PRIORITY on stream 0", func(c *talk) { c.frame(kindPriority, 0, 0, []byte{0, 0, 0, 1, 1}) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.3 PRIORITY of another length", func(c *talk) { c.get(1, "/hold"); c.frame(kindPriority, 0, 1, []byte{0, 0, 0, 0}) }, []string{"RST_STREAM 1 FRAME_SIZE_ERROR"}},
	{"§6.4 RST_STREAM on stream 0", func(c *talk) { c.rst(0, Cancel) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.4 RST_STREAM of another length", func(c *talk) { c.get(1, "/hold"); c.frame(kindReset, 0, 1, []byte{0}) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.5 SETTINGS ack with content", func(c *talk) { c.frame(kindSettings, flagAck, 0, make([]byte, 6)) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.5 SETTINGS on a stream", func(c *talk) { c.frame(kindSettings, 0, 1, nil) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.5 SETTINGS of another length", func(c *talk) { c.frame(kindSettings, 0, 0, []byte{0, 1, 0}) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.5.2 ENABLE_PUSH 2", func(c *talk) { c.set(settingPush, 2) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.5.2 ENABLE_PUSH 1", func(c *talk) { c.set(settingPush, 1) }, []string{"SETTINGS ack"}},
	{"§6.5.2 a window beyond all", func(c *talk) { c.set(settingWindow, 1<<31) }, []string{"GOAWAY FLOW_CONTROL_ERROR"}},
	{"§6.5.2 MAX_FRAME_SIZE too small", func(c *talk) { c.set(settingFrameSize, maxFrame-1) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.5.2 MAX_FRAME_SIZE too large", func(c *talk) { c.set(settingFrameSize, 1<<24) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.5.2 an unknown setting", func(c *talk) { c.set(0xbeef, 7) }, []string{"SETTINGS ack"}},
	{"RFC 8441 §3 ENABLE_CONNECT_PROTOCOL 2", func(c *talk) { c.set(settingConnectMethod, 2) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.5.3 settings take effect in their order", func(c *talk) {
		c.frame(kindSettings, 0, 0, appendSetting(appendSetting(nil, settingWindow, 0), settingWindow, 3))
		c.post(1, "/")
		c.last(1, "abcdef")
	}, []string{"SETTINGS ack", "HEADERS 1" + okHead, "DATA 1 \"abc\""}},
	{"§6.6 PUSH_PROMISE", func(c *talk) { c.frame(kindPush, flagEndHeaders, 1, []byte{0, 0, 0, 2}) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.7 PING", func(c *talk) { c.frame(kindPing, 0, 0, []byte("abcdefgh")) }, []string{"PING ack abcdefgh"}},
	{"§6.7 an answer to no PING", func(c *talk) { c.frame(kindPing, flagAck, 0, []byte("abcdefgh")) }, nil},
	{"§6.7 PING on a stream", func(c *talk) { c.frame(kindPing, 0, 1, []byte("abcdefgh")) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.7 PING of another length", func(c *talk) { c.frame(kindPing, 0, 0, []byte("abc")) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.8 GOAWAY on a stream", func(c *talk) { c.frame(kindGoAway, 0, 1, make([]byte, 8)) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.8 a short GOAWAY", func(c *talk) { c.frame(kindGoAway, 0, 0, make([]byte, 7)) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.8 GOAWAY with an unknown code", func(c *talk) {
		c.frame(kindGoAway, 0, 0, []byte{0, 0, 0, 0, 0, 0, 0, 0xff, 'x'})
		c.get(1, "/")
	}, []string{"HEADERS 1" + okHead + " end"}},
	{"§6.9 WINDOW_UPDATE by 0 of the connection", func(c *talk) { c.update(0, 0) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.9 WINDOW_UPDATE by 0 of a stream", func(c *talk) { c.get(1, "/hold"); c.update(1, 0) }, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"§6.9 WINDOW_UPDATE of another length", func(c *talk) { c.frame(kindWindow, 0, 0, []byte{0, 0, 1}) }, []string{"GOAWAY FRAME_SIZE_ERROR"}},
	{"§6.9 DATA beyond the window of a stream", func(c *talk) {
		c.post(1, "/hold")
		for range streamWindow / maxFrame {
			c.data(1, strings.Repeat("x", maxFrame))
		}
		c.data(1, "x")
	}, []string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}},
	{"§6.9 DATA beyond the window of the connection", func(c *talk) {
		c.Conn.mu.Lock()
		c.Conn.receive = maxFrame - 1 // the streams alone do not come so far
		c.Conn.mu.Unlock()
		c.post(1, "/hold")
		c.data(1, strings.Repeat("x", maxFrame))
	}, []string{"GOAWAY FLOW_CONTROL_ERROR"}},
	{"§6.9.1 the window of the connection beyond all", func(c *talk) { c.update(0, maxWindow) }, []string{"GOAWAY FLOW_CONTROL_ERROR"}},
	{"§6.9.1 the window of a stream beyond all", func(c *talk) { c.get(1, "/hold"); c.update(1, maxWindow) }, []string{"RST_STREAM 1 FLOW_CONTROL_ERROR"}},
	{"§6.9.2 settings change the windows of streams", func(c *talk) {
		c.set(settingWindow, 2)
		c.post(1, "/")
		c.last(1, "abcdef")
		c.all()
		c.set(settingWindow, 4)
	}, []string{"SETTINGS ack", "DATA 1 \"cd\""}},
	{"§6.9.2 a window becomes negative, and comes back", func(c *talk) {
		c.set(settingWindow, 3)
		c.post(1, "/")
		c.last(1, "abcdef")
		c.all()
		c.set(settingWindow, 0)
		c.all()
		c.update(1, 3) // it is 0 now
		c.update(1, 1)
	}, []string{"DATA 1 \"d\""}},
	{"§6.9.2 settings make a window too large", func(c *talk) {
		c.get(1, "/hold")
		c.update(1, maxWindow-initialWindow)
		c.set(settingWindow, initialWindow+1)
	}, []string{"GOAWAY FLOW_CONTROL_ERROR"}},
	{"§6.10 a block in many pieces", func(c *talk) {
		b := c.encode(request("GET", "/")...)
		c.frame(kindHeaders, flagEndStream, 1, b[:1])
		for _, piece := range b[1 : len(b)-1] {
			c.frame(kindContinuation, 0, 1, []byte{piece})
		}
		c.frame(kindContinuation, flagEndHeaders, 1, b[len(b)-1:])
	}, []string{"HEADERS 1" + okHead + " end"}},
	{"§6.10 CONTINUATION after the end of a block", func(c *talk) { c.get(1, "/hold"); c.frame(kindContinuation, flagEndHeaders, 1, c.encode("a", "b")) }, []string{"GOAWAY PROTOCOL_ERROR"}},
	{"§6.10 CONTINUATION on stream 0", func(c *talk) {
		c.frame(kindHeaders, flagEndStream, 1, c.encode(request("GET", "/")...))
		c.frame(kindContinuation, flagEndHeaders, 0, nil)
	}, []string{"GOAWAY PROTOCOL_ERROR"}},

	// §8 requests
	{"§8.1 HEAD, and an unread body", func(c *talk) { c.post(1, "/unread") }, []string{"HEADERS 1 status=204 end", "RST_STREAM 1 NO_ERROR"}},
	{"§8.1 a trailer", func(c *talk) {
		c.post(1, "/")
		c.data(1, "a")
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode("x-sum", "9"))
	}, []string{"HEADERS 1" + okHead, "DATA 1 \"a\"", "HEADERS 1 x-sum=9 end"}},
	{"§8.1 a trailer that ends nothing", func(c *talk) {
		c.post(1, "/")
		c.frame(kindHeaders, flagEndHeaders, 1, c.encode("x-sum", "9"))
	}, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"§8.1 a pseudo-field in a trailer", func(c *talk) {
		c.post(1, "/")
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode(":method", "GET"))
	}, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"§8.1.1 a body shorter than its length", func(c *talk) { c.post(1, "/", "content-length", "3"); c.last(1, "ab") }, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"§8.1.1 a body longer than its length", func(c *talk) { c.post(1, "/", "content-length", "3"); c.data(1, "ab"); c.data(1, "cd") }, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"§8.1.1 a trailer before the length is reached", func(c *talk) {
		c.post(1, "/", "content-length", "3")
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode("a", "b"))
	}, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"§8.1.1 a body as long as its length", func(c *talk) { c.post(1, "/", "content-length", "4"); c.data(1, "ab"); c.last(1, "cd") }, []string{"HEADERS 1" + okHead, "DATA 1 \"abcd\" end"}},
	{"§8.5 HEADERS in a tunnel", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders, 1, c.encode(":method", "CONNECT", ":authority", "db.test:22"))
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode("x-sum", "9"))
	}, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"RFC 8441 §5 HEADERS in a WebSocket", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders, 1, c.encode(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/", ":authority", "shop.test"))
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode("x-sum", "9"))
	}, []string{"RST_STREAM 1 PROTOCOL_ERROR"}},
	{"RFC 7541 §4.2 the table becomes smaller and larger again", func(c *talk) {
		c.get(1, "/", "a", "b") // with an empty table the decoder does not mind
		c.hear("HEADERS 1" + okHead + " end")
		c.encoder.SetMaxDynamicTableSize(1000)
		c.encoder.SetMaxDynamicTableSize(4096)
		c.get(3, "/", "a", "b")
	}, []string{"HEADERS 3" + okHead + " end"}},
	{"RFC 7541 §4.2 the table changes three times", func(c *talk) {
		c.get(1, "/", "a", "b")
		c.all()
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 3, append([]byte{0x3f, 0xc9, 0x07, 0x3f, 0xc9, 0x07, 0x3f, 0xc9, 0x07}, c.encode(request("GET", "/")...)...))
	}, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"RFC 7541 §4.2 the table becomes larger than allowed", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, append([]byte{0x3f, 0xe2, 0x1f}, c.encode(request("GET", "/")...)...))
	}, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"RFC 7541 §4.2 the table changes within a block", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, append(c.encode(request("GET", "/", "a", "b")...), 0x20))
	}, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"RFC 7541 §5.2 padding that is no prefix of EOS", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, append(c.encode(request("GET", "/")...), 0x00, 0x01, 'a', 0x81, 0x00))
	}, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"RFC 7541 §5.2 padding of a whole byte", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, append(c.encode(request("GET", "/")...), 0x00, 0x01, 'a', 0x82, 0x1f, 0xff))
	}, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"RFC 7541 §5.2 EOS itself", func(c *talk) {
		c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, append(c.encode(request("GET", "/")...), 0x00, 0x01, 'a', 0x84, 0xff, 0xff, 0xff, 0xff))
	}, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"RFC 7541 §6.1 index 0", func(c *talk) { c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, []byte{0x80}) }, []string{"GOAWAY COMPRESSION_ERROR"}},
	{"RFC 7541 §2.3.3 an index beyond the table", func(c *talk) { c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, []byte{0xff, 0x7f}) }, []string{"GOAWAY COMPRESSION_ERROR"}},
}

func TestTheRulesOfTheRFC(t *testing.T) {
	for _, r := range conversations {
		t.Run(r.rule, func(t *testing.T) {
			converse(t, answer, Options{}, func(c *talk) {
				r.say(c)
				if len(r.want) == 1 {
					if code, ok := strings.CutPrefix(r.want[0], "GOAWAY "); ok {
						time.Sleep(2 * lingerTime)
						got := c.all()
						if len(got) < 2 || got[len(got)-1] != "end" || !strings.HasPrefix(got[len(got)-2], "GOAWAY") || !strings.HasSuffix(got[len(got)-2], " "+code) {
							c.t.Errorf("heard %q, want GOAWAY %s and the end", got, code)
						}
						return
					}
				}
				c.hear(r.want...)
			})
		})
	}
}

// malformed are requests that are none (RFC 9113 §8.1.1 to §8.5).
var malformed = []struct {
	rule   string
	fields []string
}{
	{"§8.2.1 an upper-case name", request("GET", "/", "X-A", "b")},
	{"§8.2.1 a name with a space", request("GET", "/", "x a", "b")},
	{"§8.2.1 a name with a colon", request("GET", "/", "x:a", "b")},
	{"§8.2.1 an empty name", request("GET", "/", "", "b")},
	{"§8.2.1 a name beyond ASCII", request("GET", "/", "x\xe9", "b")},
	{"§8.2.1 a value with a line feed", request("GET", "/", "x", "a\nb")},
	{"§8.2.1 a value with a carriage return", request("GET", "/", "x", "a\rb")},
	{"§8.2.1 a value with NUL", request("GET", "/", "x", "a\x00b")},
	{"§8.2.1 a value with a space before", request("GET", "/", "x", " a")},
	{"§8.2.1 a value with a tab behind", request("GET", "/", "x", "a\t")},
	{"§8.2.2 connection", request("GET", "/", "connection", "keep-alive")},
	{"§8.2.2 transfer-encoding", request("GET", "/", "transfer-encoding", "chunked")},
	{"§8.2.2 upgrade", request("GET", "/", "upgrade", "h2c")},
	{"§8.2.2 keep-alive", request("GET", "/", "keep-alive", "1")},
	{"§8.2.2 proxy-connection", request("GET", "/", "proxy-connection", "close")},
	{"§8.2.2 te other than trailers", request("GET", "/", "te", "trailers, deflate")},
	{"§8.3 an unknown pseudo-field", append([]string{":test", "x"}, request("GET", "/")...)},
	{"§8.3 a pseudo-field of responses", append([]string{":status", "200"}, request("GET", "/")...)},
	{"§8.3 a pseudo-field after a field", []string{":method", "GET", ":scheme", "https", "a", "b", ":path", "/", ":authority", "shop.test"}},
	{"§8.3 :method twice", append([]string{":method", "GET"}, request("GET", "/")...)},
	{"§8.3 :scheme twice", append([]string{":scheme", "https"}, request("GET", "/")...)},
	{"§8.3 :path twice", append([]string{":path", "/"}, request("GET", "/")...)},
	{"§8.3 :authority twice", append([]string{":authority", "shop.test"}, request("GET", "/")...)},
	{"§8.3.1 no :method", []string{":scheme", "https", ":path", "/", ":authority", "shop.test"}},
	{"§8.3.1 no :scheme", []string{":method", "GET", ":path", "/", ":authority", "shop.test"}},
	{"§8.3.1 no :path", []string{":method", "GET", ":scheme", "https", ":authority", "shop.test"}},
	{"§8.3.1 neither :authority nor host", []string{":method", "GET", ":scheme", "https", ":path", "/"}},
	{"§8.3.1 an empty :authority", []string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", ""}},
	{"§8.3.1 an empty :authority beside a host", []string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "", "host", "shop.test"}},
	{"§8.3.1 an :authority with a user", []string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "me@shop.test"}},
	{"§8.3.1 an :authority with a path", []string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "shop.test/x"}},
	{"§8.3.1 a host that is another", request("GET", "/", "host", "other.test")},
	{"§8.3.1 a host with another port", request("GET", "/", "host", "shop.test:80")},
	{"§8.3.1 a host with two ports", []string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "shop.test:8443", "host", "shop.test:8443:443"}},
	{"§8.3.1 two hosts", request("GET", "/", "host", "shop.test", "host", "shop.test")},
	{"§8.3.1 an empty :path", request("GET", "")},
	{"§8.3.1 a :path that is no path", request("GET", "x")},
	{"§8.3.1 a :path that is a URL", request("GET", "https://shop.test/")},
	{"§8.3.1 an asterisk for GET", request("GET", "*")},
	{"§8.3.1 a :path with a space", request("GET", "/a b")},
	{"§8.3.1 a :path with a line feed", request("GET", "/a\nb")},
	{"§8.3.1 a :path with a fragment", request("GET", "/a#b")},
	{"§8.3.1 a :method that is no token", request("GE T", "/")},
	{"§8.3.1 a :scheme that is none", []string{":method", "GET", ":scheme", "ht tp", ":path", "/", ":authority", "shop.test"}},
	{"§8.5 a CONNECT with a :path", []string{":method", "CONNECT", ":path", "/", ":authority", "shop.test:443"}},
	{"§8.5 a CONNECT with a :scheme", []string{":method", "CONNECT", ":scheme", "https", ":authority", "shop.test:443"}},
	{"§8.5 a CONNECT without :authority", []string{":method", "CONNECT", "host", "shop.test:443"}},
	{"§8.5 a CONNECT without a port", []string{":method", "CONNECT", ":authority", "shop.test"}},
	{"§8.5 a CONNECT with a length", []string{":method", "CONNECT", ":authority", "shop.test:443", "content-length", "0"}},
	{"RFC 8441 §5 an extended CONNECT with a length", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/ws", ":authority", "shop.test", "content-length", "0"}},
	{"§8.1.1 a length where no body follows", request("GET", "/", "content-length", "3")},
	{"§8.1.1 a length that is no number", request("GET", "/", "content-length", "+0")},
	{"§8.1.1 two lengths", request("GET", "/", "content-length", "0", "content-length", "0")},
	{"RFC 8441 §4 :protocol without CONNECT", append([]string{":protocol", "websocket"}, request("GET", "/")...)},
	{"RFC 8441 §4 :protocol without :path", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "shop.test"}},
}

func TestWhatIsMalformedIsReset(t *testing.T) {
	for _, m := range malformed {
		t.Run(m.rule, func(t *testing.T) {
			converse(t, answer, Options{}, func(c *talk) {
				c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode(m.fields...))
				c.get(3, "/")
				c.hear("RST_STREAM 1 PROTOCOL_ERROR", "HEADERS 3"+okHead+" end")
				if n := c.calls.Load(); n != 1 {
					t.Errorf("the handler was called %d times", n)
				}
			})
		})
	}
}

func TestARequestAsTheHandlerSeesIt(t *testing.T) {
	for _, r := range []struct {
		name   string
		fields []string
		want   Request
	}{
		{"in the order of the wire, crumbs of a cookie joined", request("GET", "/a?b", "b", "1", "cookie", "x=1", "a", "2", "cookie", "y=2", "b", "3"),
			Request{Method: "GET", Scheme: "https", Authority: "shop.test", Path: "/a?b", Header: fields("b", "1", "cookie", "x=1; y=2", "a", "2", "b", "3")}},
		{"a host in place of :authority", []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "shop.test:8080"},
			Request{Method: "GET", Scheme: "http", Authority: "shop.test:8080", Path: "/", Header: fields("host", "shop.test:8080")}},
		{"a host that agrees", request("GET", "/", "host", "SHOP.test"), Request{Method: "GET", Scheme: "https", Authority: "shop.test", Path: "/", Header: fields("host", "SHOP.test")}},
		{"a host that says the port", request("GET", "/", "host", "shop.test:443"), Request{Method: "GET", Scheme: "https", Authority: "shop.test", Path: "/", Header: fields("host", "shop.test:443")}},
		{"an :authority that says the port", []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "[::1]:80", "host", "[::1]:"},
			Request{Method: "GET", Scheme: "http", Authority: "[::1]:80", Path: "/", Header: fields("host", "[::1]:")}},
		{"an asterisk", request("OPTIONS", "*"), Request{Method: "OPTIONS", Scheme: "https", Authority: "shop.test", Path: "*"}},
		{"te, which may be trailers", request("GET", "/", "te", "Trailers"), Request{Method: "GET", Scheme: "https", Authority: "shop.test", Path: "/", Header: fields("te", "Trailers")}},
		{"a CONNECT", []string{":method", "CONNECT", ":authority", "db.test:22"}, Request{Method: "CONNECT", Authority: "db.test:22"}},
		{"an extended CONNECT", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/ws", ":authority", "shop.test"},
			Request{Method: "CONNECT", Protocol: "websocket", Scheme: "https", Path: "/ws", Authority: "shop.test"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			seen := make(chan Request, 1)
			converse(t, func(s *Stream) { seen <- s.Request; answer(s) }, Options{}, func(c *talk) {
				c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode(r.fields...))
				c.hear("HEADERS 1" + okHead + " end")
				if got := <-seen; !same(got, r.want) {
					t.Errorf("got  %+v\nwant %+v", got, r.want)
				}
			})
		})
	}
}

func TestAHeaderBeyondTheLimitsIsAnswered(t *testing.T) {
	for _, r := range []struct {
		name   string
		fields []string
		status string
		frames int // of the answer
	}{
		{"many bytes", request("GET", "/", "a", strings.Repeat("x", 900)), "431", 2},
		{"many fields", request("GET", "/", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5"), "431", 2},
		{"a long target", request("GET", "/"+strings.Repeat("x", 200)), "414", 2},
		{"many bytes for a HEAD", request("HEAD", "/", "a", strings.Repeat("x", 900)), "431", 1},
		{"many bytes before the method is a HEAD", []string{":path", "/" + strings.Repeat("x", 1000), ":method", "HEAD", ":scheme", "https", ":authority", "shop.test"}, "431", 1},
		{"a long target of a HEAD", request("HEAD", "/"+strings.Repeat("x", 200)), "414", 1},
	} {
		t.Run(r.name, func(t *testing.T) {
			converse(t, answer, Options{HeaderSize: 1000, HeaderFields: 4, TargetSize: 100}, func(c *talk) {
				c.frame(kindHeaders, flagEndHeaders|flagEndStream, 1, c.encode(r.fields...))
				heard := c.all()
				got := strings.Join(heard, "\n")
				if !strings.HasPrefix(got, "HEADERS 1 status="+r.status+" ") || !strings.HasSuffix(got, " end") || !strings.Contains(heard[0], " date=") || len(heard) != r.frames || c.calls.Load() != 0 {
					t.Errorf("heard %s after %d calls", got, c.calls.Load())
				}
				c.get(3, "/", "a", "1", "b", "2", "cookie", "c", "cookie", "d", "cookie", "e") // the tables are still the same
				c.hear("HEADERS 3" + okHead + " end")
			})
		})
	}
}

// Each crumb is a byte of its block once it is in the table: joining it to those before would cost the
// square of their number.
func TestManyCrumbsAreJoinedOnce(t *testing.T) {
	var s section
	o := Options{}.orDefaults()
	allocs := testing.AllocsPerRun(10, func() {
		s.reset()
		for range 1600 {
			s.take(hpack.HeaderField{Name: "cookie", Value: "a"}, &o)
		}
		s.bake()
	})
	if allocs > 3 || len(s.fields) != 1 || len(s.fields[0].Value) != 1600*3-2 {
		t.Errorf("%v allocations for %d fields", allocs, len(s.fields))
	}
}

func TestThePreface(t *testing.T) {
	for _, p := range []struct {
		name string
		say  func(c *talk)
		code Code
	}{
		{"another text", func(c *talk) { c.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }, ProtocolError},
		{"a wrong end", func(c *talk) { c.say(preface[:20] + "XX\r\n") }, ProtocolError},
		{"no SETTINGS after it", func(c *talk) { c.say(preface); c.get(1, "/") }, ProtocolError},
		{"an ack in their place", func(c *talk) { c.say(preface); c.frame(kindSettings, flagAck, 0, nil) }, ProtocolError},
		{"nothing", func(c *talk) { time.Sleep(Defaults.HeaderTimeout) }, SettingsTimeout},
		{"half of it", func(c *talk) { c.say(preface[:10]); time.Sleep(Defaults.HeaderTimeout) }, SettingsTimeout},
		{"SETTINGS that do not come", func(c *talk) { c.say(preface); time.Sleep(Defaults.HeaderTimeout) }, SettingsTimeout},
	} {
		t.Run(p.name, func(t *testing.T) {
			bubble(t, func(c *talk) {
				p.say(c)
				c.ended(p.code)
			})
		})
	}
}

func TestOurSettings(t *testing.T) {
	got := map[setting]uint32{}
	greeting := greetingOf(t, Options{Streams: 7, HeaderSize: 5000})
	for p := greeting.payload; len(p) > 0; p = p[6:] {
		got[setting(binary.BigEndian.Uint16(p))] = binary.BigEndian.Uint32(p[2:])
	}
	for s, want := range map[setting]uint32{settingStreams: 7, settingHeaderSize: 5000, settingWindow: streamWindow, settingConnectMethod: 1} {
		if got[s] != want {
			t.Errorf("the setting %#x is %d, want %d", s, got[s], want)
		}
	}
}

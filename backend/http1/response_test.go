package http1

import (
	"reflect"
	"strings"
	"testing"
)

type responseCase struct {
	name, method, text string
	want               Head // Header and Raw apart
}

var responseCases = []responseCase{
	{"§4 a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1", Length: 5}},
	{"§4 an empty reason", "GET", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", Head{Status: 404, Proto: "HTTP/1.1"}},
	{"§4 a reason of any text", "GET", "HTTP/1.1 200 Nat\xfcrlich,\t ja \r\nContent-Length: 0\r\n\r\n", Head{Status: 200, Reason: "Nat\xfcrlich,\t ja ", Proto: "HTTP/1.1"}},
	{"9110 §15 a code out of use", "GET", "HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n", Head{Status: 999, Reason: "Denied", Proto: "HTTP/1.1"}},
	{"§6.3 no framing", "GET", "HTTP/1.1 200 OK\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1", Length: UntilClose, Close: true}},
	{"§6.3 no framing in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.0", Length: UntilClose, Close: true}},
	{"§6.3 chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1", Length: Chunked}},
	{"§6.3 HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1"}},
	{"§6.3 HEAD of chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1"}},
	{"§6.3 HEAD without framing", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1"}},
	{"§6.3 100", "POST", "HTTP/1.1 100 Continue\r\n\r\n", Head{Status: 100, Reason: "Continue", Proto: "HTTP/1.1"}},
	{"§6.3 103 with a length", "GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n", Head{Status: 103, Reason: "Early Hints", Proto: "HTTP/1.1"}},
	{"§6.3 204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", Head{Status: 204, Reason: "No Content", Proto: "HTTP/1.1"}},
	{"§6.3 204 that announces a body", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Head{Status: 204, Reason: "No Content", Proto: "HTTP/1.1", Close: true}},
	{"§6.3 304 with the length of the representation", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Head{Status: 304, Reason: "Not Modified", Proto: "HTTP/1.1"}},
	{"§6.3 200 to CONNECT", "CONNECT", "HTTP/1.1 200 Connection established\r\n\r\n", Head{Status: 200, Reason: "Connection established", Proto: "HTTP/1.1", Close: true}},
	{"9110 §9.3.6 framing in a 2xx to CONNECT is ignored", "CONNECT", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1", Close: true}},
	{"§6.3 403 to CONNECT", "CONNECT", "HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n", Head{Status: 403, Reason: "Forbidden", Proto: "HTTP/1.1", Length: 5}},
	{"9110 §15.2.2 101", "GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", Head{Status: 101, Reason: "Switching Protocols", Proto: "HTTP/1.1", Close: true}},
	{"§9.3 close", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1", Close: true}},
	{"§9.3 keep-alive in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.0"}},
	{"9110 §10.1.1 an expectation is the client's", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", Head{Status: 200, Reason: "OK", Proto: "HTTP/1.1", Length: 5}},
}

func TestAResponseIsReadByTheGrammar(t *testing.T) {
	for _, c := range responseCases {
		t.Run(c.name, func(t *testing.T) {
			agreeOnResponse(t, []byte(c.text), c.method)
			h, n, err := ParseResponse([]byte(c.text+"more"), c.method, Limits{})
			if err != nil || n != len(c.text) {
				t.Fatalf("took %d bytes of %d, %v", n, len(c.text), err)
			}
			if string(h.Raw) != c.text {
				t.Errorf("the text is %q", h.Raw)
			}
			h.Raw, h.Header = nil, nil
			if !reflect.DeepEqual(*h, c.want) {
				t.Errorf("got %+v, want %+v", *h, c.want)
			}
		})
	}
}

var refusedResponses = []refusedCase{
	{"§2.2 an empty line before", "\r\nHTTP/1.1 200 OK\r\n\r\n", 502, "not HTTP/1"},
	{"§2.2 line feeds alone", "HTTP/1.1 200 OK\n\n", 502, "line feed alone"},
	{"§2.3 another protocol", "SSH-2.0-OpenSSH_9.6\r\n", 502, "not HTTP/1"},
	{"§2.3 another protocol from its first byte", "\x15", 502, "not HTTP/1"},
	{"§2.3 another major version", "HTTP/2.0 200 OK\r\n\r\n", 502, "HTTP/2.0"},
	{"§4 no space after the code", "HTTP/1.1 200\r\n\r\n", 502, "single spaces"},
	{"§4 two spaces before the code", "HTTP/1.1  200 OK\r\n\r\n", 502, "single spaces"},
	{"§4 a tab after the code", "HTTP/1.1 200\tOK\r\n\r\n", 502, "single spaces"},
	{"§4 a code of two digits", "HTTP/1.1 20 OK\r\n\r\n", 502, "single spaces"},
	{"§4 a code of four digits", "HTTP/1.1 2000 OK\r\n\r\n", 502, "single spaces"},
	{"§4 a code of letters", "HTTP/1.1 2x0 OK\r\n\r\n", 502, "single spaces"},
	{"§4 no code", "HTTP/1.1\r\n\r\n", 502, "single spaces"},
	{"9110 §15 a code below 100", "HTTP/1.1 099 Odd\r\n\r\n", 502, "single spaces"},
	{"§4 a control character in the reason", "HTTP/1.1 200 O\x08K\r\n\r\n", 502, "reason phrase"},
	{"§5.1 whitespace before the colon", "HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", 502, "its colon"},
	{"§5.2 a folded line", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", 502, "folded"},
	{"§6.1 both framings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 502, "both"},
	{"§6.1 chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 502, "HTTP/1.0"},
	{"§6.1 an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 502, "gzip"},
	{"§6.3 two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 502, "more than one"},
	{"§6.3 a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n", 502, "Content-Length is"},
	{"6585 §5 a long header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 502, "65536 bytes"},
	{"6585 §5 many fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: 1\r\n", 101) + "\r\n", 502, "100 fields"},
}

func TestAResponseOutsideTheGrammarIsRefused(t *testing.T) {
	for _, c := range refusedResponses {
		t.Run(c.name, func(t *testing.T) {
			agreeOnResponse(t, []byte(c.text), "GET")
			h, n, err := ParseResponse([]byte(c.text), "GET", Limits{})
			refusedWith(t, err, c.status, c.reason)
			if h != nil || n != 0 {
				t.Errorf("took %d bytes, %+v", n, h)
			}
		})
	}
}

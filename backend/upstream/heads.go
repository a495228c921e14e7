package upstream

import (
	"bytes"
	"strconv"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// noteHead keeps the head that has left, without the password of the proxy that it went to.
func (k *call) noteHead() {
	if k.out == nil || !k.x.Recorded() {
		return
	}
	head := (*k.out)[:k.head]
	if k.absolute && k.p.proxy.basic != "" {
		head = bytes.Replace(head, []byte("Proxy-Authorization: "+k.p.proxy.basic+"\r\n"), nil, 1)
	}
	k.x.NoteSent(head)
}

// version2 is what the first line of a printed head says; it is as long as what it stands over.
const version2 = "HTTP/2.0"

// printed is the head of the request as HTTP/1 would write it, with what net/http adds.
func (s *stream) printed(host string, fields flow.Header, expect string) []byte {
	method := s.k.x.Request.Method
	h := append(flow.Header{{Name: "Host", Value: host}}, fields...)
	if n := s.k.length; n > 0 || n == 0 && (method == "POST" || method == "PUT" || method == "PATCH") {
		h.Add("Content-Length", strconv.FormatInt(n, 10))
	}
	if expect != "" {
		h.Add("Expect", expect)
	}
	head := http1.AppendRequest(nil, method, s.k.path(), "HTTP/1.1", h)
	copy(head[bytes.IndexByte(head, '\r')-len(version2):], version2)
	return head
}

// noteCame keeps the head of the answer, printed as well.
func (s *stream) noteCame(status int, fields flow.Header) {
	if x := s.k.x; x.Recorded() {
		head := http1.AppendResponse(nil, "HTTP/1.1", status, "", fields)
		copy(head, version2)
		x.NoteCame(head)
	}
}
